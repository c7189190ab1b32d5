# SPDX-License-Identifier: MIT
"""Tests of made-up areas."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from torchgeo_vqa.synthetic import write_area

NAMES = ('sentinel2', 'sentinel1', 'land_cover')


@pytest.fixture(scope='module')
def area(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[int, str]]:
    folder = tmp_path_factory.mktemp('areas') / 'area'
    return folder, write_area(folder, size=256)


def read(folder: Path, name: str) -> np.ndarray:
    with rasterio.open(folder / f'{name}.tif') as file:
        return file.read().astype(float)


def test_three_files_of_one_grid(area: tuple[Path, dict[int, str]]) -> None:
    folder, _ = area
    assert {path.stem for path in folder.iterdir()} == set(NAMES)
    grids, kinds = set(), {}
    for name in NAMES:
        with rasterio.open(folder / f'{name}.tif') as file:
            grids.add((file.crs.to_epsg(), file.transform, file.shape))
            kinds[name] = file.count, file.dtypes[0]
    ((epsg, transform, shape),) = grids
    assert (epsg, transform[0], transform[4], shape) == (32633, 10, -10, (256, 256))
    assert kinds == {
        'sentinel2': (3, 'uint8'),
        'sentinel1': (2, 'float32'),
        'land_cover': (1, 'uint8'),
    }


def test_images_show_the_land_cover(area: tuple[Path, dict[int, str]]) -> None:
    folder, classes = area
    optical, sar = read(folder, 'sentinel2'), read(folder, 'sentinel1')
    (cover,) = read(folder, 'land_cover')
    codes = {name: code for code, name in classes.items()}
    assert set(np.unique(cover)) <= set(classes)
    # Radar sees water dark and towns bright, under clouds too
    backscatter = {
        name: sar[0][cover == codes[name]].mean() for name in ('water', 'built-up land')
    }
    assert backscatter['water'] + 5 < sar[0].mean() < backscatter['built-up land'] - 2
    red, green, blue = optical[:, (cover == codes['water']) & (optical.min(0) < 150)]
    assert blue.mean() > max(red.mean(), green.mean())


@pytest.mark.parametrize('cover', [0.0, 0.3, 0.8])
def test_clouds(tmp_path: Path, cover: float) -> None:
    write_area(tmp_path, size=256, cloud_cover=cover)
    white = read(tmp_path, 'sentinel2').min(axis=0) > 180
    assert white.mean() == pytest.approx(cover, abs=0.08)


def test_seed_decides(area: tuple[Path, dict[int, str]], tmp_path: Path) -> None:
    folder, _ = area
    for seed in (0, 1):
        write_area(tmp_path / str(seed), size=256, seed=seed)
    for name in NAMES:
        known = (folder / f'{name}.tif').read_bytes()
        assert (tmp_path / f'0/{name}.tif').read_bytes() == known
        assert (tmp_path / f'1/{name}.tif').read_bytes() != known


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'cloud_cover': 1}, r'cloud_cover must be in \[0, 1\), got 1'),
        ({'cloud_cover': -0.1}, r'cloud_cover must be in \[0, 1\), got -0.1'),
        ({'size': 0}, 'size must be at least 1 pixel, got 0'),
    ],
)
def test_errors(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_area(tmp_path, **arguments)
