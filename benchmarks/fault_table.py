# SPDX-License-Identifier: MIT
"""Does anything wrong pass in silence?

Builds every input of the catalogue of faults, runs the real thing on it, judges by rule what
it did, and writes a table. Exits with 1 if anything is silent, hangs, or ends in a traceback:

    python benchmarks/fault_table.py
    python benchmarks/fault_table.py --only nodata --jobs 2
    python benchmarks/fault_table.py --quick  # a few of them, no table
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fault_cases_commands  # noqa: F401
import fault_cases_images  # noqa: F401
import fault_cases_models  # noqa: F401
from fault_cases_page import SERVER
from fault_run import BAD, CASES, GOOD, Case, run_case

ROOT = Path(__file__).parents[1]

ORDER = [*BAD, 'refused', 'warned', 'right']


def cases() -> list[Case]:
    """Return all cases, those of the catalogue first."""
    names = Counter(case.name for case in CASES)
    assert max(names.values()) == 1, names.most_common(3)
    return sorted(CASES, key=lambda case: _row(case.row))


def _row(row: str) -> tuple[int, str]:
    number = re.match(r'\d+', row)
    return (int(number[0]), row) if number else (99, '')


def warm_up() -> None:
    """Import once what every case needs; a forked process has it at once."""
    os.environ.update(OMP_NUM_THREADS='1', GRADIO_ANALYTICS_ENABLED='False')
    import torch
    from torchgeo import main  # noqa: F401

    from fault_inputs import scene
    from torchgeo_vqa import cli, trainers  # noqa: F401

    try:
        from torchgeo_vqa import app  # noqa: F401
    except ImportError:
        print('no Gradio: the cases of the page will fail', file=sys.stderr)
    torch.set_num_threads(1)
    scene()


def overall(views: Sequence[dict[str, Any]]) -> str:
    """Return the worst verdict of a case's ways."""
    return min((view['verdict'] for view in views), key=ORDER.index)


def is_fault(case: Case, views: Sequence[dict[str, Any]]) -> bool:
    """Tell whether any way has another verdict than the case accepts."""
    return any(view['verdict'] not in case.accept for view in views)


def shortened(text: str, folder: Path, length: int = 230) -> str:
    """Make a sentence fit a cell of the table, without the folder's own name."""
    text = re.sub(rf'(/private)?{re.escape(str(folder))}/?[^/\s]*', '…', text)
    text = re.sub(r'/tmp/[\w/-]+', '…', text)
    text = ' '.join(text.split()).replace('`', "'")
    text = ''.join(c if c.isprintable() else '·' for c in text)
    return text if len(text) <= length else f'{text[: length - 1]}…'


def as_cell(text: str) -> str:
    """Make a cell of a Markdown table say a text as it is, but for its `code`."""
    parts = text.split('`')
    parts[::2] = [re.sub(r'([\\*_$<\[\]~#])', r'\\\1', part) for part in parts[::2]]
    return '`'.join(parts).replace('|', r'\|')


def as_row(
    number: int, case: Case, views: Sequence[dict[str, Any]], folder: Path
) -> str:
    """Make a row of the table: ways with the same verdict share a sentence."""
    cells = []
    for verdict in ORDER:
        own = [view for view in views if view['verdict'] == verdict]
        if not own:
            continue
        doors = ', '.join(view['door'] for view in own if view['door'])
        sentence = as_cell(shortened(own[0]['sentence'], folder))
        text = verdict if verdict == 'right' else f'{verdict}: {sentence}'
        cells.append(
            f'{doors} {text}'.strip()
            if len({v['verdict'] for v in views}) > 1
            else text
        )
    mark = f'**{overall(views)}**' if is_fault(case, views) else overall(views)
    return f'| {number} | {case.row} | {as_cell(case.name)} | {"; ".join(cells)} | {mark} |'


def run_all(
    chosen: Sequence[Case], folder: Path, jobs: int
) -> list[list[dict[str, Any]]]:
    """Run cases, each in a folder and a process of its own."""

    def run(numbered: tuple[int, Case]) -> list[dict[str, Any]]:
        number, case = numbered
        began = time.monotonic()
        own = folder / f'case{number}'
        views = run_case(case, own)
        shutil.rmtree(own, ignore_errors=True)
        if case.prepare is not None and overall(views) == 'HANG':
            SERVER.stop()  # the next visitor is to find a page
        took = time.monotonic() - began
        bad = is_fault(case, views)
        print(
            f'{"FAULT" if bad else "ok":5} {took:5.1f}s {case.row:4} {case.name}',
            flush=True,
        )
        for view in views if bad else ():
            if view['verdict'] not in case.accept:
                print(
                    f'      {view["door"]} {view["verdict"]}: {view["sentence"][:300]}'
                )
        return views

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(run, enumerate(chosen, 1)))


def main() -> None:
    """Run what is asked for, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--only', help='expression of names or rows')
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--jobs', type=int, default=1)
    parser.add_argument(
        '--output', type=Path, default=ROOT / 'docs/_static/faults/fault_table.md'
    )
    args = parser.parse_args()
    chosen = [case for case in cases() if case.quick or not args.quick]
    if args.only:
        found = re.compile(args.only, re.IGNORECASE)
        chosen = [c for c in chosen if found.search(c.name) or args.only == c.row]
    # No TemporaryDirectory, which a forked process would remove at its end
    folder = Path(tempfile.mkdtemp())
    try:
        warm_up()
        results = run_all(chosen, folder, args.jobs)
        pairs = list(zip(chosen, results, strict=True))
        counts = Counter(overall(views) for views in results)
        faults = [case.name for case, views in pairs if is_fault(case, views)]
        lines = [
            f'{len(chosen)} inputs: '
            + ', '.join(f'{counts[v]} {v}' for v in (*GOOD, *BAD) if counts[v])
            + f'; {len(faults)} not as they must be.',
            '',
            '| | row | input | what happens now | verdict |',
            '|---|---|---|---|---|',
            *(as_row(i, c, v, folder) for i, (c, v) in enumerate(pairs, 1)),
        ]
    finally:
        SERVER.stop()
        shutil.rmtree(folder)
    if not (args.quick or args.only):
        args.output.write_text('\n'.join(lines) + '\n')
    print('\n'.join([lines[0], *faults]))
    sys.exit(bool(faults))


if __name__ == '__main__':
    main()
