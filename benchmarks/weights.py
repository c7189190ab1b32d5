# SPDX-License-Identifier: MIT
"""Train the weights that come with the package, and measure them.

Fine-tunes CLIP on the embedded sample, trains tgfnet_tiny on it, also on bad images, and
writes both together as a file of half precision without the embeddings of tokens that no
training question has, and what it reaches on the test split:

    python benchmarks/weights.py

Takes about half an hour on two cores. Give the file's new name to ``TGFNet_Weights``.
"""

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from experiment import fine_tune, train_and_test
from methods import CLIP, DEGRADATION, FINE_TUNED, HARDENING
from sample import load
from torchgeo_vqa.models.weights import pack, unpack

ROOT = Path(__file__).parents[1]


def used_tokens(dm: Any) -> torch.Tensor:
    """Return the tokens that training questions have, of shape (T,), ascending."""
    dm.setup('fit')
    table = dm.train_dataset.table
    rows = torch.arange(len(table)).numpy()
    return torch.unique(table.tokens(rows))


def main() -> None:
    """Train, test and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--epochs', type=int, default=20)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--runs', type=Path, default=ROOT / 'runs/weights')
    parser.add_argument('--output', type=Path, default=ROOT / 'torchgeo_vqa/models')
    parser.add_argument(
        '--result',
        type=Path,
        default=ROOT / 'docs/_static/weights/tiny_osvqa_mini.json',
    )
    args = parser.parse_args()
    clip = fine_tune(CLIP, args.runs / 'clip', {'seed_everything': 0}, args.threads)
    degradation = {
        'class_path': 'torchgeo_vqa.callbacks.DegradationTest',
        'init_args': DEGRADATION,
    }
    options = {
        'seed_everything': 0,
        'model.model': 'tgfnet_tiny',
        'trainer.max_epochs': args.epochs,
        **{f'model.{name}': value for name, value in FINE_TUNED.items()},
        **{f'data.{name}': value for name, value in HARDENING.items()},
    }
    train_and_test(
        args.result,
        args.runs / 'tgfnet_tiny',
        options,
        ['--trainer.callbacks+', json.dumps(degradation)],
        fresh_seed=1,
        num_threads=args.threads,
        start=clip,
    )
    checkpoint = max((args.runs / 'tgfnet_tiny').rglob('best.ckpt'))
    task, dm = load(str(checkpoint))
    state = task.model.state_dict()
    content = {
        'metadata': task.metadata.to_dict(),
        'state_dict': pack(state, used_tokens(dm)),
    }
    path = args.output / 'tgfnet_tiny_osvqa_mini.pt'
    torch.save(content, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path = path.rename(path.with_stem(f'{path.stem}-{digest[:8]}'))
    lost = max(
        float((state[name] - value).abs().max())
        for name, value in unpack(content['state_dict']).items()
        if value.is_floating_point() and 'token_embedding' not in name
    )
    print(f'{path}: {path.stat().st_size:,} bytes, numbers moved by up to {lost:.1e}')


if __name__ == '__main__':
    main()
