# SPDX-License-Identifier: MIT
"""Is anything lost or let in when something goes wrong?

Runs the catalogue of bad input and faults, fuzzing for long, kills, a long training, the
tests with the lowest and with the newest versions, and a scan of the dependencies:

    python benchmarks/faults.py
    python benchmarks/faults.py --only catalogue kills
    python benchmarks/faults.py --only   # makes the table of what has been run

Each writes its result; the table is made of what is there.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from side_by_side import ROOT, write

#: What the files of the catalogue are about.
CATALOGUE = {
    'tests/faults/test_bad_input.py': 'images, annotations and questions that are wrong',
    'tests/faults/test_checkpoints.py': 'checkpoints that are cut off, of another model '
    'or version, or carry code',
    'tests/faults/test_caches.py': 'caches that are stale, of another version, in use, or '
    'cannot be written',
    'tests/faults/test_full_disk.py': 'a full disk',
    'tests/faults/test_workers.py': 'worker processes that die',
    'tests/faults/test_determinism.py': 'the same seed twice: fit, test, predict, generate, '
    'convert, the sample; to the bit',
    'tests/datamodules/test_seed.py': 'training that goes on: the same weights, to '
    'the bit',
    'tests/callbacks/test_defaults.py': 'SIGTERM while training',
    'tests/datasets/test_archive.py': 'archives with links, paths or bombs',
    'tests/page/test_rate_limit.py': 'too many requests to the page',
    'tests/page/test_server.py': 'the page: uploads, paths, sizes, addresses outside',
}

FUZZING = 'tests/faults/test_fuzzing.py'

#: What the tests there read.
FUZZED = {
    'test_spoiled_annotations': 'annotation files with bytes changed',
    'test_other_annotations': 'annotation files of other values',
    'test_spoiled_rsvqa': "RSVQA's files with bytes changed",
    'test_spoiled_cache': 'cached tables with bytes changed',
    'test_spoiled_question_files': 'CSV, TSV, JSON and JSON lines to convert, with bytes '
    'changed',
    'test_other_question_files': 'JSON to convert of other values',
    'test_spoiled_images': 'GeoTIFF (three kinds) and PNG with bytes changed',
}

#: Titles of the jobs of kills.py.
KILLS = {
    'cache': 'building the cache of a question table',
    'sample': 'making the embedded sample',
    'predict': 'predicting',
    'fit': 'training',
}


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command in the project's folder."""
    print('$', *command, flush=True)
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )


def counted(path: Path) -> dict[str, dict[str, int]]:
    """Count the tests of each file in a report of pytest."""
    found: dict[str, dict[str, int]] = {}
    for case in ElementTree.parse(path).iter('testcase'):
        module = case.attrib['classname'].split('.')
        while not (ROOT / '/'.join(module)).with_suffix('.py').exists():
            module.pop()
        counts = found.setdefault(f'{"/".join(module)}.py', {'tried': 0, 'passed': 0})
        bad = [child.tag for child in case if child.tag in ('failure', 'error')]
        if case.find('skipped') is None:
            counts['tried'] += 1
            counts['passed'] += not bad
    return found


def catalogue() -> dict[str, Any]:
    """Run the tests of the catalogue."""
    with tempfile.TemporaryDirectory() as folder:
        report = f'{folder}/report.xml'
        command = [sys.executable, '-m', 'pytest', '-q', f'--junitxml={report}']
        run([*command, *CATALOGUE])
        return {'files': counted(Path(report))}


def fuzzing() -> dict[str, Any]:
    """Try many files in each of the fuzzing tests."""
    command = [sys.executable, '-m', 'pytest', '-q', '--hypothesis-show-statistics']
    done = run([*command, '--hypothesis-profile', 'long', FUZZING])
    parts = re.split(r'^\S*test_fuzzing\.py::', done.stdout, flags=re.MULTILINE)[1:]
    tests = {}
    for part in parts:
        numbers = re.findall(r'(\d+) passing, (\d+) failing', part)
        if numbers:
            tests[part.partition(':')[0]] = {
                'passing': sum(int(passing) for passing, _ in numbers),
                'failing': sum(int(failing) for _, failing in numbers),
            }
    return {'tests': tests, 'exit_code': done.returncode}


def kills() -> None:
    """Kill processes; the script writes its result itself."""
    run([sys.executable, 'benchmarks/kills.py'])


def load() -> None:
    """Train for long; the script writes its result itself."""
    run([sys.executable, 'benchmarks/load.py'])


#: What the versions of are told.
DEPENDENCIES = ('torch', 'torchgeo', 'lightning', 'kornia', 'open_clip_torch')


