# SPDX-License-Identifier: MIT
"""What does it bring to encode an image once for all of its questions?

Answers 170 questions, as many as OSVQA asks of a pair, image-major, and one question at
a time as published pipelines do, with the same weights, and checks that the answers are
the same:

    python benchmarks/evaluation_speed.py

Then it compares image-major evaluation with its floor, the floating-point operations
that it takes over the rate of a large matrix product, and profiles it.
"""

import argparse
import itertools
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch
from open_clip import tokenize
from torch import Tensor
from torch.profiler import profile
from torch.utils.flop_counter import FlopCounterMode
from torchgeo.models import get_model

from side_by_side import RESULTS, in_turn, product_rate, ratio, seconds, write
from torchgeo_vqa.models import VQAModel, register
from torchgeo_vqa.sample import CONTEXT_LENGTH

#: Questions that OSVQA asks of a pair: 1,036,694 of 6,008.
NUM_QUESTIONS = 170

#: Models and the number of answers they have.
MODELS = {'tgfnet': 500, 'tgfnet_tiny': 500}


def questions(number: int) -> Tensor:
    """Return tokens of different questions of usual length, shape (K, L)."""
    things = ('ship', 'bridge', 'road', 'lake', 'forest', 'storage tank', 'building')
    relations = ('left of', 'right of', 'above', 'below', 'next to', 'larger than')
    texts = [
        f'Is there a {a} {relation} the {b}?'
        for a, relation, b in itertools.product(things, relations, things)
    ]
    return tokenize(texts[:number], CONTEXT_LENGTH)


def make_batch(model: VQAModel, pairs: int, number: int) -> dict[str, Tensor]:
    """Make pairs of noise with questions."""
    size = model.image_size
    tokens = questions(number)
    return {
        'image_optical': torch.randn(pairs, 3, size, size),
        'image_sar': torch.randn(pairs, 2, size, size),
        'question': tokens.expand(pairs, *tokens.shape),
    }


def one_at_a_time(
    model: VQAModel, batch: Mapping[str, Tensor], number: int
) -> list[Tensor]:
    """Answer the first questions of the first pair one by one, as if each were alone."""
    logits = []
    for k in range(number):
        alone = {key: batch[key][:1] for key in ('image_optical', 'image_sar')}
        alone['question'] = batch['question'][:1, k : k + 1]
        logits.append(model(alone).logits)
    return logits


@torch.inference_mode()
def measure(name: str, rounds: int, pairs: int, sample: int) -> dict[str, Any]:
    """Measure a model."""
    torch.manual_seed(0)
    model: Any = get_model(name, num_answers=MODELS[name]).eval()
    batch = make_batch(model, pairs, NUM_QUESTIONS)

    together = model(batch, chunk_size='auto').logits[:sample]
    alone = torch.cat(one_at_a_time(model, batch, sample))
    difference = float((together - alone).abs().max() / alone.abs().max())
    if not torch.equal(together.argmax(-1), alone.argmax(-1)):
        raise RuntimeError(f'{name}: the answers differ')

    found = in_turn(
        {
            'image-major': lambda: (
                pairs * NUM_QUESTIONS / seconds(lambda: model(batch, chunk_size='auto'))
            ),
            'one at a time': lambda: (
                sample / seconds(lambda: one_at_a_time(model, batch, sample))
            ),
            'matrix product': product_rate,
        },
        rounds,
    )
    with FlopCounterMode(display=False) as counter:
        model(batch, chunk_size='auto')
    per_answer = counter.get_total_flops() / (pairs * NUM_QUESTIONS)
    parts = {
        part: counter.get_flop_counts()[f'{type(model).__name__}.{part}']
        for part in ('image_encoders', 'text_encoder')
        if f'{type(model).__name__}.{part}' in counter.get_flop_counts()
    }
    share = [
        rate * per_answer / product
        for rate, product in zip(
            found['image-major'], found['matrix product'], strict=True
        )
    ]
    with profile() as profiler:
        model(batch, chunk_size='auto')
    events = profiler.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    top = sorted(events, key=lambda event: -event.self_cpu_time_total)[:12]
    return {
        'answers_per_second': {k: median(found[k]) for k in list(found)[:2]},
        'ratio': ratio(found['image-major'], found['one at a time']),
        'largest_relative_difference': difference,
        'flop_per_answer': per_answer,
        'flop_of_parts': {k: sum(v.values()) for k, v in parts.items()},
        'product_rate': median(found['matrix product']),
        'share_of_product_rate': {
            'median': median(share),
            'min': min(share),
            'max': max(share),
        },
        'profile': {event.key: event.self_cpu_time_total / total for event in top},
    }


def main() -> None:
    """Measure the models and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--models', nargs='+', choices=MODELS, default=list(MODELS))
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--pairs', type=int, default=4, help='pairs of a batch')
    parser.add_argument(
        '--sample', type=int, default=8, help='questions answered one at a time'
    )
    parser.add_argument('--output', type=Path, default=RESULTS)
    args = parser.parse_args()
    register()
    content = {
        name: measure(name, args.rounds, args.pairs, args.sample)
        for name in args.models
    }
    write('evaluation', {'questions_per_pair': NUM_QUESTIONS, **content}, args.output)


if __name__ == '__main__':
    main()
