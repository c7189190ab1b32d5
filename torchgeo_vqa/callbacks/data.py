# SPDX-License-Identifier: MIT
"""The data module of a run: which it is, and that it suits the model."""

from lightning.pytorch import Trainer

from ..datamodules import VQADataModule


def data_module(trainer: Trainer) -> VQADataModule:
    """Return the data module of a run; ValueError if it is not one of ours."""
    dm = getattr(trainer, 'datamodule', None)
    if isinstance(dm, VQADataModule):
        return dm
    raise ValueError(
        f'{type(trainer.lightning_module).__name__} needs a data module with questions, '
        f'got {type(dm).__name__}; use --data OSVQADataModule --data.root <folder>, or '
        'OSVQAMiniDataModule'
    )


def adapt_images(
    dm: VQADataModule, sar_channels: int | None, image_size: int | None
) -> None:
    """Make a data module use the image size of a model, unless it has its own.

    Raise a ValueError if the SAR images have another number of bands than the model takes.
    """
    if 'sar' in dm.modalities and dm.sar_channels != sar_channels:
        raise ValueError(
            f'the model takes SAR images of {sar_channels} channels, but those of the '
            f'dataset have {dm.sar_channels}'
        )
    if dm.image_size is None:
        dm.image_size = image_size
