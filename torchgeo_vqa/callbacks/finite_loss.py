# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""The end of a training whose loss has become useless."""

import math
from typing import Any, override

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

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
