# SPDX-License-Identifier: MIT
"""Checkpoints on the embedded sample."""

from torchgeo_vqa.datamodules import OSVQAMiniDataModule
from torchgeo_vqa.trainers import VQATask


def load(checkpoint: str) -> tuple[VQATask, OSVQAMiniDataModule]:
    """Load a checkpoint that was trained on the embedded sample.

    Args:
        checkpoint: Path of the checkpoint.

    Returns:
        The task, and a data module with the test split as the task takes it.
    """
    task = VQATask.load_from_checkpoint(checkpoint, map_location='cpu').eval()
    assert task.metadata is not None
    dm = OSVQAMiniDataModule(modalities=task.metadata.modalities)
    dm.prepare_data()
    dm.set_answers(task.metadata.answers)
    dm.statistics = task.metadata.statistics
    dm.image_size = task.metadata.image_size
    dm.setup('test')
    return task, dm
