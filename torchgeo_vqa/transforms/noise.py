# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Noise that a few stored numbers bring back: augmentations must be replayable."""

from collections.abc import Mapping
from typing import override

import torch
from kornia.augmentation import IntensityAugmentationBase2D
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
