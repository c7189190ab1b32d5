# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Tests of the callbacks that every task brings."""

from typing import Any

from lightning.pytorch import Trainer

from torchgeo_vqa.callbacks import (
    DamagedCheckpoint,
    FiniteLoss,
    PredictionWriter,
    PreemptionCheckpoint,
    RandomState,
)
from torchgeo_vqa.callbacks.defaults import default_callbacks


def types(*own: Any) -> list[type]:
    """Types of the callbacks that are added to the user's own."""
    trainer = Trainer(callbacks=list(own), logger=False, accelerator='cpu')
    return [type(c) for c in default_callbacks(trainer, PredictionWriter())]


def test_users_own_stay() -> None:
    common = [DamagedCheckpoint, RandomState, PreemptionCheckpoint, FiniteLoss]
    assert types() == [*common, PredictionWriter]
    assert types(PredictionWriter('mine.gpkg')) == common

    class Own(FiniteLoss):
        pass

    assert FiniteLoss not in types(Own())
