# SPDX-License-Identifier: MIT
"""The data module of a run: which it is, and that it suits the model."""

from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_warn

from ..datamodules import VQADataModule
from ..datamodules.examination import examine
from ..datamodules.pair import Stage
from ..models.metadata import Metadata


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


def compare_images(dm: VQADataModule, metadata: Metadata, stage: Stage) -> None:
    """Compare the images of a stage with those that a model was trained on.

    Raise a ValueError if some cannot be of the model's unit, warn if most look unlike them or
    the dataset is another one.
    """
    found = examine(dm, stage, metadata.images, metadata.statistics)
    refused = [f.text for own in found for f in own if f.refused]
    if refused:
        raise ValueError(
            f'{refused[0]} ({len(refused)} of {len(found)} images examined)'
        )
    unlike = [own[0].text for own in found if own]
    if len(unlike) > len(found) / 2:
        rank_zero_warn(f'{unlike[0]} ({len(unlike)} of {len(found)} images examined)')
    dataset = type(dm.dataset_for(stage)).__name__
    if metadata.dataset not in ('', dataset):
        rank_zero_warn(
            f'the checkpoint was trained on {metadata.dataset}, this is {dataset}: its '
            'accuracy is that on another dataset'
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
