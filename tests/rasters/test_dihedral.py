# SPDX-License-Identifier: MIT
"""Tests of the group of flips and quarter turns."""

from itertools import product

import numpy as np
import pytest
import torch

from torchgeo_vqa.rasters.dihedral import (
    ELEMENTS,
    INVERSE,
    compose,
    dihedral,
    turn,
    turn_array,
    turn_box,
)


@pytest.mark.parametrize('element', ELEMENTS)
def test_dihedral_is_numpy(element: int) -> None:
    image = torch.arange(2 * 3 * 4).reshape(2, 3, 4)
    expected = np.rot90(image.numpy(), element % 4, axes=(1, 2))
    if element >= 4:
        expected = np.flip(expected, axis=2)
    np.testing.assert_array_equal(dihedral(image, element).numpy(), expected)


@pytest.mark.parametrize(('first', 'second'), [*product(ELEMENTS, ELEMENTS)])
def test_compose(first: int, second: int) -> None:
    image = torch.arange(9).reshape(1, 3, 3)
    both = dihedral(dihedral(image, first), second)
    assert torch.equal(dihedral(image, compose(first, second)), both)


@pytest.mark.parametrize('element', ELEMENTS)
def test_inverse(element: int) -> None:
    assert compose(element, INVERSE[element]) == 0


@pytest.mark.parametrize('element', ELEMENTS)
def test_turn_follows_the_pixels(element: int) -> None:
    directions = {(-1, 0): (1, 0), (1, 0): (1, 2), (0, -1): (0, 1), (0, 1): (2, 1)}
    for (x, y), (row, column) in directions.items():
        image = torch.zeros(3, 3)
        image[row, column] = 1
        (new_row, new_column), *_ = dihedral(image, element).nonzero().tolist()
        assert turn(x, y, element) == (new_column - 1, new_row - 1)


@pytest.mark.parametrize('element', ELEMENTS)
def test_arrays_are_turned_as_tensors(element: int) -> None:
    array = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    turned = turn_array(array, element)
    assert turned.flags.c_contiguous
    expected = dihedral(torch.from_numpy(array), element)
    np.testing.assert_array_equal(turned, expected)


@pytest.mark.parametrize('element', ELEMENTS)
def test_box_follows_the_pixels(element: int) -> None:
    mask = np.zeros((5, 8), np.uint8)
    mask[1:3, 2:7] = 1
    box = turn_box((1, 2, 3, 7), mask.shape, element)
    rows, columns = np.nonzero(turn_array(mask, element))
    expected = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
    np.testing.assert_array_equal(box, expected)
