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
    """Resize images (..., C, H, W) to a side, bilinearly and without aliasing."""
    if size is None or image.shape[-2:] == (size, size):
        return image
    batch = image.reshape(-1, *image.shape[-3:])
    batch = F.interpolate(
        batch, size=(size, size), mode='bilinear', align_corners=False, antialias=True
    )
    return batch.reshape(*image.shape[:-2], size, size)


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
        - Output: (B, C, size, size)
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
        for modality, statistics in self.statistics.items():
            key = f'image_{modality}'
            if key in sample:
                image = sample[key].float()
                image = resize(image.reshape(-1, *image.shape[-3:]), self.image_size)
                sample[key] = normalize(image, statistics)
        return sample
