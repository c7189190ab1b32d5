# SPDX-License-Identifier: MIT
"""Tests of the report on what became of rows."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from torchgeo_vqa.conversion import QuestionFormat, convert

WriteImage = Callable[..., None]

BAD = [
    # row and the reason it must be rejected for; None if it must be taken
    (['a', 't', 'What is it?', 'water'], None),
    (['a.tif', '', 'No type?', 'water'], None),
    (['a', 't', 'What is it?', ' water '], 'duplicate'),
    (['a', 't', '', 'water'], 'empty question'),
    (['a', 't', 'What?', '  '], 'empty answer'),
    (['', 't', 'What?', 'water'], 'empty image'),
    (['nowhere', 't', 'What?', 'water'], 'missing image'),
    (['../images/optical/a.tif', 't', 'What?', 'water'], 'unsafe image name'),
    (['..\\a.tif', 't', 'What?', 'water'], 'unsafe image name'),
    (['/etc/passwd', 't', 'What?', 'water'], 'unsafe image name'),
    (['C:\\a.tif', 't', 'What?', 'water'], 'unsafe image name'),
    (['a', 't', 'What?'], 'wrong number of cells'),
    (['broken', 't', 'What?', 'water'], 'unreadable optical image'),
    (['empty', 't', 'What?', 'water'], 'unreadable optical image'),
    (['alone', 't', 'What?', 'water'], 'missing SAR image'),
    (['twice', 't', 'What?', 'water'], 'ambiguous optical image'),
    (['nocrs', 't', 'What?', 'water'], 'unfit image'),
    (['twobands', 't', 'What?', 'water'], 'unfit image'),
    (['b', 't', 'What is it?', 'water'], None),
]


@pytest.fixture
def bad_images(images: Path, write_image: WriteImage) -> Path:
    """The folder of pairs with some that cannot be used."""
    optical, sar = images / 'optical', images / 'sar'
    for name in ('broken', 'empty', 'alone', 'twice', 'nocrs', 'twobands'):
        shutil.copy(optical / 'a.tif', optical / f'{name}.tif')
        if name != 'alone':
            shutil.copy(sar / 'a.TIFF', sar / f'{name}.tif')
    # the header is whole, the pixels are not
    data = (optical / 'a.tif').read_bytes()
    (optical / 'broken.tif').write_bytes(data[:-500])
    (optical / 'empty.tif').write_bytes(b'')
    shutil.copy(optical / 'a.tif', optical / 'twice.tiff')
    array: NDArray[np.uint8] = np.zeros((3, 32, 32), np.uint8)
    for folder in (optical, sar):
        write_image(folder / 'nocrs.tif', array[:2] if folder == sar else array)
    write_image(optical / 'twobands.tif', array[:2], 400_000.0)
    return images


@pytest.mark.parametrize('extension', ['csv', 'json'])
@pytest.mark.parametrize('dry_run', [False, True])
def test_rejected_rows(
    write_csv: Any,
    read_osvqa: Any,
    tmp_path: Path,
    bad_images: Path,
    extension: str,
    dry_run: bool,
) -> None:
    header = ['image', 'question_type', 'question', 'answer']
    path = write_csv(tmp_path / 'q.csv', [row for row, _ in BAD], header)
    report = convert(
        [path],
        tmp_path / 'out',
        optical=bad_images / 'optical',
        sar=bad_images / 'sar',
        question_format=QuestionFormat(question_type='other'),
        report=tmp_path / f'report.{extension}',
        dry_run=dry_run,
    )
    expected = [
        # line 1 is the header
        (str(path), number, reason)
        for number, (_, reason) in enumerate(BAD, 2)
        if reason
    ]
    with (tmp_path / f'report.{extension}').open(encoding='utf-8') as file:
        if extension == 'csv':
            rows = list(csv.DictReader(file))
        else:
            content = json.load(file)
            rows = content['rejected']
            assert content['summary']['rows'] == len(BAD)
            assert content['summary']['taken'] == 3
            assert content['summary']['question_types'] == {'other': 1, 't': 2}
    assert [(r['file'], int(r['number']), r['reason']) for r in rows] == expected
    assert all(row['detail'] for row in rows)
    # nothing is lost
    assert report.num_taken + report.rejected.total() == report.num_rows == len(BAD)
    for reason in {reason for _, _, reason in expected}:
        assert f'{reason}: ' in str(report)
    assert (tmp_path / 'out').exists() is not dry_run
    if not dry_run:
        taken = [[r[0].split('.')[0], r[1] or 'other', *r[2:]] for r, x in BAD if not x]
        assert read_osvqa(tmp_path / 'out') == sorted(taken)
        copied = {p.stem for p in (tmp_path / 'out/images/rgb').iterdir()}
        assert copied == {'a', 'b'}
