# SPDX-License-Identifier: MIT
"""What images go through before a model sees them."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchgeo.datasets.utils import Sample

# B pairs, C channels

#: ``{'optical': {'mean': [...], 'std': [...]}, 'sar': {...}}``, one number per band.
Statistics = dict[str, dict[str, list[float]]]


def resize(image: Tensor, size: int | None) -> Tensor:
    """Resize images (..., C, H, W) to a side, bilinearly and without aliasing.

    Pixels that are not finite have no data: they lend nothing to others. The result is NaN
    where more than half of what it is made of has no data.
    """
    if size is None or image.shape[-2:] == (size, size):
        return image

    def interpolate(x: Tensor) -> Tensor:
        return F.interpolate(
            x, size=(size, size), mode='bilinear', align_corners=False, antialias=True
        )

    batch = image.reshape(-1, *image.shape[-3:])
    known = batch.isfinite()
    if known.all():
        batch = interpolate(batch)
    else:
        weight = interpolate(known.to(batch.dtype))
        batch = interpolate(batch.where(known, 0.0)) / weight
        batch[weight < 0.5] = torch.nan
    return batch.reshape(*image.shape[:-2], size, size)


def count_valid(images: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Count what bands of images ``image_<modality>`` (B, C, H, W) have data of.

    Return ``valid_<modality>``, (B, C) float32: the share of pixels that are finite.
    """
    return {
        key.replace('image_', 'valid_'): image.isfinite().float().mean((-2, -1))
        for key, image in images.items()
    }


def normalize_batch(
    batch: Mapping[str, Tensor], statistics: Mapping[str, Mapping[str, Sequence[float]]]
) -> dict[str, Tensor]:
    """Normalize the images ``image_<modality>`` (B, C, H, W) of a batch, and count valid pixels.

    Return a new batch, with the entries of :func:`count_valid`: a model answers without an
    image of which no pixel is valid. Raise a ValueError as :func:`normalize`.
    """
    images = {key: batch[key] for m in statistics if (key := f'image_{m}') in batch}
    normal = {
        key: normalize(image, statistics[key.removeprefix('image_')])
        for key, image in images.items()
    }
    return {**batch, **normal, **count_valid(images)}


def normalize(image: Tensor, statistics: Mapping[str, Sequence[float]]) -> Tensor:
    """Bring each of C bands of images (..., C, H, W) to mean 0 and standard deviation 1.

    Pixels that are not finite become 0, the mean. Raise a ValueError if there are not as many
    statistics as bands.
    """
    if image.shape[-3] != len(statistics['mean']):
        raise ValueError(
            f'statistics are of {len(statistics["mean"])} bands, the images have '
            f'{image.shape[-3]}'
        )
    mean, std = [
        image.new_tensor(statistics[key]).view(-1, 1, 1) for key in ('mean', 'std')
    ]
    return torch.nan_to_num((image - mean) / std, nan=0.0, posinf=0.0, neginf=0.0)


class Preprocess(nn.Module):
    """Bring pairs of images to the size and the range that a model was trained on.

    Shape:
        - ``image_optical`` and ``image_sar``: (C, H, W) or (B, C, H, W), in the units of
          the training files
        - Output: (B, C, size, size), and ``valid_optical`` and ``valid_sar``, (B, C): the
          share of pixels that have data
    """

    def __init__(
        self, statistics: Mapping[str, Mapping[str, Sequence[float]]], image_size: int
    ) -> None:
        """Initialize with 'mean' and 'std' of each band of each modality, and a side in pixels."""
        super().__init__()
        self.statistics = statistics
        self.image_size = image_size

    def forward(self, sample: Sample) -> Sample:
        """Preprocess the images of a sample or a batch; whatever else it holds stays.

        Raise a ValueError if images have another number of bands.
        """
        sample = dict(sample)
        for modality in self.statistics:
            key = f'image_{modality}'
            if key in sample:
                image = sample[key].float()
                image = image.reshape(-1, *image.shape[-3:])
                sample[key] = resize(image, self.image_size)
        return normalize_batch(sample, self.statistics)
