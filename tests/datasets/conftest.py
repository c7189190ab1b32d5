# SPDX-License-Identifier: MIT
"""Fixtures for tests of datasets."""

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.errors import NotGeoreferencedWarning
from torch import Tensor
from torchgeo.datasets import RasterDataset
from torchgeo.datasets.utils import Sample

from torchgeo_vqa.datasets import OSVQA, MapVQA
from torchgeo_vqa.rasters.zones import LabelRaster

WEST, NORTH, RES, SIZE = 400_000.0, 5_000_000.0, 10.0, 96
CODES = {1: 'water', 2: 'trees', 4: 'crops', 7: 'built-up land'}
MakeMap = Callable[..., MapVQA]
WriteImage = Callable[..., None]


def _pixels(path: str) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', NotGeoreferencedWarning)
        file = rasterio.open(path)
    with file:
        return torch.from_numpy(file.read().astype(np.float32))


def _tile(dataset: OSVQA, name: str) -> Sample:
    """Sample of a tile by its name."""
    row = dataset.index[dataset.index['image'] == name]
    xmin, ymin, xmax, ymax = row.geometry.iloc[0].bounds
    time = row.index[0]
    return dataset[xmin:xmax, ymin:ymax, time.left : time.right]


def _questions(dataset: OSVQA, sample: Sample) -> list[list[str]]:
    """Questions of a sample as rows of the annotation file."""
    ids = sample['question_id'][sample['question_id'] >= 0]
    columns = [
        dataset.location(ids),
        dataset.question_type(ids),
        dataset.question_text(ids),
        dataset.answer_text(ids),
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def _rows_of(root: Path, split: str = 'train') -> list[list[str]]:
    path = root / f'annotations/all_{split}_annotation.json'
    rows: list[list[str]] = json.loads(path.read_text())
    return rows


@pytest.fixture(scope='session')
def pixels() -> Callable[[str], Tensor]:
    """Function that reads the pixels of a file."""
    return _pixels


@pytest.fixture(scope='session')
def tile() -> Callable[[OSVQA, str], Sample]:
    """Function that returns the sample of a tile by its name."""
    return _tile


@pytest.fixture(scope='session')
def questions() -> Callable[[OSVQA, Sample], list[list[str]]]:
    """Function that returns the questions of a sample as rows."""
    return _questions


@pytest.fixture(scope='session')
def rows_of() -> Callable[..., list[list[str]]]:
    """Function that returns the rows of a split."""
    return _rows_of


@pytest.fixture
def root(release_root: Path, tmp_path: Path) -> Path:
    """A release to spoil."""
    return Path(shutil.copytree(release_root, tmp_path / 'OSVQA_1.0'))


@pytest.fixture(scope='module')
def dataset(release_root: Path) -> OSVQA:
    return OSVQA(release_root)


# --- a made-up map --------------------------------------------------------------------


def draw_codes(rng: np.random.Generator, size: int = SIZE) -> NDArray[np.uint8]:
    """Bands of classes with ragged borders, and a few single pixels."""
    rows, columns = np.mgrid[:size, :size]
    ragged = rows + 0.6 * columns + rng.normal(0, 1.5, (size, size))
    codes = np.array(list(CODES), np.uint8)[(ragged // 24 % 4).astype(int)]
    spots = rng.random((size, size)) < 0.001
    return np.where(spots, 7, codes).astype(np.uint8)


@pytest.fixture(scope='session')
def codes() -> NDArray[np.uint8]:
    return draw_codes(np.random.default_rng(0))


@pytest.fixture
def make_map(
    tmp_path: Path, write_image: WriteImage, codes: NDArray[np.uint8]
) -> MakeMap:
    """Function that writes images and a map, and combines them."""

    def make(
        labels: NDArray[Any] = codes,
        west: float = WEST,
        crs: str = 'EPSG:32633',
        res: float = RES,
        nodata: float | None = None,
        classes: Any = CODES,
        modalities: tuple[str, ...] = ('optical', 'sar'),
        image_crs: CRS | None = None,
        labels_class: type[RasterDataset] = LabelRaster,
        **arguments: Any,
    ) -> MapVQA:
        rng = np.random.default_rng(0)
        optical = rng.integers(1, 256, (3, SIZE, SIZE), np.uint8)
        sar = rng.normal(-12, 4, (2, SIZE, SIZE)).astype(np.float32)
        write_image(tmp_path / 'optical/a.tif', optical, WEST, NORTH)
        write_image(tmp_path / 'sar/a.tif', sar, WEST, NORTH)
        write_image(
            tmp_path / 'labels/a.tif',
            labels[None],
            west,
            NORTH,
            crs,
            res,
            nodata=nodata,
        )
        datasets = {'optical': None, 'sar': None} | {
            m: RasterDataset(tmp_path / m, crs=image_crs) for m in modalities
        }
        return MapVQA(
            datasets['optical'],
            datasets['sar'],
            labels_class(tmp_path / 'labels'),
            classes,
            **arguments,
        )

    return make
