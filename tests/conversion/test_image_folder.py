# SPDX-License-Identifier: MIT
"""Tests of bringing images into the layout of the release."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image

from torchgeo_vqa.conversion import SplitRule, convert
from torchgeo_vqa.datasets import OSVQA

WriteImage = Callable[..., None]


@pytest.mark.parametrize('transfer', ['hardlink', 'symlink'])
def test_links(
    read_osvqa: Any,
    make_questions: Any,
    rows: Any,
    tmp_path: Path,
    images: Path,
    transfer: Any,
) -> None:
    files, _ = make_questions(tmp_path, 'csv')
    convert(files, tmp_path / 'out', optical=images / 'optical', transfer=transfer)
    path = tmp_path / 'out/images/rgb/deep/c.tif'
    assert path.samefile(images / 'optical/deep/c.tif')
    assert path.is_symlink() == (transfer == 'symlink')
    assert read_osvqa(tmp_path / 'out', modalities=['optical']) == sorted(rows)


def test_jpeg_becomes_png(write_csv: Any, tmp_path: Path) -> None:
    (tmp_path / 'i').mkdir()
    ramp = np.arange(48 * 40 * 3, dtype=np.uint32).reshape(48, 40, 3)
    Image.fromarray((ramp // 23 % 256).astype(np.uint8)).save(tmp_path / 'i/a.b.JPG')
    path = write_csv(
        tmp_path / 'q.csv',
        [['a.b.JPG', 'Is it?', 'yes']],
        ['image', 'question', 'answer'],
    )
    convert(
        [path],
        tmp_path / 'out',
        optical=tmp_path / 'i',
        split_rule=SplitRule(fractions=(1, 0, 0)),
    )
    dataset = OSVQA(tmp_path / 'out', modalities=['optical'])
    x, y, t = dataset.bounds
    pixels = dataset[x, y, t]['image_optical'].permute(1, 2, 0).numpy()
    with Image.open(tmp_path / 'i/a.b.JPG') as image:
        # two decoders of JPEG may round differently
        assert np.abs(np.asarray(image).astype(float) - pixels).max() <= 2
    assert sorted(os.listdir(tmp_path / 'out/images/rgb')) == ['a.b.png']


@pytest.mark.parametrize('readdir', ['FALSE', 'TRUE', 'EMPTY_DIR'])
def test_side_files_come_along(
    tmp_path: Path, write_image: WriteImage, readdir: str
) -> None:
    write_image(tmp_path / 'i/a.tif', np.zeros((3, 8, 8), np.uint8))
    (tmp_path / 'i/a.tfw').write_text('10\n0\n0\n-10\n400005\n4999995\n')
    (tmp_path / 'q.json').write_text('[["a", "t", "Is it?", "yes"]]')
    # TorchGeo's command sets the last, with which GDAL finds no side files
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN=readdir):
        convert([tmp_path / 'q.json'], tmp_path / 'out', optical=tmp_path / 'i')
    assert sorted(os.listdir(tmp_path / 'out/images/rgb')) == ['a.tfw', 'a.tif']
