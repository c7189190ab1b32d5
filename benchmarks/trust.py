# SPDX-License-Identifier: MIT
"""Does the model rely less on the optical image as it gets worse?

Degrades the clear test scenes of the embedded sample by clouds and darkness, step by
step, and averages over all questions how far the fusion relied on the optical image (the quality
map), and the weight of each expert:

    python benchmarks/trust.py runs/demo/lightning_logs/version_0/checkpoints/best.ckpt

Of several checkpoints, such as those of several seeds, it draws mean and range.
"""

import argparse
import json
from itertools import islice
from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib.pyplot as plt
import torch

from sample import load
from side_by_side import ROOT
from torchgeo_vqa.transforms import Degradation

SEVERITIES: dict[Any, tuple[float, ...]] = {
    'cloud': (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
    'low_light': (1.0, 0.5, 0.25, 0.1, 0.05),
}


@torch.inference_mode()
def trust(checkpoint: str, limit: int | None = None) -> dict[str, Any]:
    """Measure a checkpoint trained on the embedded sample.

    Args:
        checkpoint: Path of the checkpoint.
        limit: Number of batches (defaults to all).

    Returns:
        For each degradation and severity, the mean weight of the optical image in the
        quality map and the mean weight of each expert.
    """
    task, dm = load(checkpoint)
    clear = dm.groups.index('clear')
    quality_type = dm.question_types.index('modality_quality')
    names = ['quality', *task.model.expert_names]
    found: dict[str, Any] = {}
    for kind, severities in SEVERITIES.items():
        for severity in severities:
            degrade = Degradation(kind, severity)
            total, count, seen = torch.zeros(len(names)), 0, 0
            for batch in islice(dm.test_dataloader(), limit):
                size = len(batch['question'])
                batch = degrade(batch, seen + torch.arange(size))
                seen += size
                batch = dm.on_after_batch_transfer(batch, 0)
                output = task(batch, explain=True)
                real = batch['question_id'] >= 0
                used = (batch['group'] == clear) & (
                    batch['question_type'] != quality_type
                )
                rows = used[real]
                optical = task.model.modalities.index('optical')
                quality = output.quality[rows, :, optical].mean(1)
                weights = torch.cat([quality[:, None], output.expert_weights[rows]], 1)
                total += weights.sum(0)
                count += len(weights)
            found.setdefault(kind, {})[severity] = dict(
                zip(names, (total / count).tolist(), strict=True)
            )
    return found


def plot(path: Path, results: list[dict[str, Any]]) -> None:
    """Plot mean and range of the checkpoints."""
    labels = {
        'cloud': 'share of the optical image under clouds',
        'low_light': 'share of the light that is left',
    }
    titles = {
        'quality': 'optical image in the quality map',
        'optical': 'expert on the optical image',
        'sar': 'expert on the SAR image',
        'fusion': 'expert on both',
    }
    figure, panels = plt.subplots(
        1, 2, figsize=(9, 4), sharey=True, layout='constrained'
    )
    for axes, (kind, label) in zip(panels, labels.items(), strict=True):
        severities = SEVERITIES[kind]
        for name in results[0][kind][severities[0]]:
            columns = [[r[kind][s][name] for r in results] for s in severities]
            style = '-' if name == 'quality' else '--'
            (line,) = axes.plot(
                severities,
                [mean(c) for c in columns],
                style,
                marker='o',
                label=titles.get(name, name),
            )
            low, high = [min(c) for c in columns], [max(c) for c in columns]
            axes.fill_between(severities, low, high, color=line.get_color(), alpha=0.15)
        if kind == 'low_light':
            axes.set_xscale('log')
            axes.invert_xaxis()
        axes.set(xlabel=label, ylim=(0, 1))
        axes.grid(alpha=0.3)
    panels[0].set_ylabel('mean weight')
    panels[1].legend(fontsize='small')
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Measure checkpoints and write numbers and a plot."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', nargs='+')
    parser.add_argument(
        '--output', type=Path, default=ROOT / 'docs/_static/explanations'
    )
    parser.add_argument('--limit', type=int, help='number of batches')
    args = parser.parse_args()
    results = [trust(path, args.limit) for path in args.checkpoint]
    args.output.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=1)
    print(text)
    (args.output / 'trust.json').write_text(text + '\n')
    plot(args.output / 'trust.png', results)


if __name__ == '__main__':
    main()
