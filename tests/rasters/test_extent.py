# SPDX-License-Identifier: MIT
"""Tests of the size of what is asked for."""

from pathlib import Path

import pytest

from torchgeo_vqa.datasets import OSVQA
from torchgeo_vqa.rasters.extent import verify_extent


def test_size() -> None:
    assert verify_extent(slice(3.0, 43.0, 10.0), slice(-20.0, 0.0, 5.0)) == (4, 4)
    assert verify_extent(slice(0, 2**15, 1), slice(0, 2**15, 1)) == (2**15, 2**15)


@pytest.mark.parametrize('side', [10**6, 10**9])
def test_too_large(release_root: Path, side: int) -> None:
    dataset = OSVQA(release_root)
    x, y, _ = dataset.bounds
    far = slice(x.start, x.start + side * x.step), slice(y.stop - side * y.step, y.stop)
    with pytest.raises(ValueError, match=f'{side:,} x {side:,} pixels is more than'):
        dataset[far]
