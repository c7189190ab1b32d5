# SPDX-License-Identifier: MIT
"""Noise that a few stored numbers bring back: augmentations must be replayable."""

from collections.abc import Mapping
from typing import Any, override

import torch
from kornia.augmentation import IntensityAugmentationBase2D
from kornia.augmentation.random_generator import PlainUniformGenerator
from torch import Tensor


class SeededNoise(IntensityAugmentationBase2D):
    """Base class for augmentations whose parameters hold a noise seed for each sample."""

    @override
    def generate_parameters(self, batch_shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Draw the parameters and, from torch's global generator, ``seed`` (int64, (B,))."""
        params = super().generate_parameters(batch_shape)
        seeds = torch.randint(2**62, (1 if self.same_on_batch else batch_shape[0],))
        params['seed'] = seeds.expand(batch_shape[0])
        return params

    def normal(self, like: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Make standard normal noise like images (B, C, H, W), each sample's from its own seed.

        The same seeds give the same noise on the same kind of device, whatever the batch.
        Samples whose ``batch_prob`` is not above 0.5 are not augmented: their noise is 0.
        """
        noise = torch.zeros_like(like)
        used = params['batch_prob'] > 0.5
        if len(used) != len(like):
            # Up to Kornia 0.8 only the samples that are augmented come here
            used = used[used]
        generator = torch.Generator(device=like.device)
        seeds = params['seed'].tolist()
        for sample, seed, use in zip(noise, seeds, used.tolist(), strict=True):
            if use:
                sample.normal_(generator=generator.manual_seed(seed))
        return noise


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