def tested(python: Path, done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Count the tests of a run, and tell with what they ran."""
    script = (
        'import json, sys; from importlib.metadata import version; '
        'print(json.dumps({name: version(name) for name in sys.argv[1:]} | '
        '{"python": sys.version.split()[0]}))'
    )
    command = [str(python), '-c', script, *DEPENDENCIES]
    versions = subprocess.run(command, capture_output=True, text=True, check=True)
    last = done.stdout.strip().splitlines()[-1]
    counts = {word: int(number) for number, word in re.findall(r'(\d+) (\w+)', last)}
    keys = ('passed', 'failed', 'errors', 'skipped')
    return {
        **{key: counts.get(key, 0) for key in keys},
        'versions': json.loads(versions.stdout),
    }


def lowest() -> dict[str, Any]:
    """Run all tests with the lowest versions."""
    return tested(ROOT / '.venv-lowest/bin/python', run(['make', 'test-lowest']))


def newest() -> dict[str, Any]:
    """Run all tests with the versions that are here, the newest if this is a fresh .venv."""
    command = [sys.executable, '-m', 'pytest', '-n', '2', '--dist', 'worksteal']
    return tested(Path(sys.executable), run(command))


def audit() -> dict[str, Any]:
    """Ask whether faults of the dependencies are known."""
    with tempfile.TemporaryDirectory() as folder:
        venv = f'{folder}/venv'
        run([sys.executable, '-m', 'venv', venv])
        run([f'{venv}/bin/python', '-m', 'pip', 'install', '--quiet', 'pip-audit'])
        (paths,) = {p for p in sys.path if p.endswith('site-packages')}
        done = run([f'{venv}/bin/pip-audit', '--format=json', f'--path={paths}'])
    try:
        packages = json.loads(done.stdout)['dependencies']
    except ValueError:
        return {'reason': done.stderr.strip().splitlines()[-1]}
    known = [p for p in packages if 'vulns' in p]
    return {
        'packages': len(packages),
        'looked_up': len(known),
        'vulnerable': {
            p['name']: [v['id'] for v in p['vulns']] for p in known if p['vulns']
        },
    }


STEPS: dict[str, Callable[[], dict[str, Any] | None]] = {
    'catalogue': catalogue,
    'fuzzing': fuzzing,
    'kills': kills,
    'load': load,
    'lowest': lowest,
    'newest': newest,
    'audit': audit,
}


def rows(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Make the rows of the table.

    Args:
        found: Results by step.

    Returns:
        What was tried, how often, and how often all went well.
    """
    lines: list[tuple[str, str, str]] = []
    for file, counts in found.get('catalogue', {}).get('files', {}).items():
        lines.append((CATALOGUE[file], f'{counts["tried"]}', f'{counts["passed"]}'))
    tests = found.get('fuzzing', {}).get('tests', {})
    for name, title in FUZZED.items():
        kinds = [counts for test, counts in tests.items() if test.startswith(name)]
        if kinds:
            passed, failed = (
                sum(k[key] for k in kinds) for key in ('passing', 'failing')
            )
            lines.append((f'fuzzing: {title}', f'{passed + failed:,}', f'{passed:,}'))
    for job, title in KILLS.items():
        if job in (counts := found.get('kills', {})):
            numbers = counts[job]
            row = f'`kill -9` while {title}', numbers['kills'], numbers['survived']
            lines.append((row[0], f'{row[1]}', f'{row[2]}'))
    if 'load' in found:
        growth = found['load']['growth_after_first_epoch']
        lines.append(
            (
                'memory of three epochs of training with two workers, after the first',
                f'{found["load"]["tiles"]:,} tiles',
                f'{growth:+.1%}, at most {found["load"]["most_files"]:.0f} open files',
            )
        )
    for which in ('lowest', 'newest'):
        if numbers := found.get(which):
            tried = numbers['passed'] + numbers['failed'] + numbers['errors']
            used = numbers['versions']
            title = f'all tests with the {which} versions (Python {used["python"]}, PyTorch '
            title += (
                f'{used["torch"].partition("+")[0]}, Lightning {used["lightning"]})'
            )
            skipped = f' ({numbers["skipped"]} skipped)' if numbers['skipped'] else ''
            lines.append((title, f'{tried:,}', f'{numbers["passed"]:,}{skipped}'))
    if 'audit' in found:
        scan = found['audit']
        title = 'dependencies with known faults (pip-audit)'
        if scan.get('looked_up'):
            bad = ', '.join(scan['vulnerable']) or 'none'
            lines.append((title, f'{scan["looked_up"]} packages', bad))
        else:
            lines.append((title, 'could not be asked', '—'))
    return lines


def main() -> None:
    """Run what is asked for, and make the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--only', nargs='*', choices=STEPS, default=list(STEPS))
    parser.add_argument('--output', type=Path, default=ROOT / 'docs/_static/faults')
    args = parser.parse_args()
    for name in args.only:
        content = STEPS[name]()
        if content is not None:
            write(name, content, args.output)
    found = {
        name: json.loads((args.output / f'{name}.json').read_text())
        for name in STEPS
        if (args.output / f'{name}.json').exists()
    }
    lines = ['| what | tried | went well |', '|---|---|---|']
    lines += [f'| {" | ".join(row)} |' for row in rows(found)]
    (args.output / 'faults.md').write_text('\n'.join(lines) + '\n')


if __name__ == '__main__':
    main()
