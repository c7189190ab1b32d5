# SPDX-License-Identifier: MIT
"""Callbacks that every task brings."""

import math
from typing import Any, override

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info
from lightning.pytorch.utilities.exceptions import SIGTERMException

from ..prediction.checkpoint import verify_whole
from .report import log_folder


class DamagedCheckpoint(Callback):
    """Names the file in the error when Lightning fails to read a checkpoint."""

    @override
    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Add a note to the error: Lightning reads the file before it calls the task."""
        if trainer.ckpt_path is not None:
            try:
                verify_whole(trainer.ckpt_path)
            except ValueError as reason:
                exception.add_note(str(reason))


#: Arguments of tasks that are learning rates.
RATES = ('lr', 'clip_lr')


class FiniteLoss(Callback):
    """Stops a training with an error when its loss is not finite.

    It looks as often as the trainer logs (``log_every_n_steps``).
    """

    @override
    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Raise FloatingPointError if the loss is not finite."""
        # Not at every step, since a GPU would have to wait
        if batch_idx % trainer.log_every_n_steps:  # type: ignore[attr-defined]
            return
        loss = float(outputs['loss'])
        if not math.isfinite(loss):
            hparams = pl_module.hparams
            rates = [f'{name}={hparams[name]}' for name in RATES if name in hparams]
            raise FloatingPointError(
                f'the training loss is {loss} in epoch {trainer.current_epoch}, batch '
                f'{batch_idx}: lower {" and ".join(rates)}, or set '
                '--trainer.gradient_clip_val 1.0'
            )


class PreemptionCheckpoint(Callback):
    """Saves a checkpoint when the process is told to end (SIGTERM).

    ``checkpoints/preempted.ckpt`` in the run's log folder holds the state after the last
    step; ``--ckpt_path`` goes on from there. A validation that was interrupted starts anew.
    Gradients that are accumulated for a step to come are lost.
    """

    @override
    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        fitting = trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking
        if isinstance(exception, SIGTERMException) and fitting:
            if trainer.validating:
                # How Lightning saves one that has begun, with no batch done
                progress = trainer.fit_loop.epoch_loop.val_loop.batch_progress
                progress.reset_on_run()
                progress.increment_ready()
                progress.increment_started()
            path = log_folder(trainer) / 'checkpoints' / 'preempted.ckpt'
            trainer.save_checkpoint(path)
            rank_zero_info(f'Preempted, go on with --ckpt_path {path}')


def default_callbacks(trainer: Trainer, *further: Callback) -> list[Callback]:
    """Return the callbacks that every task has and further ones, except the user's own."""
    common = DamagedCheckpoint(), PreemptionCheckpoint(), FiniteLoss()
    # Lightning puts these in the place of the user's own of the same type
    users = list(trainer.callbacks)  # type: ignore[attr-defined]
    return [
        callback
        for callback in (*common, *further)
        if not any(isinstance(own, type(callback)) for own in users)
    ]
