# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Fixtures for all tests."""

import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import from_origin

SIZE = 32
RESOLUTION = 10.0

#: Questions of each pair, with an answer for each of two kinds of pairs.
QUESTIONS = (
    ('presence', 'Is there a ship?', ('yes', 'no')),
    ('presence', 'Is there water?', ('yes', 'yes')),
    ('count', 'How many ships are there?', ('2', '0')),
    ('quadrant', 'In which quadrant is the ship?', ('upper left', 'lower right')),
    ('relation', 'Is the ship left of the bridge?', ('yes', 'no')),
    ('relation', 'Where is the ship relative to the bridge?', ('above', 'right')),
    ('modality_quality', 'Which image is more reliable?', ('optical', 'SAR')),
)

#: Pairs of each split.
NUM_PAIRS = {'train': 6, 'val': 2, 'test': 3}

WriteImage = Callable[..., None]


@pytest.fixture(scope='session', autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep tests out of the user's cache folder."""
    path = tmp_path_factory.mktemp('cache')
    os.environ['TORCHGEO_VQA_CACHE'] = str(path)
    return path


@pytest.fixture(scope='session')
def write_image() -> WriteImage:
    """Function that writes an image, which has a CRS if *west* is given."""

    def write(
        path: Path,
        array: NDArray[Any],
        west: float | None = None,
        north: float = 5_000_000.0,
        crs: str = 'EPSG:32633',
        res: float = RESOLUTION,
        **profile: Any,
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if west is not None:
            profile |= {'crs': crs, 'transform': from_origin(west, north, res, res)}
        count, height, width = array.shape
        profile |= {'count': count, 'height': height, 'width': width}
        driver = 'PNG' if path.suffix == '.png' else 'GTiff'
        with warnings.catch_warnings():
            # That a PNG stands nowhere is the point of it
            warnings.simplefilter('ignore', NotGeoreferencedWarning)
            with rasterio.open(
                path, 'w', driver=driver, dtype=array.dtype, **profile
            ) as file:
                file.write(array)

    return write


def _write_release(root: Path, write_image: WriteImage, extension: str) -> Path:
    """Write pairs in the layout of the release: as PNG without CRS, or GeoTIFF."""
    rng = np.random.default_rng(0)
    (root / 'annotations').mkdir(parents=True)
    groups = {}
    west = 400_000.0
    for split, num_pairs in NUM_PAIRS.items():
        rows = []
        for i in range(num_pairs):
            name = f'{split}_{i}'
            groups[name] = ('clear', 'cloudy', 'dark')[i % 3]
            optical = rng.integers(0, 256, (3, SIZE, SIZE), np.uint8)
            sar = rng.normal(-12, 4, (2, SIZE, SIZE)).astype(np.float32)
            place: dict[str, Any] = {'west': west}
            if extension == '.png':
                place = {}
                sar = ((sar[:1] + 40) * 4).clip(0, 255).astype(np.uint8)
            write_image(root / f'images/rgb/{name}{extension}', optical, **place)
            write_image(root / f'images/sar/{name}{extension}', sar, **place)
            # Tiles stand with a gap of a quarter
            west += 1.25 * SIZE * RESOLUTION
            rows += [
                [name, kind, question, answers[i % 2]]
                for kind, question, answers in QUESTIONS[: 5 + i % 3]
            ]
        path = root / f'annotations/all_{split}_annotation.json'
        path.write_text(json.dumps(rows))
    (root / 'annotations/image_groups.json').write_text(json.dumps(groups))
    return root


@pytest.fixture(scope='session')
def release_root(
    tmp_path_factory: pytest.TempPathFactory, write_image: WriteImage
) -> Path:
    """Release layout: 6, 2 and 3 pairs of GeoTIFFs of 32 px, 5 to 7 questions each.

    Optical images are uint8, SAR images float32 in dB with two bands.
    """
    root = tmp_path_factory.mktemp('release') / 'OSVQA_1.0'
    return _write_release(root, write_image, '.tif')


@pytest.fixture(scope='session')
def png_root(tmp_path_factory: pytest.TempPathFactory, write_image: WriteImage) -> Path:
    """Release layout with PNGs, which have no CRS; SAR images have one band."""
    root = tmp_path_factory.mktemp('png') / 'OSVQA_1.0'
    return _write_release(root, write_image, '.png')


@pytest.fixture(scope='session')
def real_root() -> Path:
    """Real Sentinel-1 and Sentinel-2 pairs in several UTM zones, where there are some."""
    beside = Path(__file__).parents[2] / 'shared' / 'data'
    shared = Path(os.environ.get('TORCHGEO_VQA_SHARED_DATA', beside))
    root = shared / 'ben_in_release_layout'
    if not root.is_dir():
        pytest.skip(f'no real pairs in {root}; set TORCHGEO_VQA_SHARED_DATA')
    return root


@pytest.fixture(scope='session')
def maps_root(
    tmp_path_factory: pytest.TempPathFactory, write_image: WriteImage
) -> Path:
    """Two places of 96 px in two UTM zones: optical, SAR, labels and names of classes."""
    root = tmp_path_factory.mktemp('maps')
    rng = np.random.default_rng(0)
    for name, crs in (('east', 'EPSG:32633'), ('west', 'EPSG:32631')):
        # fields of 12 px
        labels = rng.integers(1, 4, (1, 8, 8), np.uint8).repeat(12, 1).repeat(12, 2)
        optical = np.concatenate([labels * 60, 255 - labels * 60, labels * 7])
        optical += rng.integers(0, 9, optical.shape, np.uint8)
        sar = (-5.0 * labels + rng.normal(0, 1, (2, 96, 96))).astype(np.float32)
        # not a multiple of the pixel, as real origins are
        place: dict[str, Any] = {'west': 400_003.7, 'north': 5_000_001.3, 'crs': crs}
        for folder, array in (('optical', optical), ('sar', sar), ('labels', labels)):
            write_image(root / folder / f'{name}.tif', array, **place)
    (root / 'classes.yaml').write_text('{1: water, 2: trees, 3: crops}\n')
    return root
