# SPDX-License-Identifier: MIT
"""Tables and plots of the robustness benchmark."""

import csv
import json
from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib.pyplot as plt

from experiment import mean_and_spread
from methods import DEGRADATION, METHODS, OPTICAL

#: The question type that is learned late, or with some seeds not at all in so few steps.
LATE_TYPE = 'quadrant_land_cover'

#: What a table shows of a run.
COLUMNS = ('OA', 'AA', 'clear', 'cloudy', 'dark')
LOSSES = {
    'loss_cloudy': 'clear - cloudy',
    'loss_dark': 'clear - dark',
    'loss_overcast': 'lost to full clouds',
    'loss_night': 'lost to 5 % light',
}


def figures(run: dict[str, Any]) -> dict[str, float]:
    """Numbers of a run that tables show, by name."""
    test = run['test_metrics']
    groups = test['groups']
    numbers = {'OA': test['OA'], 'AA': test['AA'], **groups}
    for name in ('cloudy', 'dark'):
        numbers[f'loss_{name}'] = groups['clear'] - groups[name]
    others = [oa for kind, oa in test['per_type'].items() if kind != LATE_TYPE]
    numbers['late'], numbers['others'] = test['per_type'][LATE_TYPE], mean(others)
    numbers['blind_OA'] = test['blind_OA']
    numbers['blind_clear'] = test['blind_groups']['clear']
    numbers['minutes'] = run['fit_seconds'] / 60
    numbers['clip_minutes'] = run.get('fine_tuning_seconds', 0.0) / 60
    numbers['parameters'] = run['num_parameters']
    numbers['steps'] = run['curve'][-1]['step']
    if 'fresh_metrics' in run:
        numbers['fresh_OA'] = run['fresh_metrics']['OA']
        numbers['fresh_AA'] = run['fresh_metrics']['AA']
    for modality, found in run.get('routing', {}).items():
        numbers[f'routing_{modality}'] = found['hit'] / found['chance']
    degradation = run['degradation_metrics']
    plain = degradation['reference']['OA']
    numbers['undegraded'] = plain
    for row in degradation['degradations']:
        numbers[f'{row["kind"]}_{row["severity"]}'] = row['OA']
    # What does not concern the images a method sees, it is not tested under
    numbers['loss_overcast'] = plain - numbers.get('cloud_1.0', plain)
    numbers['loss_night'] = plain - numbers.get('low_light_0.05', plain)
    return numbers


Results = dict[str, list[dict[str, Any]]]


def table(results: Results) -> str:
    """Write the table of the methods in Markdown."""
    columns = (*COLUMNS, *LOSSES.values())
    head = ('method', 'images', 'seeds', 'parameters', 'minutes', *columns)
    lines = [f'| {" | ".join(head)} |', f'|{"---|" * len(head)}']
    for name, runs in results.items():
        method = METHODS[name]
        if method.table != 'methods':
            continue
        numbers = [figures(run) for run in runs]
        images = 'none' if method.model == 'blind' else ' + '.join(method.modalities)
        cells = [method.label, images.replace('sar', 'SAR'), str(len(runs))]
        cells.append(f'{numbers[0]["parameters"] / 1e6:.1f} M')
        minutes = f'{mean(n["minutes"] for n in numbers):.1f}'
        if method.fine_tuned:
            minutes += f' + {mean(n["clip_minutes"] for n in numbers):.1f}'
        cells.append(minutes)
        for column in (*COLUMNS, *LOSSES):
            cells.append(mean_and_spread([n[column] for n in numbers]))
        lines.append(f'| {" | ".join(cells)} |')
    blind = figures(next(iter(results.values()))[0])
    lines.append(
        f'| most frequent answer | none | | | | {blind["blind_OA"]:.3f} | | '
        f'{blind["blind_clear"]:.3f} |{" |" * (len(columns) - 3)}'
    )
    return '\n'.join(lines)


