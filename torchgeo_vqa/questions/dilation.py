# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Dilation of masks."""

import numpy as np
from numpy.typing import NDArray


def dilate(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Grow masks (..., H, W) by a radius in pixels, diagonals included."""
    grown = mask.copy()
    for _ in range(radius):
        before = grown.copy()
        grown[..., 1:, :] |= before[..., :-1, :]
        grown[..., :-1, :] |= before[..., 1:, :]
        before = grown.copy()
        grown[..., 1:] |= before[..., :-1]
        grown[..., :-1] |= before[..., 1:]
    return grown
