# SPDX-License-Identifier: MIT
"""What does a training step save that asks 32 questions of a pair?

Compares a step on one pair with 32 questions with a step on the same 32 questions, each
with its own copy of the pair as in published pipelines, and checks that both have the
same loss and gradients:

    python benchmarks/training_speed.py
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchgeo.models import get_model

from evaluation_speed import MODELS, make_batch
from side_by_side import RESULTS, in_turn, ratio, seconds, write
from torchgeo_vqa.models import VQAModel, register

NUM_QUESTIONS = 32


def step(model: VQAModel, batch: Mapping[str, Tensor]) -> float:
    """Compute gradients and return the loss."""
    model.zero_grad(set_to_none=True)
    logits = model(batch).logits
    loss = F.cross_entropy(logits, torch.arange(len(logits)) % logits.shape[1])
    loss.backward()
    return float(loss)


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Measure a model."""
    torch.manual_seed(0)
    # In evaluation mode, since neither dropout nor batch statistics are to differ
    model: Any = get_model(name, num_answers=MODELS[name]).eval()
    together = make_batch(model, 1, NUM_QUESTIONS)
    alone = {
        key: together[key].expand(NUM_QUESTIONS, *together[key].shape[1:])
        for key in ('image_optical', 'image_sar')
    }
    alone['question'] = together['question'][0, :, None]

    gradients = []
    for batch in (together, alone):
        step(model, batch)
        parameters = model.named_parameters()
        gradients.append({n: p.grad for n, p in parameters if p.grad is not None})
    scale = max(float(g.abs().max()) for g in gradients[0].values())
    difference = max(
        float((g - gradients[1][n]).abs().max()) for n, g in gradients[0].items()
    )

    found = in_turn(
        {
            'image-major': lambda: (
                NUM_QUESTIONS / seconds(lambda: step(model, together))
            ),
            'one at a time': lambda: (
                NUM_QUESTIONS / seconds(lambda: step(model, alone))
            ),
        },
        rounds,
    )
    return {
        'questions_per_second': {k: median(v) for k, v in found.items()},
        'ratio': ratio(*found.values()),
        'largest_relative_difference': difference / scale,
    }


def main() -> None:
    """Measure the models and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--models', nargs='+', choices=MODELS, default=list(MODELS))
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--output', type=Path, default=RESULTS)
    args = parser.parse_args()
    register()
    content = {name: measure(name, args.rounds) for name in args.models}
    write('training', {'questions_per_pair': NUM_QUESTIONS, **content}, args.output)


if __name__ == '__main__':
    main()
