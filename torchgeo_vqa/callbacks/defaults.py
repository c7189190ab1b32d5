# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Callbacks that every task brings."""

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback

from .damaged_checkpoint import DamagedCheckpoint
from .finite_loss import FiniteLoss
from .preemption import PreemptionCheckpoint
from .random_state import RandomState


def default_callbacks(trainer: Trainer, *further: Callback) -> list[Callback]:
    """Return the callbacks that every task has and further ones, except the user's own."""
    common = DamagedCheckpoint(), RandomState(), PreemptionCheckpoint(), FiniteLoss()
    # Lightning puts these in the place of the user's own of the same type
    users = list(trainer.callbacks)  # type: ignore[attr-defined]
    return [
        callback
        for callback in (*common, *further)
        if not any(isinstance(own, type(callback)) for own in users)
    ]
