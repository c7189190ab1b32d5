# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""A checkpoint when a cluster takes the machine away."""

from typing import override

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_info
from lightning.pytorch.utilities.exceptions import SIGTERMException

from .report import log_folder


class PreemptionCheckpoint(Callback):
    """Saves a checkpoint when the process is told to end (SIGTERM).

    ``checkpoints/preempted.ckpt`` in the run's log folder holds the state after the last
    step; ``--ckpt_path`` goes on from there.
    """

    @override
    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        if isinstance(exception, SIGTERMException) and trainer.training:
            path = log_folder(trainer) / 'checkpoints' / 'preempted.ckpt'
            trainer.save_checkpoint(path)
            rank_zero_info(f'Preempted, go on with --ckpt_path {path}')
