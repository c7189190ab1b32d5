# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Low light in the optical image."""

from typing import Any, override

from kornia.augmentation.random_generator import PlainUniformGenerator
from torch import Tensor

from .noise import SeededNoise


class RandomLowLight(SeededNoise):
    """Darken each optical image to a fraction of its light, and add the sensor's noise.

    The image is multiplied by a factor; the noise stays, so it takes over in the dark.

    Questions that stay true: all about the ground (presence, counts, areas, relations),
    which SAR still shows. Questions about the optical image itself, such as what
    degrades it or which of the two images to trust, become **false**.

    Shape:
        - Input: (C, H, W) or (B, C, H, W), in [0, 1]
        - Output: (B, C, H, W), in [0, 1]

    Example:
        >>> import torch
        >>> dark = RandomLowLight(factor=(0.1, 0.1), noise=(0.0, 0.0), p=1.0)
        >>> dark(torch.full((1, 1, 1, 2), 0.5))
        tensor([[[[0.0500, 0.0500]]]])
    """

    def __init__(
        self,
        factor: tuple[float, float] = (0.05, 0.3),
        noise: tuple[float, float] = (0.0, 0.02),
        p: float = 0.5,
        **kwargs: Any,
    ) -> None:
        """Initialize a new RandomLowLight instance.

        Args:
            factor: Least and greatest share of the light that is left, in [0, 1].
            noise: Least and greatest standard deviation of the noise, in [0, 1].
            p: Probability of low light, per sample.
            **kwargs: Other arguments of Kornia's augmentations, such as *same_on_batch*.
        """
        super().__init__(p=p, **kwargs)
        self._param_generator = PlainUniformGenerator(
            (factor, 'factor', 0.5, (0.0, 1.0)), (noise, 'noise', 0.5, (0.0, 1.0))
        )

    @override
    def apply_transform(
        self, input: Tensor, params: dict[str, Tensor], *args: Any, **kwargs: Any
    ) -> Tensor:
        factor = params['factor'].to(input).view(-1, 1, 1, 1)
        noise = params['noise'].to(input).view(-1, 1, 1, 1)
        grain = self.normal(input, params)
        return (factor * input + noise * grain).clamp(0, 1)
