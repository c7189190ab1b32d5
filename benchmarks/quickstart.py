# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Accuracy of the quickstart: three seeds, with both modalities and with each alone.

Runs the quickstart's own commands, one after the other, and collects what they report.
A run that is done is not run again, so a stopped benchmark goes on where it was:

    python benchmarks/quickstart.py --output runs/quickstart
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

MODALITIES = {
    'both': ('optical', 'sar'),
    'optical only': ('optical',),
    'SAR only': ('sar',),
}
METRICS = ('OA', 'AA', 'clear', 'cloudy', 'dark', 'blind_OA', 'blind_AA')


def run(folder: Path, seed: int, modalities: tuple[str, ...]) -> dict[str, Any]:
    """Train and test once.

    Args:
        folder: Folder of the run.
        seed: Seed of the training (the data stay the same).
        modalities: Modalities to train and test with.

    Returns:
        The test metrics, and the seconds that training and test took together.
    """
    done = folder / 'result.json'
    if done.exists():
        result: dict[str, Any] = json.loads(done.read_text())
        return result
    command = [sys.executable, '-m', 'torchgeo']
    options = ['--model', 'tgfnet', '--seed_everything', str(seed)]
    options += ['--data.modalities', json.dumps(modalities)]
    options += ['--trainer.default_root_dir', str(folder)]
    start = time.perf_counter()
    subprocess.run([*command, 'fit', *options], check=True)
    (checkpoint,) = folder.glob('lightning_logs/version_*/checkpoints/best.ckpt')
    subprocess.run(
        [*command, 'test', *options, '--ckpt_path', str(checkpoint)], check=True
    )
    seconds = time.perf_counter() - start
    (metrics,) = folder.glob('lightning_logs/version_*/test_metrics.json')
    result = {'seconds': seconds, **json.loads(metrics.read_text())}
    done.write_text(json.dumps(result, indent=2))
    return result


def flat(result: dict[str, Any]) -> dict[str, float]:
    """Overall figures and those of the groups side by side."""
    return {**{k: result[k] for k in METRICS if k in result}, **result['groups']}


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--output', type=Path, default=Path('runs/quickstart'))
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    args = parser.parse_args()

    results = {
        name: [
            run(args.output / f'{name.replace(" ", "_")}_{seed}', seed, modalities)
            for seed in args.seeds
        ]
        for name, modalities in MODALITIES.items()
    }
    lines = [
        f'Median (smallest to largest) of {len(args.seeds)} seeds, test split.',
        '',
        f'| | {" | ".join(METRICS)} |',
        f'|---|{"---|" * len(METRICS)}',
    ]
    for name, runs in results.items():
        cells = []
        for metric in METRICS:
            values = [flat(result)[metric] for result in runs]
            cells.append(f'{median(values):.3f} ({min(values):.3f}-{max(values):.3f})')
        lines.append(f'| {name} | {" | ".join(cells)} |')
    both = results['both']
    lines += ['', '| question type | accuracy | blind |', '|---|---|---|']
    for kind in both[0]['per_type']:
        accuracy = median(result['per_type'][kind] for result in both)
        blind = both[0]['blind_per_type'][kind]
        lines.append(f'| {kind} | {accuracy:.3f} | {blind:.3f} |')
    table = '\n'.join(lines)
    (args.output / 'table.md').write_text(table + '\n')
    print(table)


if __name__ == '__main__':
    main()
