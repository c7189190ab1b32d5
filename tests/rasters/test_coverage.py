# SPDX-License-Identifier: MIT
"""Tests of where datasets have data."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pyproj import CRS
from torch import Tensor
from torchgeo.datasets import GeoDataset, RasterDataset
from torchgeo.datasets.utils import Sample

from torchgeo_vqa.rasters.coverage import Gaps, Query, find_gaps, read_image

WEST, NORTH = 400_000.0, 5_000_000.0
TIME = slice(pd.Timestamp.min, pd.Timestamp.max, 1)


def query(left: float, top: float, size: int = 16) -> Query:
    """Query of pixels, counted from the first of the file."""
    x, y = WEST + 10 * left, NORTH - 10 * top
    return slice(x, x + 10 * size, 10.0), slice(y - 10 * size, y, 10.0), TIME


@pytest.fixture
def write(tmp_path: Path, write_image: Any) -> Any:
    """Function that writes a file of 16 x 16 pixels."""

    def write(name: str, west: float = WEST, **profile: Any) -> None:
        pixels = np.ones((2, 16, 16), np.float32)
        write_image(tmp_path / name, pixels, west, NORTH, **profile)

    return write


def gaps(folder: Path, left: float, top: float, nodata: float | None = None) -> Gaps:
    dataset = RasterDataset(folder)
    dataset.nodata = nodata
    return find_gaps(dataset, query(left, top), (16, 16))


class TestFindGaps:
    def test_inside(self, tmp_path: Path, write: Any) -> None:
        write('a.tif')
        found = gaps(tmp_path, 0, 0)
        assert not found.outside.any()
        assert found.nodata == set()

    def test_beyond_the_edge(self, tmp_path: Path, write: Any) -> None:
        write('a.tif', nodata=-1)
        found = gaps(tmp_path, -3, 2)
        expected = np.ones((16, 16), bool)
        expected[:14, 3:] = False
        np.testing.assert_array_equal(found.outside, expected)
        assert found.nodata == {-1}

    def test_two_files(self, tmp_path: Path, write: Any) -> None:
        write('a.tif', nodata=-1)
        write('b.tif', WEST + 160, nodata=-2)
        found = gaps(tmp_path, 8, 0)
        assert not found.outside.any()
        assert found.nodata == {-1, -2}

    def test_nodata_of_the_dataset(self, tmp_path: Path, write: Any) -> None:
        write('a.tif', nodata=-1)
        assert gaps(tmp_path, 0, 0, nodata=-5).nodata == {-5}

    def test_nothing_there(self, tmp_path: Path, write: Any) -> None:
        write('a.tif')
        assert gaps(tmp_path, 100, 0).outside.all()

    @pytest.mark.parametrize('west', [671_810.8, 689_608.8])
    def test_corners_of_another_crs(
        self, tmp_path: Path, write_image: Any, west: float
    ) -> None:
        """A warped file is turned: what it does not fill is no data."""
        path, pixels = tmp_path / 'b.tif', np.ones((1, 64, 64), np.uint8)
        write_image(path, pixels, west, 6_009_000.0, 'EPSG:32632', 20.0)
        dataset = RasterDataset([str(path)], crs=CRS.from_epsg(32633), res=10.0)
        xmin, ymin, xmax, ymax = dataset.index.total_bounds
        xmin, ymax = xmin + 2.3, ymax - 4.1
        width, height = int((xmax - xmin) / 10), int((ymax - ymin) / 10)
        x = slice(xmin, xmin + 10 * width, 10.0)
        y = slice(ymax - 10 * height, ymax, 10.0)
        filled = dataset[x, y]['image'][0].numpy() == 0
        outside = find_gaps(dataset, (x, y, TIME), (height, width)).outside
        # All that TorchGeo fills is found, and less than three pixels more at each side
        assert outside[filled].all()
        assert 0.01 < filled.mean() < outside.mean() < filled.mean() + 4 * 3 / 64

    def test_file_that_is_gone(self, tmp_path: Path, write: Any) -> None:
        """Its outline in the index is all that is known."""
        write('a.tif')
        dataset = RasterDataset(tmp_path)
        (tmp_path / 'a.tif').unlink()
        found = find_gaps(dataset, query(0, 0), (16, 16))
        assert not found.outside.any()


class Images(GeoDataset):
    """A dataset that is none of ours: one image, of which nothing is known but the files."""

    def __init__(self, image: Tensor, files: GeoDataset) -> None:
        """Take the index of a dataset of files."""
        self.image, self.index, self._res = image, files.index, files.res
        self.nodata = getattr(files, 'nodata', None)

    def __getitem__(self, index: Any) -> Sample:
        """Return the image, whatever is asked for."""
        return {'image': self.image}


@pytest.mark.parametrize(
    ('nodata', 'dtype', 'missing'),
    [
        # Which of two bands has no data at three pixels: float32
        (None, np.float32, [[0, 0, 1], [0, 0, 0]]),
        (0, np.float32, [[1, 1, 1], [1, 0, 0]]),
        # In a picture, one band may be 0 by chance
        (0, np.uint8, [[1, 0, 1], [1, 0, 0]]),
    ],
)
def test_read_image(
    tmp_path: Path,
    write_image: Any,
    nodata: float | None,
    dtype: Any,
    missing: list[list[int]],
) -> None:
    """Datasets of others are masked by the no-data value of their files."""
    image = torch.ones(2, 16, 16)
    image[0, 0, :3] = torch.tensor([0, 0, torch.inf])
    image[1, 0, :3] = torch.tensor([0, 7, 7])
    pixels = np.ones((2, 16, 16), dtype)
    write_image(tmp_path / 'a.tif', pixels, WEST, NORTH, nodata=nodata)
    found = read_image(Images(image, RasterDataset(tmp_path)), query(0, 0))
    assert found[:, 0, :3].isnan().int().tolist() == missing
    assert found.isnan().sum() == np.sum(missing)
    # Beyond the file there is none either
    beyond = read_image(Images(image, RasterDataset(tmp_path)), query(-3, 0))
    assert beyond[:, :, :3].isnan().all()
