# SPDX-License-Identifier: MIT
"""Tests of extensions."""

import re

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from torchgeo_vqa.rasters.image_file import (
    DRIVERS,
    IMAGE_EXTENSIONS,
    JPEG_EXTENSIONS,
    RASTER_EXTENSIONS,
    pattern_of,
)

NAMES = {
    'a.png': 'a',
    'a.TIF': 'a',
    'sub/a.b.tiff': 'sub/a.b',
    'a.tiffy': 'a.tiffy',
    'a_tif': 'a_tif',
    'a.tif.png': 'a.tif',
    'a.jpg': 'a.jpg',
    'a': 'a',
}


@pytest.mark.parametrize('name', NAMES)
def test_pattern(name: str) -> None:
    """Python and Arrow, which reads tables, agree."""
    pattern = pattern_of(IMAGE_EXTENSIONS)
    assert re.sub(pattern, '', name) == NAMES[name]
    (found,) = pc.replace_substring_regex(pa.array([name]), pattern, '').to_pylist()
    assert found == NAMES[name]


def test_images_are_never_another_format() -> None:
    """Every extension that a stranger may choose has its driver."""
    assert {*IMAGE_EXTENSIONS, *JPEG_EXTENSIONS} == set(DRIVERS)
    assert '.vrt' in RASTER_EXTENSIONS
    assert '.vrt' not in DRIVERS
