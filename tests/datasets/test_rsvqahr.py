# SPDX-License-Identifier: MIT
"""Tests of RSVQA HR."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from torchgeo.datasets import DatasetNotFoundError

from torchgeo_vqa.datasets import RSVQAHR
from torchgeo_vqa.samplers import TileSampler

AREAS = {
    'train': ['0m2', 'between 1m2 and 10m2', 'more than 1000m2'],
    'val': ['between 1m2 and 10m2'],
    'test': ['between 11m2 and 100m2'],
    'test_phili': ['between 101m2 and 1000m2', 'between 101m2 and 1000m2'],
}
COUNTS = {
    'train': ['0', '37', '2'],
    'val': ['0'],
    'test': ['37'],
    'test_phili': ['2', '0'],
}


@pytest.mark.parametrize('split', AREAS)
def test_questions(rsvqahr_root: Path, split: str) -> None:
    dataset = RSVQAHR(rsvqahr_root, split)
    ids = range(len(dataset.table))
    assert len(ids) == 4 * len(dataset) == 4 * len(AREAS[split])
    rows = list(zip(dataset.question_type(ids), dataset.answer_text(ids), strict=True))
    assert [answer for kind, answer in rows if kind == 'area'] == AREAS[split]
    # Counts are evaluated as they are
    assert [answer for kind, answer in rows if kind == 'count'] == COUNTS[split]
    assert dataset.convention == 'areas in five ranges'
    assert dataset.question_types == ('area', 'comp', 'count', 'presence')


def test_exact_areas(rsvqahr_root: Path) -> None:
    dataset = RSVQAHR(rsvqahr_root, buckets=False)
    assert {'0m2', '3m2', '10631m2'} < set(dataset.answers)
    assert dataset.convention == 'areas as numbers'


@pytest.mark.filterwarnings('ignore::rasterio.errors.NotGeoreferencedWarning')
def test_splits_are_apart(rsvqahr_root: Path) -> None:
    """Images without a CRS of all splits can be put together."""
    datasets = [RSVQAHR(rsvqahr_root, split) for split in RSVQAHR.splits]
    assert not any(dataset.georeferenced for dataset in datasets)
    union = datasets[0] | datasets[1] | datasets[2] | datasets[3]
    images = [union[place]['image_optical'] for place in TileSampler(union)]
    assert len(images) == 7
    files = []
    for path in (rsvqahr_root / 'Data').iterdir():
        with rasterio.open(path) as src:
            files.append(src.read().astype(np.float32).tobytes())
    assert {image.numpy().tobytes() for image in images} == set(files)


def test_split(rsvqahr_root: Path) -> None:
    with pytest.raises(ValueError, match=r"test_phili.*got \['phili'\]"):
        RSVQAHR(rsvqahr_root, 'phili')


def test_not_found(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match=r'zenodo\.6344367'):
        RSVQAHR(tmp_path)