def ablation_table(results: Results) -> str:
    """Write the table of TGFNet's parts in Markdown, as differences seed by seed."""
    columns = {'OA': 'OA', 'AA': 'AA', **dict(list(LOSSES.items())[2:])}
    columns |= {'late': LATE_TYPE, 'others': 'AA of the other types'}
    gaps = {'OA': 'OA against the whole', 'others': 'other types against the whole'}
    lines = [
        f'| TGFNet | seeds | {" | ".join((*columns.values(), *gaps.values()))} |',
        f'|---|---|{"---|" * (len(columns) + len(gaps))}',
    ]
    whole = {run['seed']: figures(run) for run in results.get('tgfnet', [])}
    for name, runs in results.items():
        if name != 'tgfnet' and METHODS[name].table != 'ablations':
            continue
        numbers = {run['seed']: figures(run) for run in runs}
        cells = ['the whole' if name == 'tgfnet' else METHODS[name].label]
        cells.append(str(len(runs)))
        cells += [
            mean_and_spread([n[column] for n in numbers.values()]) for column in columns
        ]
        shared = [seed for seed in numbers if seed in whole and name != 'tgfnet']
        for column in gaps:
            found = [numbers[seed][column] - whole[seed][column] for seed in shared]
            cells.append(mean_and_spread(found) if found else '')
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)


def hardened_table(results: Results) -> str:
    """Write what training with bad images brings in Markdown."""
    columns = {'OA': 'OA', 'undegraded': 'clear, no quality questions'}
    columns |= {'cloud_1.0': 'full clouds', 'low_light_0.05': '5 % light'}
    columns |= {'blank_optical': 'no optical image'}
    columns |= dict(list(LOSSES.items())[2:])
    lines = [
        f'| method | trained with bad images | seeds | {" | ".join(columns.values())} |',
        f'|---|---|---|{"---|" * len(columns)}',
    ]
    for hardened in [n for n in results if METHODS[n].table == 'hardened']:
        for name in (hardened.removesuffix('_hardened'), hardened):
            numbers = [figures(run) for run in results.get(name, [])]
            if not numbers:
                continue
            cells = [METHODS[name].label, 'yes' if name == hardened else 'no']
            cells.append(str(len(numbers)))
            cells += [mean_and_spread([n[c] for n in numbers]) for c in columns]
            lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)


