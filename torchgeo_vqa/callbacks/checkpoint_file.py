# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Files of checkpoints."""

import os
import zipfile

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback


def verify_whole(path: str | os.PathLike[str]) -> None:
    """Verify that a file may be a checkpoint.

    Args:
        path: The file; a folder or an address is not looked at.

    Raises:
        ValueError: If it is cut off, or no checkpoint.
    """
    # The directory of a ZIP archive is at its end
    if os.path.isfile(path) and not zipfile.is_zipfile(path):
        raise ValueError(
            f'{os.fspath(path)} is cut off, or no checkpoint: take another one, such as '
            'that of the epoch before'
        )


class DamagedCheckpoint(Callback):
    """Says which file it was when Lightning fails to read a checkpoint."""

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Add a note to the error if the checkpoint is damaged.

        Args:
            trainer: Trainer that read the checkpoint: before any of our code runs.
            pl_module: The task.
            exception: The error.
        """
        if trainer.ckpt_path is not None:
            try:
                verify_whole(trainer.ckpt_path)
            except ValueError as reason:
                exception.add_note(str(reason))
