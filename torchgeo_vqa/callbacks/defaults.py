# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Callbacks that every task brings."""

from collections.abc import Sequence

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback

from .checkpoint_file import DamagedCheckpoint
from .preemption import PreemptionCheckpoint
from .random_state import RandomState


def own_callbacks(
    trainer: Trainer, kinds: Sequence[type[Callback]] = ()
) -> list[Callback]:
    """Return the callbacks of a task, but those that the user brings.

    Args:
        trainer: The trainer.
        kinds: Callbacks beside those that make stopping cost nothing.

    Returns:
        Callbacks for ``configure_callbacks``.
    """
    kinds = [DamagedCheckpoint, RandomState, PreemptionCheckpoint, *kinds]
    # Lightning puts these in the place of the user's own of the same type
    users = list(trainer.callbacks)  # type: ignore[attr-defined]
    return [kind() for kind in kinds if not any(isinstance(c, kind) for c in users)]