def fine_tuning_table(results: Results) -> str:
    """Write validation accuracy while training, with and without fine-tuned CLIP."""
    names = [name for name in ('from_scratch', 'tgfnet') if name in results]
    curves = {
        name: list(zip(*(run['curve'] for run in results[name]), strict=True))
        for name in names
    }
    lines = [
        f'| steps | {" | ".join(METHODS[name].label for name in names)} |',
        f'|---|{"---|" * len(names)}',
    ]
    for points in zip(*curves.values(), strict=True):
        cells = [mean_and_spread([p['OA'] for p in seeds]) for seeds in points]
        lines.append(f'| {points[0][0]["step"]:,} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def types_table(results: Results) -> str:
    """Write the accuracy of every question type in Markdown, a column per method."""
    names = [name for name in results if METHODS[name].table == 'methods']
    lines = [
        f'| question type | {" | ".join(METHODS[n].label for n in names)} |',
        f'|---|{"---|" * len(names)}',
    ]
    for kind in next(iter(results.values()))[0]['test_metrics']['per_type']:
        cells = [
            f'{mean(r["test_metrics"]["per_type"][kind] for r in results[n]):.3f}'
            for n in names
        ]
        lines.append(f'| {kind} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def degraded_types_table(results: Results) -> str:
    """Write what of each question type TGFNet loses, beside what SAR alone tells."""
    lines = [
        '| question type | clear | full clouds | 5 % light | TGFNet on SAR alone |',
        '|---|---|---|---|---|',
    ]
    runs, alone = results.get('tgfnet', []), results.get('sar', [])
    if not runs or not alone:
        return '\n'.join(lines)
    plain = [run['degradation_metrics']['reference']['per_type'] for run in runs]
    columns = [plain]
    for kind, severity in (('cloud', 1.0), ('low_light', 0.05)):
        columns.append([_degraded(run, kind, severity)['per_type'] for run in runs])
    columns.append([r['degradation_metrics']['reference']['per_type'] for r in alone])
    for kind in plain[0]:
        cells = [f'{mean(run[kind] for run in column):.2f}' for column in columns]
        lines.append(f'| {kind} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def _degraded(run: dict[str, Any], kind: str, severity: float) -> dict[str, Any]:
    """Find what was measured under a degradation."""
    rows = run['degradation_metrics']['degradations']
    found: dict[str, Any] = next(
        row for row in rows if row['kind'] == kind and row['severity'] == severity
    )
    return found


def write_csv(path: Path, results: Results) -> None:
    """Write the numbers of every run, a row each."""
    rows = [
        {'method': name, 'seed': run['seed'], **figures(run)}
        for name, runs in results.items()
        for run in runs
    ]
    with path.open('w', newline='') as file:
        writer = csv.DictWriter(
            file, list(dict.fromkeys(k for row in rows for k in row))
        )
        writer.writeheader()
        writer.writerows(rows)


def plot(path: Path, results: Results, kind: str, title: str, label: str) -> None:
    """Plot accuracy on clear images against how much they are degraded."""
    figure, axes = plt.subplots(figsize=(8, 5), layout='constrained')
    for name, runs in results.items():
        method = METHODS[name]
        if not method.plotted or method.table == 'hardened':
            continue
        curves = [
            {
                row['severity']: row['OA']
                for row in run['degradation_metrics']['degradations']
                if row['kind'] == kind
            }
            for run in runs
        ]
        # Who does not see the optical image does not mind
        plain = [run['degradation_metrics']['reference']['OA'] for run in runs]
        severities: list[float] = DEGRADATION[kind]  # type: ignore[assignment]
        columns = [
            [curve.get(s, oa) for curve, oa in zip(curves, plain, strict=True)]
            for s in severities
        ]
        ablation = method.table == 'ablations'
        label_ = f'TGFNet, {method.label}' if ablation else method.label
        style = '--' if ablation or method.modalities == OPTICAL else '-'
        (line,) = axes.plot(
            severities,
            [mean(c) for c in columns],
            style,
            marker='o',
            markersize=3,
            linewidth=3 if name == 'tgfnet' else 1.5,
            label=label_,
        )
        axes.fill_between(
            severities,
            [min(c) for c in columns],
            [max(c) for c in columns],
            color=line.get_color(),
            alpha=0.15,
        )
    if kind == 'low_light':
        axes.set_xscale('log')
        axes.invert_xaxis()
    axes.set(title=title, xlabel=label, ylabel='overall accuracy')
    axes.grid(alpha=0.3)
    axes.legend(fontsize='small', loc='center left', bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=120)
    plt.close(figure)


def read_results(folder: Path) -> Results:
    """Read the runs of each method."""
    results: Results = {}
    for name in METHODS:
        for file in sorted(folder.glob(f'{name}-[0-9]*.json')):
            seed = int(file.stem.rsplit('-')[-1])
            run = {'seed': seed, **json.loads(file.read_text())}
            results.setdefault(name, []).append(run)
    return results


def report(output: Path) -> None:
    """Write tables and plots of the runs in a folder, and print the main tables."""
    results = read_results(output)
    if not results:
        return
    (output / 'methods.md').write_text(table(results) + '\n')
    (output / 'ablations.md').write_text(ablation_table(results) + '\n')
    (output / 'types.md').write_text(types_table(results) + '\n')
    (output / 'fine_tuning.md').write_text(fine_tuning_table(results) + '\n')
    (output / 'degraded_types.md').write_text(degraded_types_table(results) + '\n')
    (output / 'hardened.md').write_text(hardened_table(results) + '\n')
    write_csv(output / 'runs.csv', results)
    plot(
        output / 'cloud.png',
        results,
        'cloud',
        'Clear test images under added clouds (mean and range of the seeds)',
        'share of the optical image under clouds',
    )
    plot(
        output / 'low_light.png',
        results,
        'low_light',
        'Clear test images in less and less light (mean and range of the seeds)',
        'share of the light that is left',
    )
    for name in ('methods', 'hardened', 'ablations'):
        print((output / f'{name}.md').read_text())
