# SPDX-License-Identifier: MIT
"""Tests of the optimizer of all trainers."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
from lightning.pytorch.plugins import MixedPrecision, Precision
from torch import nn

from torchgeo_vqa.trainers.task import adamw_with_cosine


def make(num_steps: int, warmup: float, plugin: Any = None) -> dict[str, Any]:
    """Optimizer and scheduler for a small model."""
    model = nn.ModuleDict({'head': nn.Linear(2, 2), 'words': nn.Embedding(3, 2)})
    model['head'].bias.requires_grad_(False)
    trainer: Any = SimpleNamespace(
        estimated_stepping_batches=num_steps, precision_plugin=plugin or Precision()
    )
    rates = {'head': 1.0, 'words': 0.1}
    return adamw_with_cosine(
        model, lambda name: rates[name.split('.')[0]], 0.5, warmup, trainer
    )


def rates(num_steps: int, warmup: float, num: int) -> list[float]:
    """Learning rates of the first steps, of a peak of 1."""
    made = make(num_steps, warmup)
    scheduler, found = made['lr_scheduler']['scheduler'], []
    for _ in range(num):
        found.append(scheduler.get_last_lr()[0])
        made['optimizer'].step()
        scheduler.step()
    return found


@pytest.mark.parametrize(('num_steps', 'warmup'), [(8, 0.5), (6, 0.0), (5, 1.0)])
def test_rises_and_decays(num_steps: int, warmup: float) -> None:
    rise = max(1, round(warmup * num_steps))
    decay = num_steps - rise
    expected = [(i + 1) / rise for i in range(rise)]
    expected += [(1 + math.cos(math.pi * i / decay)) / 2 for i in range(decay)]
    found = rates(num_steps, warmup, num_steps + 4)
    assert found[:num_steps] == pytest.approx(expected)
    if decay:
        assert found[num_steps:] == pytest.approx([0] * 4, abs=1e-9)


def test_groups() -> None:
    """Embeddings do not decay; what is frozen is left out."""
    groups = make(8, 0.5)['optimizer'].param_groups
    assert [(g['initial_lr'], g['weight_decay'], len(g['params'])) for g in groups] == [
        (1.0, 0.5, 1),
        (0.1, 0.0, 1),
    ]


def test_fused_unless_mixed() -> None:
    assert make(8, 0.5)['optimizer'].defaults['fused'] is True
    plugin = MixedPrecision('bf16-mixed', 'cpu')
    assert make(8, 0.5, plugin)['optimizer'].defaults['fused'] is None


def test_betas() -> None:
    """Those that CLIP was trained with."""
    assert make(8, 0.5)['optimizer'].defaults['betas'] == (0.9, 0.98)
