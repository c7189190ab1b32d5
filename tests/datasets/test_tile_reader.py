# SPDX-License-Identifier: MIT
"""Tests of reading the images of tiles."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from torchgeo_vqa.datasets import OSVQA
from torchgeo_vqa.datasets.tile_reader import TileReader
from torchgeo_vqa.rasters.image_file import ImageFile
from torchgeo_vqa.rasters.pairing import Tile


def test_patches_of_large_tiles(
    release_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are those of tiles that are read whole, but only they are read."""
    cached, dataset = OSVQA(release_root), OSVQA(release_root, cache=False)
    sizes: list[int] = []
    read = ImageFile.read

    def record(self: ImageFile, window: Any = None, shape: Any = None) -> Any:
        array = read(self, window, shape)
        sizes.append(array.shape[1] * array.shape[2])
        return array

    monkeypatch.setattr(ImageFile, 'read', record)
    bounds = dataset.index.geometry.iloc[0].bounds
    # inside, over the edge, and between the pixels, which warps
    for shift, num_read in ((0, 64), (-40, 16), (3, 32 * 32)):
        x, y = bounds[0] + shift, bounds[3] - shift
        index = slice(x, x + 80), slice(y - 80, y)
        sizes.clear()
        sample = dataset[index]
        assert sizes == [num_read] * 2
        for key, value in cached[index].items():
            torch.testing.assert_close(
                sample[key], value, rtol=0, atol=0, equal_nan=True
            )
        sizes.clear()
        assert cached[index] is not None
        assert sizes == []


def test_cache(tile: Any, root: Path) -> None:
    cached, plain = OSVQA(root), OSVQA(root, cache=False)
    expected = tile(cached, 'train_0')
    shutil.rmtree(root / 'images')
    torch.testing.assert_close(tile(cached, 'train_0'), expected)
    with pytest.raises(OSError, match='train_0'):
        tile(plain, 'train_0')


def test_merge(tmp_path: Path, write_image: Any) -> None:
    """The first tile is on top, where it has data."""
    tiles: list[Tile] = []
    for name, value in (('a', 1), ('b', 2)):
        image = np.full((1, 4, 4), value, np.float32)
        image[0, 0, 0] = np.nan
        path = tmp_path / f'{name}.tif'
        write_image(path, image, 400_000.0 + 20 * len(tiles), nodata=float('nan'))
        file = ImageFile.open(str(path))
        tiles.append(Tile(name, file.grid, {'sar': file}))
    reader = TileReader({'sar': 1}, 0)
    # The second begins two pixels to the right
    grid = tiles[0].grid
    merged = reader.merge(tiles, 'sar', grid)[0]
    assert merged[1].tolist() == [1, 1, 1, 1]
    np.testing.assert_equal(merged[0], [np.nan, 1, 1, 1])
    merged = reader.merge(tiles[::-1], 'sar', grid)[0]
    assert merged[1].tolist() == [1, 1, 2, 2]
    np.testing.assert_equal(merged[0], [np.nan, 1, 1, 2])
