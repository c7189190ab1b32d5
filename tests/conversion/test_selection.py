# SPDX-License-Identifier: MIT
"""Tests of the selection of rows and of their splits."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchgeo_vqa.annotations.split_draw import draw_splits
from torchgeo_vqa.conversion import SplitRule, convert

WriteImage = Callable[..., None]


def test_split_is_drawn_by_image(
    splits: Any, tmp_path: Path, write_image: WriteImage
) -> None:
    rng = random.Random(0)
    rows = []
    for i in range(20):
        write_image(tmp_path / f'i/{i}.png', np.zeros((1, 8, 8), np.uint8))
        rows += [[str(i), 't', f'Is it {j}?', 'no'] for j in range(rng.randint(1, 9))]
    rng.shuffle(rows)
    (tmp_path / 'q.json').write_text(json.dumps(rows))

    def drawn(name: str, **options: Any) -> dict[str, set[str]]:
        root = tmp_path / name
        rule = SplitRule(**options)
        convert([tmp_path / 'q.json'], root, optical=tmp_path / 'i', split_rule=rule)
        return splits(root)

    first = drawn('a', fractions=(0.5, 0.3, 0.2), seed=1)
    sizes = [
        sum(split in s for s in first.values()) for split in ('train', 'val', 'test')
    ]
    assert sizes == [10, 6, 4]
    assert all(len(s) == 1 for s in first.values())
    assert drawn('b', fractions=(0.5, 0.3, 0.2), seed=1) == first
    # in the order of the names: that of a set differs from process to process
    names = sorted(str(i) for i in range(20))
    expected = draw_splits(names, (0.5, 0.3, 0.2), 1)
    assert first == {f'{name}.png': {split} for name, split in expected.items()}
    assert drawn('c', fractions=(0.5, 0.3, 0.2), seed=2) != first
    everything = drawn('d', fractions=(1, 0, 0))
    assert set.union(*everything.values()) == {'train'}
    assert not (tmp_path / 'd/annotations/all_val_annotation.json').exists()


def test_split_column(
    write_csv: Any, splits: Any, tmp_path: Path, images: Path
) -> None:
    header = ['image', 'question', 'answer', 'split']
    rows = [
        ['a', 'One?', 'yes', 'train'],
        ['b', 'One?', 'yes', 'Validation'],
        ['d', 'One?', 'yes', 'TEST'],
        ['a', 'Two?', 'yes', 'test'],
        ['a', 'Three?', 'yes', 'training'],
        ['e', 'One?', 'yes', 'elsewhere'],
        ['e', 'Two?', 'yes', ''],
    ]
    path = write_csv(tmp_path / 'q.csv', rows, header)
    report = convert([path], tmp_path / 'out', optical=images / 'optical')
    expected = {'a.tif': {'train'}, 'b.tif': {'val'}, 'd.tif': {'test'}}
    assert splits(tmp_path / 'out') == expected
    assert dict(report.rejected) == {'unknown split': 2, 'image in two splits': 1}


def test_split_of_files(
    write_csv: Any, splits: Any, tmp_path: Path, images: Path
) -> None:
    for name, split in (('a', 'train'), ('b', 'val'), ('d', 'test')):
        rows = [[name, 'Is it?', 'yes']]
        write_csv(tmp_path / f'my_{split}_2.csv', rows, ['image', 'question', 'answer'])
    files = sorted(tmp_path.glob('my_*.csv'))
    convert(files, tmp_path / 'out', optical=images / 'optical')
    expected = {'a.tif': {'train'}, 'b.tif': {'val'}, 'd.tif': {'test'}}
    assert splits(tmp_path / 'out') == expected


@pytest.mark.parametrize(
    ('key', 'other'), [('answer', 'no'), ('question_type', 'other')]
)
def test_what_is_no_duplicate(
    key: str, other: str, write_csv: Any, tmp_path: Path, images: Path
) -> None:
    """A question with another answer, or of another type; the same row twice is one."""
    header = ['image', 'question', 'answer', 'question_type', 'split']
    row = ['a', 'Is it?', 'yes', 'presence', 'train']
    changed = [other if name == key else x for name, x in zip(header, row, strict=True)]
    path = write_csv(tmp_path / 'q.csv', [row, changed, row], header)
    report = convert([path], tmp_path / 'out', optical=images / 'optical')
    assert report.num_taken == 2
    assert dict(report.rejected) == {'duplicate': 1}


def test_duplicates_may_be_kept(rows: Any, tmp_path: Path, images: Path) -> None:
    (tmp_path / 'q.json').write_text(json.dumps([rows[0]] * 3))
    report = convert(
        [tmp_path / 'q.json'],
        tmp_path / 'out',
        optical=images / 'optical',
        duplicates='keep',
    )
    assert report.num_taken == 3
