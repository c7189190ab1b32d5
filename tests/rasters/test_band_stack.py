# SPDX-License-Identifier: MIT
"""Tests of images of which each band is a file of its own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasterio.windows import Window

from torchgeo_vqa.rasters.image_file import BandStack


@pytest.fixture
def stack(tmp_path: Path, write_image: Any) -> BandStack:
    """A band of 8 x 8 pixels, and one of 4 x 4 at the same place."""
    rng = np.random.default_rng(0)
    paths = []
    for size, res in ((8, 10.0), (4, 20.0)):
        path = tmp_path / f'{size}.tif'
        pixels = rng.integers(0, 256, (1, size, size)).astype(np.float32)
        write_image(path, pixels, west=500_000.0, res=res)
        paths.append(str(path))
    return BandStack.stack(paths)


def test_window(stack: BandStack) -> None:
    """A part is that of the whole, though one band has to be warped."""
    whole = stack.read()
    assert whole.shape == (2, 8, 8)
    assert np.isfinite(whole).all()
    part = stack.read(Window(2, 1, 5, 4))
    np.testing.assert_allclose(part, whole[:, 1:5, 2:7], rtol=1e-6)


def test_missing_band(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='no band'):
        BandStack.stack([str(tmp_path / 'B02.tif')])
