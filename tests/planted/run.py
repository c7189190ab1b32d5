# SPDX-License-Identifier: MIT
"""Do the tests catch real mistakes?

Plants the faults of ``faults.toml`` one at a time in a copy of the project, and runs tests
until one fails: those that are nearest, then those of the same room, then all others.

    python tests/planted/run.py
    python tests/planted/run.py --only cfar tgfnet --depth room
    python tests/planted/run.py --jobs 2 --resume

An entry of the list has the ``file``, the ``old`` text, which occurs once in it, the ``new``
one, an ``id``, and the ``tests`` that are nearest, files or single tests: by default the
file of the same name. A time-out does not count as caught unless the entry says that the fault ``hangs``.

Every result is a line of the file of results at once. ``--resume`` keeps those of faults
that have not changed since.
"""

import argparse
import hashlib
import importlib
import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]

#: How far to look for a test that fails.
DEPTHS = ('nearest', 'room', 'suite')

#: What pytest's exit status means: tests failed, or could not even be collected.
FAILED = (1, 2)

#: Modules that take seconds to import.
PRELOADED = (
    'torchgeo.main',
    'inflect',
    'matplotlib.pyplot',
    'open_clip',
    'torchmetrics',
)

FORK = multiprocessing.get_context('fork')


@dataclass(frozen=True)
class Fault:
    """A mistake that an engineer could make, and the tests that should catch it."""

    id: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = ()
    hangs: bool = False

    @property
    def digest(self) -> str:
        """Short hash of what is planted."""
        text = repr((self.file, self.old, self.new))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def nearest(self) -> tuple[str, ...]:
        """Test files that are tried first."""
        path = Path('tests', *Path(self.file).parts[1:])
        return self.tests or (str(path.with_name(f'test_{path.name}')),)

    def of_depth(self, depth: str) -> list[str]:
        """Return the test files to try, without those tried before."""
        room = '/'.join(['tests', *Path(self.file).parts[1:-1]])
        pattern = 'test_*.py' if room == 'tests' else '**/test_*.py'
        found = {
            'nearest': {ROOT / name for name in self.nearest},
            'room': {*(ROOT / room).glob(pattern)},
            'suite': {*(ROOT / 'tests').glob('**/test_*.py')},
        }
        before = DEPTHS[: DEPTHS.index(depth)]
        new = found[depth].difference(*(found[name] for name in before))
        return [str(path.relative_to(ROOT)) for path in sorted(new)]

    def problem(self) -> str | None:
        """Tell why the fault cannot be planted; None if it can."""
        path = ROOT / self.file
        if not path.is_file():
            return 'there is no such file'
        if (count := path.read_text().count(self.old)) != 1:
            return f'the old text occurs {count} times'
        if self.old == self.new:
            return 'old and new text are the same'
        if missing := [
            name
            for name in self.nearest
            if not (ROOT / name.partition('::')[0]).is_file()
        ]:
            return f'there is no {", ".join(missing)}'
        return None


