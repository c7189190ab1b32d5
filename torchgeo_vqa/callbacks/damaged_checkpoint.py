# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""The name of a checkpoint that cannot be read."""

from typing import override

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from ..prediction.checkpoint import verify_whole


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
