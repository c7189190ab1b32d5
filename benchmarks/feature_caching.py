# SPDX-License-Identifier: MIT
"""How much faster is an epoch once features of frozen CLIP are on disk?

Trains TGFNet on a frozen ViT-B-16 with a feature cache that is empty at first, and
compares its epochs:

    python benchmarks/feature_caching.py
"""

import argparse
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything

from side_by_side import RESULTS, write
from torchgeo_vqa.datamodules import OSVQAMiniDataModule
from torchgeo_vqa.trainers import VQATask
from torchgeo_vqa.transforms import Augmentation


class Clock(Callback):
    """Times the training epochs."""

    def __init__(self) -> None:
        """Initialize a new Clock instance."""
        self.seconds: list[float] = []

    def on_train_epoch_start(self, trainer: Trainer, task: LightningModule) -> None:
        """Start."""
        self.start = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, task: LightningModule) -> None:
        """Stop."""
        self.seconds.append(time.perf_counter() - self.start)


def epochs(number: int, pairs: int, questions: int, cache: str | bool) -> list[float]:
    """Train and return how long each epoch took, in seconds."""
    seed_everything(0)
    clock = Clock()
    options: dict[str, Any] = {'limit_val_batches': 0, 'num_sanity_val_steps': 0}
    options |= {'logger': False, 'enable_checkpointing': False}
    options |= {'enable_progress_bar': False, 'enable_model_summary': False}
    trainer = Trainer(max_epochs=number, callbacks=[clock], **options)
    task = VQATask('tgfnet', freeze_clip=True, feature_cache=cache)
    dm = OSVQAMiniDataModule(
        batch_size=4,
        questions_per_sample=questions,
        augmentation=Augmentation(geometry=False),
        length=pairs,
    )
    # The same pairs in every epoch
    dm.setup('fit')
    dm.train_sampler.tiles = dm.train_sampler.tiles[:pairs]  # type: ignore[union-attr]
    dm.setup = lambda stage: None  # type: ignore[method-assign, misc]
    trainer.fit(task, datamodule=dm)
    return clock.seconds


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--pairs', type=int, default=32)
    parser.add_argument('--questions', type=int, nargs='+', default=[4, 16, 32])
    parser.add_argument('--epochs', type=int, default=4)
    parser.add_argument('--output', type=Path, default=RESULTS)
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    content: dict[str, Any] = {'pairs': args.pairs}
    for questions in args.questions:
        with tempfile.TemporaryDirectory() as folder:
            seconds = epochs(args.epochs, args.pairs, questions, folder)
        plain = epochs(args.epochs, args.pairs, questions, False)
        content[f'{questions} questions per pair'] = {
            'first_epoch': seconds[0],
            'later_epochs': median(seconds[1:]),
            'without_cache': median(plain[1:]),
            'first_over_later': seconds[0] / median(seconds[1:]),
        }
    write('feature_caching', content, args.output)


if __name__ == '__main__':
    main()
