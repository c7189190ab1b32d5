# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Noise fields that a few stored numbers bring back: augmentations must be replayable."""

from collections.abc import Mapping

import torch
from torch import Tensor


def draw_seeds(batch: int, same_on_batch: bool = False) -> Tensor:
    """Draw one seed per sample from torch's global generator.

    Args:
        batch: Number of samples, B.
        same_on_batch: Draw one for all.

    Returns:
        int64 of shape (B,).
    """
    return torch.randint(2**62, (1 if same_on_batch else batch,)).expand(batch)


def seeded_normal(like: Tensor, params: Mapping[str, Tensor]) -> Tensor:
    """Make standard normal noise, each sample's from its own seed.

    The same seeds give the same noise on the same kind of device, whatever the batch.

    Args:
        like: Images of shape (B, C, H, W), as an augmentation of Kornia is given them.
        params: Its parameters: ``seed``, int64 of shape (B,), and ``batch_prob``, above
            0.5 for samples that are augmented. Noise of the others is 0.

    Returns:
        Noise of shape (B, C, H, W), on the images' device.
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
