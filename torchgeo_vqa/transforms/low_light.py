# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Low light in the optical image."""

from typing import Any

from kornia.augmentation import IntensityAugmentationBase2D
from kornia.augmentation.random_generator import PlainUniformGenerator
from torch import Tensor

from .noise import draw_seeds, seeded_normal


class RandomLowLight(IntensityAugmentationBase2D):
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
        same_on_batch: bool = False,
        keepdim: bool = False,
    ) -> None:
        """Initialize a new RandomLowLight instance.

        Args:
            factor: Least and greatest share of the light that is left, in [0, 1].
            noise: Least and greatest standard deviation of the noise, in [0, 1].
            p: Probability of low light, per sample.
            same_on_batch: Use the same light for the whole batch.
            keepdim: Return (C, H, W) for an input of (C, H, W).
        """
        super().__init__(p=p, same_on_batch=same_on_batch, keepdim=keepdim)
        self._param_generator = PlainUniformGenerator(
            (factor, 'factor', 0.5, (0.0, 1.0)), (noise, 'noise', 0.5, (0.0, 1.0))
        )

    def generate_parameters(self, batch_shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Draw the light, the noise's strength and its seed.

        Args:
            batch_shape: Shape of the input, (B, C, H, W).

        Returns:
            ``factor`` and ``noise``, and ``seed`` (int64), each of shape (B,).
        """
        params = super().generate_parameters(batch_shape)
        params['seed'] = draw_seeds(batch_shape[0], self.same_on_batch)
        return params

    def apply_transform(
        self,
        input: Tensor,
        params: dict[str, Tensor],
        flags: dict[str, Any],
        transform: Tensor | None = None,
    ) -> Tensor:
        """Darken the images.

        Args:
            input: Images of shape (B, C, H, W), in [0, 1].
            params: Parameters drawn by :meth:`generate_parameters`.
            flags: Static parameters.
            transform: Not used.

        Returns:
            Images of shape (B, C, H, W).
        """
        factor = params['factor'].to(input).view(-1, 1, 1, 1)
        noise = params['noise'].to(input).view(-1, 1, 1, 1)
        grain = seeded_normal(input, params)
        return (factor * input + noise * grain).clamp(0, 1)
