# SPDX-License-Identifier: MIT
"""Does key region routing find what the question is about?

Takes the embedded sample's test scenes with a single ship, asks the questions about
ships, and counts how often the regions that the last stage routes to hold the middle of
the ship, against the share of the image those regions cover (chance):

    python benchmarks/routing.py runs/demo/lightning_logs/version_0/checkpoints/best.ckpt
"""

import argparse
import json
from collections import defaultdict
from typing import Any

import torch

from sample import load
from torchgeo_vqa.datasets import OSVQAMini


def routing(checkpoint: str, category: str = 'ship') -> dict[str, dict[str, float]]:
    """Measure the routing of a checkpoint trained on the embedded sample.

    Args:
        checkpoint: Path of the checkpoint.
        category: Category of the object.

    Returns:
        For each modality, all scenes and those with the object in a corner: how often
        the routed regions hold the object, chance, and the number of questions.
    """
    task, dm = load(checkpoint)
    dataset = dm.dataset_for('test')
    assert isinstance(dataset, OSVQAMini)
    hits: dict[str, list[bool]] = defaultdict(list)
    covered: dict[str, list[float]] = defaultdict(list)
    for batch in dm.test_dataloader():
        batch = dm.on_after_batch_transfer(batch, 0)
        with torch.no_grad():
            output: Any = task(batch, explain=True)
        ids = batch['question_id'][batch['question_id'] >= 0]
        places, texts = dataset.location(ids), dataset.question_text(ids)
        for row, (place, text) in enumerate(zip(places, texts, strict=True)):
            scene = dataset.scene(place)
            objects = [o for o in scene.objects if o.category == category]
            if category not in text or len(objects) != 1:
                continue
            size = len(scene.label)
            y, x = objects[0].center
            corner = min(y, size - y) < size / 4 and min(x, size - x) < size / 4
            for modality, stages in output.regions.items():
                side = dm.image_size // 8
                patch = int(y / size * side) * side + int(x / size * side)
                routed = stages[-1].patches[row]
                for name in [modality] + [f'{modality}, corner'] * corner:
                    hits[name].append(bool((routed == patch).any()))
                    covered[name].append(len(routed) / side**2)
    return {
        name: {
            'hit': sum(found) / len(found),
            'chance': sum(covered[name]) / len(found),
            'questions': len(found),
        }
        for name, found in hits.items()
    }


def main() -> None:
    """Print the measurement as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('checkpoint')
    parser.add_argument('--category', default='ship')
    args = parser.parse_args()
    print(json.dumps(routing(args.checkpoint, args.category), indent=2))


if __name__ == '__main__':
    main()
