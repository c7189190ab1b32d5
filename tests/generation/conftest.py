# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Maps to generate datasets from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

CLASSES = '{1: water, 2: trees, 3: crops}\n'


@pytest.fixture(scope='session')
def maps_root(
    tmp_path_factory: pytest.TempPathFactory, write_image: Callable[..., None]
) -> Path:
    """Two places of 96 px in two UTM zones: optical, SAR, labels and names of classes."""
    root = tmp_path_factory.mktemp('maps')
    rng = np.random.default_rng(0)
    for name, crs in (('east', 'EPSG:32633'), ('west', 'EPSG:32631')):
        # fields of 12 px
        labels = rng.integers(1, 4, (1, 8, 8), np.uint8).repeat(12, 1).repeat(12, 2)
        optical = np.concatenate([labels * 60, 255 - labels * 60, labels * 7])
        optical += rng.integers(0, 9, optical.shape, np.uint8)
        sar = (labels * -5 + rng.normal(0, 1, (2, 96, 96))).astype(np.float32)
        # not a multiple of the pixel, as real origins are
        place: dict[str, Any] = {'west': 400_003.7, 'north': 5_000_001.3, 'crs': crs}
        for folder, array in (('optical', optical), ('sar', sar), ('labels', labels)):
            write_image(root / folder / f'{name}.tif', array, **place)
    (root / 'classes.yaml').write_text(CLASSES)
    return root


@pytest.fixture
def arguments(maps_root: Path) -> dict[str, Any]:
    """What makes a small dataset of the two places."""
    return {
        'optical': maps_root / 'optical',
        'sar': maps_root / 'sar',
        'labels': maps_root / 'labels',
        'classes': maps_root / 'classes.yaml',
        'patch_size': 32,
        'block_size': 48,
        'num_patches': 24,
        'num_workers': 1,
    }
