# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Tests of the end of a training whose loss is not finite."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from torchgeo_vqa.callbacks import FiniteLoss

TRAINER: Any = SimpleNamespace(log_every_n_steps=2, current_epoch=3)


def end_batch(loss: float, batch_idx: int, **hparams: float) -> None:
    """Let a batch end with this loss."""
    task: Any = SimpleNamespace(hparams=hparams)
    outputs = {'loss': torch.tensor(loss)}
    FiniteLoss().on_train_batch_end(TRAINER, task, outputs, None, batch_idx)


@pytest.mark.parametrize('loss', [float('nan'), float('inf')])
def test_not_finite(loss: float) -> None:
    match = rf'loss is {loss} in epoch 3, batch 4: lower lr=0\.1 and clip_lr=0\.2, or'
    with pytest.raises(FloatingPointError, match=match):
        end_batch(loss, 4, lr=0.1, clip_lr=0.2)
    with pytest.raises(FloatingPointError, match=r'lower lr=0\.1, or'):
        end_batch(loss, 4, lr=0.1)


def test_finite_or_not_looked_at() -> None:
    end_batch(1e30, 4, lr=0.1)
    end_batch(float('nan'), 5, lr=0.1)
