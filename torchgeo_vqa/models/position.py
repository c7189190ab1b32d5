# SPDX-License-Identifier: MIT
"""Encoding of the positions of patches."""

import math
from typing import Literal

import torch
from torch import Tensor


def position_encoding(
    num_patches: int, width: int, device: Literal['cpu'] | torch.device = 'cpu'
) -> Tensor:
    """Compute the sine and cosine encoding of a square grid of N patches, (N, D).

    Its first half is for the row, its second for the column; D is a multiple of 4.
    """
    side = math.isqrt(num_patches)
    # Positions in [0, 1] make the encoding independent of the number of patches
    position = (torch.arange(side, device=device) + 0.5) / side
    octaves = torch.arange(width // 4, device=device) / max(1, width // 4 - 1)
    angle = position[:, None] * math.pi * 2 ** (octaves * math.log2(side))
    axis = torch.cat([angle.sin(), angle.cos()], dim=-1)
    rows = axis[:, None, :].expand(side, side, -1)
    cols = axis[None, :, :].expand(side, side, -1)
    return torch.cat([rows, cols], dim=-1).reshape(num_patches, width)
