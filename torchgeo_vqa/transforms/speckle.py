# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Speckle in the SAR image."""

from typing import Any, override

from kornia.augmentation.random_generator import PlainUniformGenerator
from torch import Tensor

from .noise import SeededNoise

# Deepest fade of a pixel: the approximation below could reach zero power at few looks.
MIN_GAIN = 1e-4


class RandomSpeckle(SeededNoise):
    """Multiply each SAR image's power by speckle.

    Multi-look speckle of L looks is a gamma variable of mean 1 and variance 1 / L. It is
    multiplied in linear power, so the mean backscatter stays, and the image is given
    back in dB. The gamma variable is made from a normal one z by the approximation of
    `Wilson and Hilferty <https://doi.org/10.1073/pnas.17.12.684>`_,
    (1 - 1 / 9L + z / sqrt(9L))^3, whose mean is exact to 1e-4 from 3 looks on.

    Questions that stay true: all about the ground. A question about the SAR image's own
    quality may not.

    Shape:
        - Input: (C, H, W) or (B, C, H, W), in dB
        - Output: (B, C, H, W), in dB

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> speckled = RandomSpeckle(looks=(4, 4), p=1.0)(
        ...     torch.full((1, 2, 64, 64), -10.0)
        ... )
        >>> round((10 ** (speckled / 10)).mean().item(), 2)  # -10 dB is 0.1
        0.1
    """

    def __init__(
        self, looks: tuple[float, float] = (3.0, 8.0), p: float = 0.5, **kwargs: Any
    ) -> None:
        """Initialize a new RandomSpeckle instance.

        Args:
            looks: Least and greatest number of looks, at least 1; fewer is rougher.
            p: Probability of speckle, per sample.
            **kwargs: Other arguments of Kornia's augmentations, such as *same_on_batch*.
        """
        super().__init__(p=p, **kwargs)
        self._param_generator = PlainUniformGenerator(
            (looks, 'looks', 1.0, (1.0, float('inf')))
        )

    @override
    def apply_transform(
        self, input: Tensor, params: dict[str, Tensor], *args: Any, **kwargs: Any
    ) -> Tensor:
        share = 1 / (9 * params['looks'].to(input).view(-1, 1, 1, 1))
        z = self.normal(input, params)
        gain = (1 - share + share.sqrt() * z) ** 3
        return input + 10 * gain.clamp(min=MIN_GAIN).log10()
