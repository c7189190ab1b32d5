# SPDX-License-Identifier: MIT
"""Images that are not there."""

from typing import Any, override

import torch
from kornia.augmentation import IntensityAugmentationBase2D
from torch import Tensor


class RandomMissing(IntensityAugmentationBase2D):
    """Take whole images away, so that a model learns to do without (modality dropout).

    All pixels become NaN, no data, which normalization turns into 0, the mean.

    Questions that stay true: all about the ground that the other image shows. Questions
    about the quality of the images become **false**.

    Shape:
        - Input: (C, H, W) or (B, C, H, W)
        - Output: (B, C, H, W)

    If you use this augmentation in your research, please cite the following paper:

    * https://doi.org/10.1109/TPAMI.2015.2461544

    Example:
        >>> import torch
        >>> bool(RandomMissing(p=1.0)(torch.ones(1, 3, 8, 8)).isnan().all())
        True
    """

    @override
    def apply_transform(
        self, input: Tensor, params: dict[str, Tensor], *args: Any, **kwargs: Any
    ) -> Tensor:
        return torch.full_like(input, torch.nan)