@dataclass
class Copy:
    """A copy of the project in which faults are planted and tests are run."""

    root: Path
    timeout: float
    #: Gives every planted file a time of its own, or stale bytecode might run.
    clock: int = 0

    def __post_init__(self) -> None:
        """Copy all files that git knows or does not ignore."""
        listed = ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard']
        names = subprocess.check_output(listed, cwd=ROOT, text=True).split('\0')
        for name in filter(None, names):
            if (ROOT / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.root / name)

    def test(self, files: Sequence[str], *options: str) -> tuple[int | None, str]:
        """Run test files: pytest's status, None after the time limit, and its output."""
        with tempfile.TemporaryFile('w+') as output:
            with warnings.catch_warnings():  # of threads, which are idle
                warnings.simplefilter('ignore', DeprecationWarning)
                pid = os.fork()
            if not pid:
                self._pytest([*options, *files], output.fileno())
            try:
                end, status = time.monotonic() + self.timeout, None
                while status is None and time.monotonic() < end:
                    time.sleep(0.05)
                    done, code = os.waitpid(pid, os.WNOHANG)
                    status = os.waitstatus_to_exitcode(code) if done else None
            finally:  # also what a test has left running
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
                with suppress(ChildProcessError):
                    os.waitpid(pid, 0)
            output.seek(0)
            return status, output.read()

    def _pytest(self, arguments: list[str], output: int) -> None:
        """Run pytest in this process, which has imported nothing of the package."""
        status = -1
        try:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.chdir(self.root)
            sys.path[0] = os.environ['PYTHONPATH'] = str(self.root)
            del os.environ['TORCH_DEVICE_BACKEND_AUTOLOAD']
            sys.modules['__main__'] = ModuleType('__main__')
            import torchgeo_vqa

            assert Path(torchgeo_vqa.__file__ or '').is_relative_to(self.root)
            import pytest

            status = int(pytest.main(['-q', '-p', 'no:cacheprovider', *arguments]))
        except BaseException:  # noqa: BLE001 (the fork must not go on as its parent)
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)

    @contextmanager
    def planted(self, fault: Fault) -> Iterator[None]:
        """Plant a fault, and undo it."""
        path = self.root / fault.file
        before, stat = path.read_text(), path.stat()
        self.clock += 1
        try:
            path.write_text(before.replace(fault.old, fault.new))
            os.utime(path, (self.clock, self.clock))
            yield
        finally:
            path.write_text(before)
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    def judge(self, fault: Fault, stages: Sequence[str]) -> dict[str, str]:
        """Plant a fault, and tell which tests catch it."""
        with self.planted(fault):
            for stage in stages:
                files = fault.of_depth(stage)
                if not files:
                    continue
                status, output = self.test(files, '-x')
                if status is None:
                    found = stage if fault.hangs else 'timed out'
                    return {'caught_by': found, 'test': 'time limit'}
                if status in FAILED:
                    first = re.search(r'^(?:FAILED|ERROR) (\S+)', output, re.MULTILINE)
                    return {'caught_by': stage, 'test': first[1] if first else '?'}
                if status:
                    raise RuntimeError(
                        f'{fault.id}: pytest ended with {status}\n{output}'
                    )
        return {'caught_by': f'survived {stages[-1]}', 'test': ''}


def read_faults() -> list[Fault]:
    """Read the list; exit if an entry does not apply to the project as it is."""
    content = tomllib.loads(Path(__file__).with_name('faults.toml').read_text())
    faults = [
        Fault(**{**entry, 'tests': tuple(entry.get('tests', ()))})
        for entry in content['fault']
    ]
    problems = [f'{f.id}: {f.file}: {p}' for f in faults if (p := f.problem())]
    counts = Counter(fault.id for fault in faults)
    problems += [
        f'{name}: is {count} faults' for name, count in counts.items() if count > 1
    ]
    if problems:
        sys.exit('\n'.join(problems))
    return faults


def read_results(path: Path, faults: Sequence[Fault]) -> dict[str, dict[str, str]]:
    """Read the last result of each fault that has not changed."""
    digests = {fault.id: fault.digest for fault in faults}
    lines = path.read_text().splitlines() if path.exists() else []
    found = {line['id']: line for line in map(json.loads, lines)}
    return {i: line for i, line in found.items() if digests.get(i) == line['digest']}


def verify_unplanted(copy: Copy, faults: Sequence[Fault]) -> None:
    """Exit unless the nearest tests of all faults pass without any."""
    for name in sorted({name for fault in faults for name in fault.nearest}):
        status, output = copy.test([name])
        if status:
            sys.exit(f'{output[-5000:]}\n{name} fails without a fault')
        print(f'passes: {name}', flush=True)


def work(copy: Copy, todo: Sequence[tuple[Fault, str]], depth: str, path: Path) -> None:
    """Plant faults, each from a stage on, and write what becomes of them."""
    for fault, start in todo:
        result = {'id': fault.id, 'digest': fault.digest}
        result |= copy.judge(
            fault, DEPTHS[DEPTHS.index(start) : DEPTHS.index(depth) + 1]
        )
        with path.open('a') as file:
            file.write(json.dumps(result) + '\n')
        print(f'{result["caught_by"]:16} {fault.id}  {result["test"]}', flush=True)


