# SPDX-License-Identifier: MIT
"""A pair whose images do not lie on the same pixels, seen from outside."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from torchgeo_vqa.datasets import OSVQA

Make = Callable[..., OSVQA]

SIZE = 32


@pytest.fixture
def ramp() -> NDArray[np.float32]:
    """SAR image whose pixels tell their row and column."""
    rows, columns = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    return np.stack([rows, columns]) - 50


@pytest.fixture
def make(tmp_path: Path, write_image: Any, ramp: NDArray[np.float32]) -> Make:
    """Function that opens one pair, of which the SAR image lies elsewhere."""

    def make(array: NDArray[Any] | None = None, **place: Any) -> OSVQA:
        root = tmp_path / 'OSVQA_1.0'
        optical = np.full((3, SIZE, SIZE), 9, np.uint8)
        write_image(root / 'images/rgb/a.tif', optical, 400_000.0)
        place = {'west': 400_000.0, **place}
        write_image(
            root / 'images/sar/a.tif', ramp if array is None else array, **place
        )
        path = root / 'annotations/all_train_annotation.json'
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps([['a', 'presence', 'Is it?', 'yes']]))
        return OSVQA(root)

    return make


def sar(dataset: OSVQA) -> NDArray[np.float32]:
    """SAR image of the whole tile."""
    x, y, _ = dataset.bounds
    image: NDArray[np.float32] = dataset[x, y]['image_sar'].numpy()
    return image


@pytest.mark.parametrize(('down', 'right'), [(0, 3), (5, 0), (-2, 4)])
def test_shifted(make: Make, ramp: NDArray[np.float32], down: int, right: int) -> None:
    """Of the same size, but elsewhere by whole pixels."""
    found = sar(make(west=400_000.0 + 10 * right, north=5_000_000.0 - 10 * down))
    for row in range(SIZE):
        for column in range(SIZE):
            r, c = row - down, column - right
            if 0 <= r < SIZE and 0 <= c < SIZE:
                np.testing.assert_array_equal(found[:, row, column], ramp[:, r, c])
            else:
                assert not np.isfinite(found[:, row, column]).any()


def test_same_numbers_in_another_zone(make: Make) -> None:
    """The same coordinates in another CRS are another place."""
    try:
        found = sar(make(crs='EPSG:32634'))
    except ValueError:  # they have nothing in common
        return
    assert not np.isfinite(found).any()


def test_warped_without_data(make: Make, ramp: NDArray[np.float32]) -> None:
    """A no-data value must not be mixed into its neighbours."""
    array = ramp.copy()
    array[:, 10:20, 10:20] = -9999
    found = sar(make(array, west=400_005.0, nodata=-9999.0))
    finite = found[np.isfinite(found)]
    assert finite.min() >= ramp.min()
    assert not np.isfinite(found[:, 12:18, 12:18]).any()
    assert np.isfinite(found[:, 2:8, 2:30]).all()
