# SPDX-License-Identifier: MIT
"""The eight flips and quarter turns of an image, the dihedral group D4.

An element is an integer ``k`` of 0-7: first ``k % 4`` counter-clockwise quarter turns,
then, if ``k >= 4``, a left-right flip.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

#: All elements; 0 is the identity, odd ones swap rows and columns.
ELEMENTS = (0, 1, 2, 3, 4, 5, 6, 7)

#: ``INVERSE[k]`` undoes ``k``.
INVERSE = (0, 3, 2, 1, 4, 5, 6, 7)

#: Top, left, bottom and right edge of a box in pixels.
Box = tuple[float, float, float, float]


def compose(first: int, second: int) -> int:
    """Return the one element that does what ``first`` and then ``second`` do."""
    # A flip turns later quarter turns the other way round.
    turns = first % 4 + (second % 4 if first < 4 else -(second % 4))
    return turns % 4 + 4 * ((first >= 4) != (second >= 4))


def turn(x: int, y: int, element: int) -> tuple[int, int]:
    """Return where a direction (x to the right, y *downwards*) points in the turned image."""
    for _ in range(element % 4):
        x, y = y, -x
    return (-x if element >= 4 else x), y


def turn_box(box: Box, shape: tuple[int, int], element: int) -> Box:
    """Return where a box of an image of *shape* (H, W) lies in the turned image."""
    top, left, bottom, right = box
    height, width = shape
    for _ in range(element % 4):
        # A quarter turn takes the point (row, column) to (width - column, row)
        top, left, bottom, right = width - right, top, width - left, bottom
        height, width = width, height
    if element >= 4:
        left, right = width - right, width - left
    return top, left, bottom, right


def turn_array[T: np.generic](array: NDArray[T], element: int) -> NDArray[T]:
    """Apply an element to the last two axes of an array (..., H, W), as a contiguous copy."""
    array = np.rot90(array, element % 4, axes=(-2, -1))
    return np.ascontiguousarray(np.flip(array, -1) if element >= 4 else array)


def dihedral(image: Tensor, element: int) -> Tensor:
    """Apply an element to the last two axes of a tensor (..., H, W) of any dtype."""
    image = torch.rot90(image, element % 4, dims=(-2, -1))
    return image.flip(-1) if element >= 4 else image
