# SPDX-License-Identifier: MIT
"""A training that was stopped ends as one that was not."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint

from torchgeo_vqa.callbacks import RandomState
from torchgeo_vqa.datamodules import OSVQADataModule
from torchgeo_vqa.trainers import VQATask
from torchgeo_vqa.transforms import Augmentation

EPOCHS = 3


class Drawn(Callback):
    """Remembers what was drawn, and stops early if asked to."""

    def __init__(self, stop_after: int) -> None:
        """Initialize a new Drawn instance."""
        self.stop_after = stop_after
        self.batches: list[tuple[list[int], float]] = []

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Remember the questions, and the images by their sum."""
        ids = batch['question_id'].flatten().tolist()
        self.batches.append((ids, float(batch['image_optical'].sum())))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Stop as a limit of time does: learning rates stay those of all epochs."""
        trainer.should_stop = trainer.current_epoch + 1 >= self.stop_after


def train(
    root: Path, folder: Path, stop_after: int = EPOCHS, ckpt: Path | None = None
) -> tuple[dict[str, torch.Tensor], Drawn, Path]:
    """Train, from a checkpoint if one is given."""
    # What a new process starts with has nothing to do with where the other was
    seed_everything(0 if ckpt is None else 99)
    task = VQATask('tgfnet_tiny', lr=1e-3, clip_lr=1e-3, model_args={'dropout': 0.5})
    dm = OSVQADataModule(
        root=str(root),
        batch_size=2,
        questions_per_sample=2,
        augmentation=Augmentation(cloud=0.5, speckle=0.5),
    )
    drawn = Drawn(stop_after)
    trainer = Trainer(
        max_epochs=EPOCHS,
        accelerator='cpu',
        callbacks=[drawn, ModelCheckpoint(folder, filename='{epoch}', save_top_k=-1)],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(task, datamodule=dm, ckpt_path=ckpt)
    return task.model.state_dict(), drawn, folder / f'epoch={stop_after - 1}.ckpt'


def test_resumed_training_ends_with_the_same_weights(
    release_root: Path, tmp_path: Path
) -> None:
    whole, all_drawn, _ = train(release_root, tmp_path / 'whole')
    _, first, ckpt = train(release_root, tmp_path / 'first', 1)
    resumed, rest, _ = train(release_root, tmp_path / 'rest', ckpt=ckpt)
    assert first.batches + rest.batches == all_drawn.batches
    assert len(rest.batches) == 2 * len(first.batches)
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name


def test_checkpoint_holds_no_code(release_root: Path, tmp_path: Path) -> None:
    *_, ckpt = train(release_root, tmp_path, 1)
    content = torch.load(ckpt, weights_only=True)
    assert 'RandomState' in content['callbacks']


def test_all_random_numbers_go_on() -> None:
    callback = RandomState()
    state = callback.state_dict()

    def draw() -> tuple[float, float, float]:
        legacy = float(np.random.rand())  # noqa: NPY002
        return random.random(), legacy, float(torch.rand(()))

    before = draw()
    assert draw() != before
    callback.load_state_dict(state)
    trainer: Any = None
    callback.on_train_epoch_start(trainer, trainer)
    assert draw() == before
    callback.on_train_epoch_start(trainer, trainer)  # only once
    assert draw() != before
