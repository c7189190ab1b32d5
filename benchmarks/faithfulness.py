# SPDX-License-Identifier: MIT
"""Are the explanations true to the model?

Takes the embedded sample's test scenes, deletes from both images the regions that the last
stage of refinement routed the question to (their pixels become the mean), and asks again;
and once more with as many regions deleted at random. If the model rests on the regions that it shows, the
first costs far more than the second:

    python benchmarks/faithfulness.py runs/demo/lightning_logs/version_0/checkpoints/best.ckpt
"""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from experiment import mean_and_spread
from sample import load
from side_by_side import ROOT
from torchgeo_vqa.metrics import VQAAccuracy


def delete(image: Tensor, patches: Tensor, num_patches: int) -> Tensor:
    """Replace patches by the mean.

    Args:
        image: Normalised images of each question, shape (Q, C, H, W).
        patches: Patches to delete, shape (Q, k).
        num_patches: Number of patches of an image.

    Returns:
        New images.
    """
    side = math.isqrt(num_patches)
    gone = torch.zeros(len(image), num_patches, dtype=torch.bool)
    gone.scatter_(1, patches, True)
    scale = image.shape[-2] // side, image.shape[-1] // side
    mask = gone.unflatten(1, (1, side, side))
    mask = mask.repeat_interleave(scale[0], 2).repeat_interleave(scale[1], 3)
    return image.masked_fill(mask, 0.0)


def ask_each(model: Any, images: Mapping[str, Tensor], question: Tensor) -> Tensor:
    """Answer questions that have images of their own.

    Args:
        model: The model.
        images: Images of each question by key, shape (Q, C, H, W) each.
        question: Tokens, shape (Q, L).

    Returns:
        Answers, shape (Q,).
    """
    answers = []
    for rows in torch.arange(len(question)).split(256):
        batch = {key: image[rows] for key, image in images.items()}
        logits = model({**batch, 'question': question[rows, None]}).logits
        answers.append(logits.argmax(-1))
    return torch.cat(answers)


@torch.inference_mode()
def faithfulness(checkpoint: str, limit: int | None = None) -> dict[str, Any]:
    """Measure a checkpoint trained on the embedded sample.

    Args:
        checkpoint: Path of the checkpoint.
        limit: Number of batches (defaults to all).

    Returns:
        OA, AA and accuracy per question type as they are, with routed regions deleted
        and with random ones deleted.
    """
    task, dm = load(checkpoint)
    kinds = dm.question_types
    metrics = {name: VQAAccuracy(len(kinds)) for name in ('whole', 'routed', 'random')}
    generator = torch.Generator().manual_seed(0)
    for number, batch in enumerate(dm.test_dataloader()):
        if number == limit:
            break
        batch = dm.on_after_batch_transfer(batch, 0)
        output = task(batch, explain=True)
        pair, slot = (batch['question_id'] >= 0).nonzero(as_tuple=True)
        whole, routed, random = {}, {}, {}
        for modality, stages in output.regions.items():
            key = f'image_{modality}'
            whole[key] = batch[key][pair]
            patches = stages[-1].patches
            num_patches = output.attention[modality][-1].shape[1]
            noise = torch.rand(len(pair), num_patches, generator=generator)
            drawn = noise.argsort(1)[:, : patches.shape[1]]
            routed[key] = delete(whole[key], patches, num_patches)
            random[key] = delete(whole[key], drawn, num_patches)
        label, kind = (batch[k][pair, slot] for k in ('label', 'question_type'))
        question = batch['question'][pair, slot]
        metrics['whole'].update(output.logits.argmax(-1), label, kind)
        for name, images in (('routed', routed), ('random', random)):
            metrics[name].update(ask_each(task, images, question), label, kind)
    found: dict[str, Any] = {}
    for name, metric in metrics.items():
        result = metric.compute()
        found[name] = {k: float(result[k]) for k in ('OA', 'AA')}
        found[name]['per_type'] = dict(
            zip(kinds, result['per_type'].tolist(), strict=True)
        )
    costs = [found['whole']['OA'] - found[name]['OA'] for name in ('routed', 'random')]
    found['cost'] = dict(zip(('routed', 'random'), costs, strict=True))
    return found


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """Write the results in Markdown.

    Args:
        results: What was found on each checkpoint.

    Returns:
        A table.
    """
    labels = {
        'whole': 'nothing',
        'routed': 'the regions it was routed to',
        'random': 'as many at random',
    }
    lines = ['| deleted | seeds | OA | AA | OA lost |', '|---|---|---|---|---|']
    for name, label in labels.items():
        cells = [label, str(len(results))]
        cells += [mean_and_spread([r[name][k] for r in results]) for k in ('OA', 'AA')]
        lost = [r['cost'][name] for r in results] if name in results[0]['cost'] else []
        cells.append(mean_and_spread(lost) if lost else '')
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)


def main() -> None:
    """Measure checkpoints and print or write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', nargs='+')
    parser.add_argument(
        '--output', type=Path, default=ROOT / 'docs/_static/explanations'
    )
    parser.add_argument('--limit', type=int, help='number of batches')
    args = parser.parse_args()
    found = [faithfulness(path, args.limit) for path in args.checkpoint]
    args.output.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1)
    (args.output / 'faithfulness.json').write_text(text + '\n')
    (args.output / 'faithfulness.md').write_text(table(found) + '\n')
    print(table(found))


if __name__ == '__main__':
    main()
