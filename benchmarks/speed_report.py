# SPDX-License-Identifier: MIT
"""Tables of what the speed benchmarks found, in Markdown.

Reads the results that are in a folder and writes ``speed.md`` (all ratios) and
``profile.md`` (where the time of an evaluation goes) there:

    python benchmarks/speed_report.py
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from side_by_side import RESULTS

Row = tuple[str, str, str, str]


def spread(found: Mapping[str, float], digits: int = 1) -> str:
    """Write a median with its range."""
    median, least, most = (found[key] for key in ('median', 'min', 'max'))
    return f'{median:.{digits}f} ({least:.{digits}f} to {most:.{digits}f})'


def evaluation(result: Mapping[str, Any]) -> Iterator[Row]:
    """Rows of evaluation_speed.py."""
    yield from _one_at_a_time(result, 'answers_per_second', 'answers per second')


def training(result: Mapping[str, Any]) -> Iterator[Row]:
    """Rows of training_speed.py."""
    what = 'training, questions per second'
    yield from _one_at_a_time(result, 'questions_per_second', what)


def _one_at_a_time(result: Mapping[str, Any], key: str, what: str) -> Iterator[Row]:
    """Rows of what is compared with one question at a time."""
    number = result['questions_per_pair']
    for model in ('tgfnet', 'tgfnet_tiny'):
        if model in result:
            ours, rival = result[model][key].values()
            yield (
                f'{model}: {what}, {number} questions a pair',
                f'{ours:,.0f}',
                f'one question at a time: {rival:,.2f}',
                spread(result[model]['ratio']),
            )


def loading(result: Mapping[str, Any]) -> Iterator[Row]:
    """Rows of loading_speed.py."""
    rates = result['questions_per_second']
    for name, found in result['ratio'].items():
        yield (
            f'loading RSVQA-LR, questions per second ({name})',
            f'{rates[name]:,.0f}',
            f'ConfigILM 0.7.1: {rates["ConfigILM"]:,.0f}',
            spread(found, 0),
        )


def pair_reading(result: Mapping[str, Any]) -> Iterator[Row]:
    """Rows of pair_reading.py."""
    ours, plain = result['pairs_per_second'].values()
    yield (
        'reading pairs of 256 px GeoTIFFs, pairs per second',
        f'{ours:,.0f}',
        f'RasterDataset & RasterDataset: {plain:,.0f}',
        spread(result['ratio'], 2),
    )


def distributed(result: Mapping[str, Any]) -> Iterator[Row]:
    """Rows of two_processes.py."""
    two, one = result['pairs_per_second'].values()
    yield (
        'tgfnet_tiny: training by two processes, pairs per second',
        f'{two:,.0f}',
        f'one process: {one:,.0f}',
        spread(result['ratio'], 2),
    )


def feature_caching(result: Mapping[str, Any]) -> Iterator[Row]:
    """Rows of feature_caching.py."""
    for name, found in result.items():
        if name.endswith('questions per pair'):
            yield (
                f'tgfnet, frozen CLIP: seconds of a later epoch, {name}',
                f'{found["later_epochs"]:,.1f}',
                f'first epoch: {found["first_epoch"]:,.1f}',
                f'{found["first_over_later"]:.1f}',
            )


SOURCES = {
    function.__name__: function
    for function in (
        evaluation,
        training,
        loading,
        pair_reading,
        distributed,
        feature_caching,
    )
}


def speed_table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Write the table of all ratios."""
    lines = ['| what | here | against | ratio, median and range |', '|---|---|---|---|']
    for name, rows in SOURCES.items():
        if name in results:
            lines += [f'| {" | ".join(row)} |' for row in rows(results[name])]
    return '\n'.join(lines)


def opening_table(result: Mapping[str, Any]) -> str:
    """Write how OSVQA opens."""
    lines = [
        '| questions of the release | cold | warm | memory, cold | memory, warm |',
        '|---|---|---|---|---|',
    ]
    for found in result['sizes']:
        cells = [f'{found["scale"]:.0%}']
        cells += [f'{found[f"{kind}_seconds"]:.2f} s' for kind in ('cold', 'warm')]
        cells += [f'{found[f"{kind}_bytes"] / 1e6:.0f} MB' for kind in ('cold', 'warm')]
        lines.append(f'| {" | ".join(cells)} |')
    for found in result['sizes']:
        if 'worker_bytes' in found:
            own = found['worker_bytes']['dataset'] - found['worker_bytes']['empty']
            torch = found['bytes_with_torch']
            workers = (
                f'Each of four workers has {own / 1e6:.0f} MB of its own beyond an empty '
                f'one at {found["scale"]:.0%}; to import PyTorch alone takes '
                f'{torch / 1e6:.0f} MB here.'
            )
            lines += ['', workers]
    return '\n'.join(lines)


def profile_table(result: Mapping[str, Any]) -> str:
    """Write where the time of an evaluation goes, a column for each model."""
    models = [name for name in ('tgfnet', 'tgfnet_tiny') if name in result]
    lines = [f'| operator | {" | ".join(models)} |', f'|---|{"---|" * len(models)}']
    names = dict.fromkeys(n for model in models for n in result[model]['profile'])
    for name in names:
        cells = [
            f'{result[model]["profile"][name]:.1%}'
            if name in result[model]['profile']
            else ''
            for model in models
        ]
        lines.append(f'| `{name}` | {" | ".join(cells)} |')
    shares = [spread(result[m]['share_of_product_rate'], 2) for m in models]
    lines.append(f'| **share of the rate of a product** | {" | ".join(shares)} |')
    return '\n'.join(lines)


def main() -> None:
    """Write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--output', type=Path, default=RESULTS)
    args = parser.parse_args()
    results = {
        path.stem: json.loads(path.read_text()) for path in args.output.glob('*.json')
    }
    tables = {'speed': speed_table(results)}
    if 'opening' in results:
        tables['opening'] = opening_table(results['opening'])
    if 'evaluation' in results:
        tables['profile'] = profile_table(results['evaluation'])
    for name, table in tables.items():
        (args.output / f'{name}.md').write_text(table + '\n')
        print(table + '\n')


if __name__ == '__main__':
    main()
