# SPDX-License-Identifier: MIT
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
import json
from functools import partial
from pathlib import Path
from typing import Any

from experiment import FineTuned, fine_tune, run_all, train_and_test
from methods import BUDGET, CLIP, DEGRADATION, EXTREMES, METHODS, ROOT, ROUTED
from robustness_report import report
from routing import routing

#: Generator seed of the sample whose test split nobody looked at while the model was built.
FRESH = 1


def _routing(checkpoint: Path) -> dict[str, Any]:
    """Measure how often the routed regions hold what is asked about."""
    return {'routing': routing(str(checkpoint))}


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
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
    return parser.parse_args()


def main() -> None:
    """Run what has not been run yet, and report on all."""
    args = parse_arguments()
    if not args.report:
        run_methods(args)
    report(args.output)


def run_methods(args: argparse.Namespace) -> None:
    """Fine-tune, train and test, unless that is done already."""
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
    fine_tuned = run_all(list(starts.values()), args.jobs)
    clips: dict[int, FineTuned] = dict(zip(starts, fine_tuned, strict=True))

    jobs = []
    for seed in seeds:
        for name in args.only:
            method = METHODS[name]
            callback = {
                'class_path': 'torchgeo_vqa.callbacks.DegradationTest',
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
    run_all(jobs, args.jobs)


if __name__ == '__main__':
    main()
