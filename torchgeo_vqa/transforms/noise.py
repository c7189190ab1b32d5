# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Noise fields that a few stored numbers bring back: augmentations must be replayable."""

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


def seeded_normal(like: Tensor, seeds: Tensor, used: Tensor) -> Tensor:
    """Make standard normal noise, each sample's from its own seed.

    The same seeds give the same noise on the same kind of device, whatever the batch.

    Args:
        like: Images of shape (B, C, H, W).
        seeds: int64 of shape (B,).
        used: Samples that need it, bool of shape (B,); the others get zeros.

    Returns:
        Noise of shape (B, C, H, W), on the images' device.
    """
    noise = torch.zeros_like(like)
    generator = torch.Generator(device=like.device)
    for sample, seed, use in zip(noise, seeds.tolist(), used.tolist(), strict=True):
        if use:
            sample.normal_(generator=generator.manual_seed(seed))
    return noise
