# SPDX-License-Identifier: MIT
"""Clouds over the optical image."""

from typing import Any, override

import torch
import torch.nn.functional as F
from kornia.augmentation import IntensityAugmentationBase2D
from kornia.augmentation.random_generator import PlainUniformGenerator
from torch import Tensor

# Cells per side of the noise that clouds are made of, coarse to fine; each is half as
# strong as the one before, as in nature's roughly self-similar clouds.
OCTAVES = (2, 4, 8, 16)

# Range of the field (in its standard deviations) over which a cloud's edge fades.
EDGE = 0.15


class RandomCloud(IntensityAugmentationBase2D):
    """Hide a share of each optical image under clouds.

    A field of smooth noise on several scales is cut at the height that leaves the wanted
    share of the pixels above it. Edges are soft, thick parts let next to nothing through.

    Questions that stay true: all about the ground (presence, counts, areas, relations),
    which SAR still shows. Questions about the optical image itself, such as what
    degrades it or which of the two images to trust, become **false**.

    Shape:
        - Input: (C, H, W) or (B, C, H, W), in [0, 1]
        - Output: (B, C, H, W), in [0, 1]

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> cloudy = RandomCloud(cover=(0.5, 0.5), p=1.0)(torch.zeros(1, 3, 64, 64))
        >>> round((cloudy.mean(dim=1) > 0.4).float().mean().item(), 1)
        0.5
    """

    def __init__(
        self,
        cover: tuple[float, float] = (0.2, 0.9),
        brightness: tuple[float, float] = (0.8, 1.0),
        p: float = 0.5,
        **kwargs: Any,
    ) -> None:
        """Initialize a new RandomCloud instance.

        Args:
            cover: Least and greatest share of the image to cover, in [0, 1].
            brightness: Least and greatest brightness of a cloud, in [0, 1].
            p: Probability of clouds, per sample.
            **kwargs: Other arguments of Kornia's augmentations, such as *same_on_batch*.
        """
        super().__init__(p=p, **kwargs)
        self._param_generator = PlainUniformGenerator(
            (cover, 'cover', 0.5, (0.0, 1.0)),
            (brightness, 'brightness', 0.5, (0.0, 1.0)),
        )

    @override
    def generate_parameters(self, batch_shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Draw cover, brightness and the shape of the clouds.

        ``cover`` and ``brightness`` have the shape (B,). Each octave of g cells adds
        ``cells_g`` of shape (B, 1, g + 3, g + 3): a few hundred numbers per sample, from
        which the clouds can be made again at any size.
        """
        params = super().generate_parameters(batch_shape)
        batch = batch_shape[0]
        drawn = 1 if self.same_on_batch else batch
        for g in OCTAVES:
            cells = torch.randn(drawn, 1, g + 3, g + 3, device=self.device)
            params[f'cells_{g}'] = cells.expand(batch, -1, -1, -1)
        return params

    @override
    def apply_transform(
        self, input: Tensor, params: dict[str, Tensor], *args: Any, **kwargs: Any
    ) -> Tensor:
        field = _field(input, params)
        depth = (field - _cut(field, params['cover'].to(field))) / EDGE
        opacity = depth.sigmoid()
        # Thick clouds are brighter than their veils: up to a tenth.
        brightness = params['brightness'].to(input).view(-1, 1, 1, 1)
        colour = brightness * (0.9 + 0.1 * (depth / 8).clamp(0, 1))
        return input + opacity * (colour - input)


def _field(like: Tensor, params: dict[str, Tensor]) -> Tensor:
    """Sum the octaves into a field of unit variance, (B, 1, H, W)."""
    height, width = like.shape[-2:]
    field = like.new_zeros(like.shape[0], 1, height, width)
    for level, g in enumerate(OCTAVES):
        # The margin of cells keeps the flat rim of an interpolation out of the image.
        size = [max(round(side * ((g + 3) / g)), 1) for side in (height, width)]
        smooth = F.interpolate(params[f'cells_{g}'].to(like), size, mode='bicubic')
        top, left = (smooth.shape[-2] - height) // 2, (smooth.shape[-1] - width) // 2
        field += 0.5**level * smooth[..., top : top + height, left : left + width]
    std = field.std((-2, -1), keepdim=True).clamp(min=1e-6)
    return (field - field.mean((-2, -1), keepdim=True)) / std


def _cut(field: Tensor, cover: Tensor) -> Tensor:
    """Return the height above which the share *cover* of each field lies, (B, 1, 1, 1)."""
    ordered = field.flatten(1).sort(dim=1, descending=True).values
    # Half-way between two pixels, and beyond the ends for covers of 0 and 1.
    ordered = F.pad(ordered, (1, 1))
    ordered[:, 0] = ordered[:, 1] + 16 * EDGE
    ordered[:, -1] = ordered[:, -2] - 16 * EDGE
    index = (cover * (ordered.shape[1] - 2)).round().long().unsqueeze(1)
    height = (ordered.gather(1, index) + ordered.gather(1, index + 1)) / 2
    return height.view(-1, 1, 1, 1)
