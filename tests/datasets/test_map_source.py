# SPDX-License-Identifier: MIT
"""MapSource: files of maps as users name them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from torchgeo_vqa.datasets.map_source import MapSource, read_classes

CLASSES = {1: 'water', 2: 'trees'}


@pytest.fixture
def files(tmp_path: Path, write_image: Callable[..., None]) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    for name, image in {
        'optical': rng.integers(0, 9999, (4, 32, 32), np.uint16),
        'sar': rng.normal(size=(2, 32, 32)).astype(np.float32),
        'labels': rng.integers(1, 3, (1, 32, 32), np.uint8),
    }.items():
        write_image(tmp_path / f'{name}/a.tif', image, 400_000.0)
    names = ('optical', 'sar', 'labels')
    return {name: tmp_path / name for name in names} | {'classes': CLASSES}


def test_all_files_in_one_dataset(files: dict[str, Any]) -> None:
    source = MapSource(**files, optical_bands=(3, 2, 1), urban_classes=['trees'])
    opened = source.open_maps(['rural_urban'], questions_per_sample=4)
    assert opened.dataset.modalities == ('optical', 'sar')
    assert opened.dataset.question_types == ('rural_urban',)
    assert opened.dataset.questions_per_sample == 4
    assert opened.dtypes == {'optical': 'uint16', 'sar': 'float32'}
    images = opened.dataset.read(opened.dataset.bounds).images
    with rasterio.open(files['optical'] / 'a.tif') as file:
        np.testing.assert_array_equal(images['optical'], file.read((3, 2, 1)))
    assert opened.origin(400_100.0, 4_999_900.0) == (400_000.0, 5_000_000.0)
    assert opened.origin(0.0, 0.0) is None
    assert [zone.dataset.crs.to_epsg() for zone in source.open_zones()] == [32633]


def test_images_of_several_crs(
    files: dict[str, Any], write_image: Callable[..., None]
) -> None:
    image = np.zeros((2, 32, 32), np.float32)
    write_image(files['sar'] / 'b.tif', image, 405_000.0, crs='EPSG:32634')
    opened = MapSource(**files | {'optical': None}).open_maps()
    assert opened.dataset.crs.to_epsg() == 32633
    # pixels of the other zone are warped, so they are counted from no corner
    assert [Path(file.path).name for file in opened.files] == ['a.tif']


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('{2: trees, 1: water}', CLASSES),
        ('{"2": "trees", "1": " water "}', CLASSES),
        ('[water, trees]', {0: 'water', 1: 'trees'}),
    ],
)
def test_classes(tmp_path: Path, text: str, expected: dict[int, str]) -> None:
    path = tmp_path / 'classes.yaml'
    path.write_text(text)
    assert read_classes(path) == expected


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('water', "must name the code of each class.*got 'water'"),
        ('{}', 'must name the code'),
        ('{1: water, a: trees}', 'must name the code'),
        ('{1: water, 2: ""}', 'must name the code'),
        ('{1: 5}', 'must name the code'),
        ('{1: water', 'neither YAML nor JSON'),
    ],
)
def test_bad_classes(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / 'classes.yaml'
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_classes(path)


@pytest.mark.parametrize(
    ('options', 'error', 'message'),
    [
        ({'optical': None, 'sar': None}, ValueError, 'optical or a SAR raster'),
        ({'sar': 'nowhere'}, FileNotFoundError, 'nowhere is neither a raster'),
        ({'categories': ['ship']}, ValueError, r"categories \('ship',\) need objects"),
        ({'optical_bands': [1, 2, 5]}, ValueError, r'three of 1 to 4.*got \[1, 2, 5\]'),
        ({'kinds': ['ship']}, TypeError, 'no option kinds'),
    ],
)
def test_errors(
    files: dict[str, Any], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        MapSource(**files | options).open_maps()
