# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Fixtures for tests of datasets."""

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from rasterio.errors import NotGeoreferencedWarning
from torch import Tensor
from torchgeo.datasets.utils import Sample

from torchgeo_vqa.datasets import OSVQA


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
