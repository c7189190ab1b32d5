# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Does fusing an optical and a SAR image keep answers right where the optical one fails?

Trains and tests TGFNet, the methods it is compared with, and TGFNet without one of its
parts, all on the embedded sample, with the same split, the same number of optimizer steps
and three seeds, through the command line, with the settings of the quickstart but
an epoch more; ``--quickstart`` measures the quickstart itself.
Writes a table of the methods, one of the ablations (Markdown and CSV), and plots of
accuracy against cloud cover and darkness:

    python benchmarks/robustness.py
    python benchmarks/robustness.py --only tgfnet rsvqa --seeds 0
    python benchmarks/robustness.py --quick --output /tmp/robustness

The result of every run is a JSON file in the output folder, and a run whose file exists
is not made again: a stopped benchmark goes on where it was, and tables and plots can be
drawn anew from the files that come with the repository.
"""

import argparse
import csv
import json
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any, Literal

import matplotlib.pyplot as plt
from routing import routing
from runs import FineTuned, fine_tune, mean_and_spread, run_all, train_and_test

ROOT = Path(__file__).parents[1]

BOTH, OPTICAL, SAR = ['optical', 'sar'], ['optical'], ['sar']

#: The image tower of tgfnet_tiny, for methods that have a CNN.
BACKBONE = 'tgfnet_tiny_conv'

#: How long every method is trained: 1,050 steps.
BUDGET = {'trainer.max_epochs': 7}

#: How CLIP is fine-tuned first: 1,200 steps. After that it learns slower than the rest.
CLIP = ROOT / 'torchgeo_vqa/configs/clip.yaml'
FINE_TUNED = {'clip_lr': 1e-3}

#: Under what all are tested that the plots show.
DEGRADATION = {
    'cloud': [0.0, 0.2, 0.4, 0.6, 0.8, 1.0],
    'low_light': [1.0, 0.5, 0.25, 0.1, 0.05],
    'speckle': [4.0, 1.0],
    'blank': BOTH,
    'shuffle': [*BOTH, 'both'],
}

#: Under what the others are.
EXTREMES = {'cloud': [1.0], 'low_light': [0.05]}


@dataclass(frozen=True)
class Method:
    """What is trained and tested."""

    #: Label in tables and plots.
    label: str
    #: Model in the zoo.
    model: str = 'tgfnet_tiny'
    #: Arguments of the model.
    model_args: dict[str, Any] = field(default_factory=dict)
    #: Images it sees.
    modalities: list[str] = field(default_factory=lambda: BOTH)
    #: Options of the task.
    task: dict[str, Any] = field(default_factory=dict)
    #: Options of the data module.
    data: dict[str, Any] = field(default_factory=dict)
    #: Which table it belongs to.
    table: Literal['methods', 'ablations', 'hardened'] = 'methods'
    #: Whether it starts from a CLIP that was fine-tuned on the sample.
    fine_tuned: bool = False

    @property
    def plotted(self) -> bool:
        """Whether the plots show it."""
        return self.table != 'ablations' or len(self.modalities) == 1

    @property
    def options(self) -> dict[str, Any]:
        """Options of the command line."""
        task = {**(FINE_TUNED if self.fine_tuned else {}), **self.task}
        return {
            'model.model': self.model,
            'data.modalities': self.modalities,
            **({'model.model_args': self.model_args} if self.model_args else {}),
            **{f'model.{name}': value for name, value in task.items()},
            **{f'data.{name}': value for name, value in self.data.items()},
        }


def _cnn(
    label: str, model: str, modalities: list[str], lr: float, **args: Any
) -> Method:
    """Return a method with a CNN, on optical images or on both as channels of one."""
    args = {'backbone': BACKBONE, **args}
    return Method(label, model, args, modalities, {'lr': lr, 'clip_lr': lr})


def _without(label: str, task: dict[str, Any] | None = None, **args: Any) -> Method:
    """Return TGFNet without a part."""
    task = task or {}
    return Method(label, model_args=args, task=task, table='ablations', fine_tuned=True)


#: Sizes and learning rates that suit small images and few steps, found on the validation
#: split.
RSVQA = {'dropout': 0.0}
GFTRANSFORMER = {'width': 64, 'num_layers': 2, 'fusion_width': 128}

METHODS = {
    'tgfnet': Method('TGFNet', fine_tuned=True),
    'clip_concat': Method(
        'CLIP, concatenated', 'clip_concat', {'clip': 'tgfnet-tiny'}, fine_tuned=True
    ),
    'rsvqa_early': _cnn('RSVQA, early fusion', 'rsvqa', BOTH, 1e-3, **RSVQA),
    'main_early': _cnn('MAIN, early fusion', 'main', BOTH, 3e-3),
    'gftransformer_early': _cnn(
        'GFTransformer, early fusion', 'gftransformer', BOTH, 1e-3, **GFTRANSFORMER
    ),
    'rsvqa': _cnn('RSVQA', 'rsvqa', OPTICAL, 1e-3, **RSVQA),
    'main': _cnn('MAIN', 'main', OPTICAL, 3e-3),
    'gftransformer': _cnn(
        'GFTransformer', 'gftransformer', OPTICAL, 1e-3, **GFTRANSFORMER
    ),
    'blind': Method('blind network', 'blind'),
    'optical': Method(
        'optical only', modalities=OPTICAL, table='ablations', fine_tuned=True
    ),
    'sar': Method('SAR only', modalities=SAR, table='ablations', fine_tuned=True),
    'from_scratch': Method('CLIP not fine-tuned first', table='ablations'),
    'no_guidance': _without('no text guidance', text_guidance=False),
    'no_cfar': _without('without CFAR', cfar=False),
    'one_stage': _without('one stage instead of two', grids=[8], keeps=[8]),
    'mean_pooling': _without('experts average the patches', guided_pooling=False),
    'mean_pooling_no_cfar': _without(
        'experts average the patches, without CFAR', guided_pooling=False, cfar=False
    ),
    'no_krr': _without('without KRR (all regions)', keeps=[None, None]),
    'no_routing_loss': _without('without routing loss', {'routing_loss_weight': 0.0}),
    'no_rqaf': _without('without RQAF (mean)', rqaf=False),
    'no_af': _without('without AF (mean of experts)', adaptive_fusion=False),
    'fusion_expert': _without('fusion expert alone', experts='fusion'),
    'no_expert_loss': _without('without expert loss', {'expert_loss_weight': 0.0}),
}

#: How often training shows images that are as bad as those of the test, found on the
#: validation split.
HARDENING = {
    'augmentation.cloud': 0.3,
    'augmentation.low_light': 0.3,
    'augmentation.missing_optical': 0.1,
}

METHODS |= {
    f'{name}_hardened': replace(METHODS[name], data=HARDENING, table='hardened')
    for name in (
        'tgfnet',
        'clip_concat',
        'main_early',
        'gftransformer_early',
        'rsvqa_early',
    )
}

#: Whose routing is measured.
ROUTED = ('tgfnet', 'from_scratch', 'no_routing_loss')

#: The question type that is learned late, or with some seeds not at all in so few steps.
LATE_TYPE = 'quadrant_land_cover'

#: Generator seed of the sample whose test split nobody looked at while the model was built.
FRESH = 1

#: What a table shows of a run.
COLUMNS = ('OA', 'AA', 'clear', 'cloudy', 'dark')
LOSSES = {
    'loss_cloudy': 'clear - cloudy',
    'loss_dark': 'clear - dark',
    'loss_overcast': 'lost to full clouds',
    'loss_night': 'lost to 5 % light',
}


def _routing(checkpoint: Path) -> dict[str, Any]:
    """Measure how often the routed regions hold what is asked about."""
    return {'routing': routing(str(checkpoint))}


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


def report(output: Path, results: Results) -> None:
    """Write tables and plots."""
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


def main() -> None:
    """Run what has not been run yet, and report on all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--output', type=Path, default=ROOT / 'docs/_static/robustness')
    parser.add_argument('--runs', type=Path, default=ROOT / 'runs/robustness')
    parser.add_argument('--only', nargs='+', choices=METHODS, default=list(METHODS))
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument(
        '--quickstart', action='store_true', help='train as short as the quickstart'
    )
    parser.add_argument('--jobs', type=int, default=2, help='runs at once')
    parser.add_argument('--threads', type=int, default=1, help='threads of a run')
    parser.add_argument(
        '--quick',
        action='store_true',
        help='a smoke run: few scenes, one epoch, seed 0',
    )
    parser.add_argument(
        '--report', action='store_true', help='only report on the runs that are there'
    )
    args = parser.parse_args()

    shared: dict[str, Any] = {} if args.quickstart else dict(BUDGET)
    sample: dict[str, Any] = {}
    seeds = args.seeds
    if args.quick:
        scenes = {'train': 32, 'val': 8, 'test': 32}
        sample = {'data.num_scenes': scenes, 'trainer.max_epochs': 1}
        shared |= sample
        seeds = [0]

    def missing(name: str, seed: int) -> bool:
        return not (args.output / f'{name}-{seed}.json').exists()

    starts = {
        seed: partial(
            fine_tune,
            CLIP,
            args.runs / f'clip-{seed}',
            {'seed_everything': seed, **sample},
            args.threads,
        )
        for seed in seeds
        if any(METHODS[name].fine_tuned and missing(name, seed) for name in args.only)
    }
    clips: dict[int, FineTuned] = {}
    if not args.report:
        clips = dict(
            zip(starts, run_all(list(starts.values()), args.jobs), strict=True)
        )

    jobs = []
    for seed in seeds:
        for name in args.only:
            method = METHODS[name]
            callback = {
                'class_path': 'torchgeo_vqa.trainers.DegradationTest',
                'init_args': DEGRADATION if method.plotted else EXTREMES,
            }
            job = partial(
                train_and_test,
                args.output / f'{name}-{seed}.json',
                args.runs / f'{name}-{seed}',
                {'seed_everything': seed, **method.options, **shared},
                ['--trainer.callbacks+', json.dumps(callback)],
                FRESH if method.plotted and not args.quick else None,
                args.threads,
                _routing if name in ROUTED and not args.quick else None,
                clips.get(seed) if method.fine_tuned else None,
            )
            jobs.append(job)
    if not args.report:
        run_all(jobs, args.jobs)
    results: Results = {}
    for name in METHODS:
        for file in sorted(args.output.glob(f'{name}-[0-9]*.json')):
            run = {
                'seed': int(file.stem.rsplit('-')[-1]),
                **json.loads(file.read_text()),
            }
            results.setdefault(name, []).append(run)
    report(args.output, results)
    for name in ('methods', 'hardened', 'ablations'):
        if results:
            print((args.output / f'{name}.md').read_text())


if __name__ == '__main__':
    main()