def print_table(faults: Sequence[Fault], results: dict[str, dict[str, str]]) -> None:
    """Print how many faults were caught, and name the others."""
    counts = Counter(results[f.id]['caught_by'] for f in faults if f.id in results)
    for outcome, count in sorted(counts.items()):
        how = 'caught by' if outcome in DEPTHS else ''
        print(f'{how:>9} {outcome:16} {count:4}')
    caught, total = sum(counts[depth] for depth in DEPTHS), counts.total()
    print(f'{caught} of {total} caught: {caught / max(total, 1):.1%}')
    for fault in faults:
        outcome = results.get(fault.id, {'caught_by': 'not run'})['caught_by']
        if outcome not in DEPTHS:
            print(f'{outcome}: {fault.id} ({fault.file})')


def preload() -> None:
    """Import what takes long, and nothing of the package: tests run in forks."""
    os.environ['OMP_NUM_THREADS'] = '1'
    os.environ['TORCH_DEVICE_BACKEND_AUTOLOAD'] = '0'
    shared = str(ROOT.parent / 'shared' / 'data')
    os.environ.setdefault('TORCHGEO_VQA_SHARED_DATA', shared)
    for name in PRELOADED:
        importlib.import_module(name)
    loaded = [
        name
        for name in sys.modules
        if 'torchgeo_vqa' in name and 'editable' not in name
    ]
    if loaded:
        raise RuntimeError(f'{loaded[0]} was imported before a fault was planted')


def parse() -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').partition('\n')[0])
    add = parser.add_argument
    add('--jobs', type=int, default=1, help='faults at the same time')
    add('--only', nargs='+', default=[''], help='faults whose id or file holds a text')
    add('--depth', choices=DEPTHS, default='suite', help='how far to look')
    add('--resume', action='store_true', help='keep earlier results')
    add('--again', action='store_true', help='but not of what was not caught')
    add('--trust', action='store_true', help='skip the run without faults')
    add('--timeout', type=float, default=1200, help='seconds of a run of tests')
    default = Path(tempfile.gettempdir(), 'planted.jsonl')
    add('--results', type=Path, default=default, help='file of results, JSON lines')
    return parser.parse_args()


def main() -> None:
    """Run the program."""
    args = parse()
    faults = [
        fault
        for fault in read_faults()
        if any(part in f'{fault.id} {fault.file}' for part in args.only)
    ]
    if not args.resume:
        args.results.write_text('')
    todo = []
    results = read_results(args.results, faults)
    for fault in faults:
        outcome = results.get(fault.id, {'caught_by': ''})['caught_by']
        tried = DEPTHS.index(outcome.split()[-1]) + 1 if 'survived' in outcome else 0
        if not outcome or (args.again and outcome not in DEPTHS):
            todo.append((fault, DEPTHS[0]))
        elif 0 < tried <= DEPTHS.index(args.depth):
            todo.append((fault, DEPTHS[tried]))
    print(f'{len(faults)} faults, {len(todo)} to plant; results: {args.results}')

    preload()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    workers = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            copies = [
                Copy(Path(folder, str(i)).resolve(), args.timeout)
                for i in range(min(args.jobs, len(todo)))
            ]
            if copies and not args.trust:
                verify_unplanted(copies[0], [fault for fault, _ in todo])
            sys.stdout.flush()
            for i, copy in enumerate(copies):
                arguments = copy, todo[i :: len(copies)], args.depth, args.results
                workers.append(FORK.Process(target=work, args=arguments))
                workers[-1].start()
            for worker in workers:
                worker.join()
        finally:
            for worker in workers:
                worker.terminate()
                worker.join()
    print_table(faults, read_results(args.results, faults))
    sys.exit(any(worker.exitcode for worker in workers))


if __name__ == '__main__':
    main()
