# SPDX-License-Identifier: MIT
"""Tests of BigEarthNet.txt."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
from torchgeo.datasets import DatasetNotFoundError

from torchgeo_vqa.datasets import BigEarthNetText
from torchgeo_vqa.samplers import TileSampler

NAMES = {'train': 'train', 'val': 'validation', 'test': 'test', 'bench': 'bench'}


@pytest.fixture
def root(bigearthnettext_root: Path, tmp_path: Path) -> Path:
    """A dataset to spoil."""
    return Path(shutil.copytree(bigearthnettext_root, tmp_path / 'root'))


def frame_of(root: Path, split: str) -> pd.DataFrame:
    """Rows of a split."""
    frame = pd.read_parquet(root / 'BigEarthNet.txt.parquet')
    return frame[frame['split'] == NAMES[split]]


def edit(root: Path, column: str, value: Any) -> str:
    """Change a cell of the first training question; return its patch."""
    path = root / 'BigEarthNet.txt.parquet'
    frame = pd.read_parquet(path)
    row = frame.index[(frame['split'] == 'train') & (frame['type'] == 'mcq')][0]
    frame.loc[row, column] = value
    frame.to_parquet(path, index=False)
    return str(frame.loc[row, 'patch_id'])


class TestQuestions:
    @pytest.mark.parametrize('split', NAMES)
    def test_rows(self, bigearthnettext_root: Path, split: Any) -> None:
        dataset = BigEarthNetText(bigearthnettext_root, split)
        frame = frame_of(bigearthnettext_root, split)
        frame = frame[frame['type'].isin(['binary', 'mcq'])]
        ids = range(len(dataset.table))
        found = pd.DataFrame(
            {
                'patch_id': dataset.location(ids),
                'kind': dataset.question_type(ids),
                'input': dataset.question_text(ids),
                'output': dataset.answer_text(ids),
            }
        )
        kinds = frame['type'] + ' ' + frame['category']
        expected = frame[['patch_id', 'input', 'output']].assign(kind=kinds)
        pd.testing.assert_frame_equal(
            found, expected[found.columns].reset_index(drop=True), check_dtype=False
        )
        pairs = {'train': 3}.get(split, 1)
        assert len(dataset) == pairs
        assert len(found) == 5 * pairs
        assert found.duplicated().sum() == pairs
        assert found['input'].str.contains('água').sum() == pairs
        assert dataset.left_out == {'captioning': pairs, 'bounding box': pairs}
        assert dataset.answers == BigEarthNetText(bigearthnettext_root).answers
        assert dataset.convention == 'multiple choice by letter'

    def test_types(self, bigearthnettext_root: Path) -> None:
        kinds = ('mcq season', 'binary presence')
        dataset = BigEarthNetText(bigearthnettext_root, question_types=kinds)
        assert len(dataset.table) == 6
        assert set(dataset.answers) == {'a', 'b', 'yes', 'no'}


class TestImages:
    def test_pairs(self, bigearthnettext_root: Path) -> None:
        for split in ('train', 'bench'):
            dataset = BigEarthNetText(bigearthnettext_root, split)
            frame = frame_of(bigearthnettext_root, split)
            partners = dict(zip(frame['patch_id'], frame['s1_name'], strict=True))
            for place in TileSampler(dataset):
                sample = dataset[place]
                name = dataset.location(sample['question_id'][:1])[0]
                for key, patch, bands in (
                    ('image_optical', name, ('B04', 'B03', 'B02')),
                    ('image_sar', partners[name], ('VV', 'VH')),
                ):
                    assert len(sample[key]) == len(bands)
                    for image, band in zip(sample[key], bands, strict=True):
                        pattern = f'BigEarthNet-S*/*/{patch}/{patch}_{band}.tif'
                        (path,) = bigearthnettext_root.glob(pattern)
                        with rasterio.open(path) as src:
                            np.testing.assert_array_equal(image, src.read(1))
            assert dataset.georeferenced

    def test_missing(self, root: Path) -> None:
        patch = sorted(set(frame_of(root, 'train')['patch_id']))[1]
        (path,) = root.glob(f'BigEarthNet-S2/*/{patch}')
        shutil.rmtree(path)
        with pytest.raises(FileNotFoundError, match=f'no patch {patch}') as error:
            BigEarthNetText(root)
        assert f'1 of 3 pairs have a problem ({patch})' in str(error.value)
        with pytest.warns(UserWarning, match='1 of 3 pairs'):
            dataset = BigEarthNetText(root, on_error='skip')
        assert len(dataset) == 2

    def test_no_radar(self, root: Path) -> None:
        path = root / 'BigEarthNet.txt.parquet'
        frame = pd.read_parquet(path)
        patch = frame_of(root, 'train')['patch_id'].min()
        frame.loc[frame['patch_id'] == patch, 's1_name'] = None
        frame.to_parquet(path, index=False)
        with pytest.raises(FileNotFoundError, match=f'no s1_name .* {patch};'):
            BigEarthNetText(root)
        assert len(BigEarthNetText(root, modalities=('optical',))) == 3


class TestErrors:
    @pytest.mark.parametrize(
        'missing', ['BigEarthNet.txt.parquet', 'BigEarthNet-S1', 'BigEarthNet-S2']
    )
    def test_not_found(self, root: Path, missing: str) -> None:
        path = root / missing
        path.unlink() if path.is_file() else shutil.rmtree(path)
        with pytest.raises(DatasetNotFoundError, match=r'zenodo\.10891137') as error:
            BigEarthNetText(root)
        assert missing in str(error.value)
        assert 'huggingface.co' in str(error.value)

    @pytest.mark.parametrize(
        ('column', 'value', 'name'),
        [
            ('output', None, 'answer'),
            ('input', '  ', 'question'),
            ('category', None, 'question_type'),
        ],
    )
    def test_malformed(self, root: Path, column: str, value: Any, name: str) -> None:
        edit(root, column, value)
        with pytest.raises(ValueError, match=f'has no {name} in BigEarthNet') as error:
            BigEarthNetText(root)
        assert '1 of 15 questions are malformed' in str(error.value)
        with pytest.warns(UserWarning, match='1 malformed rows are left out'):
            assert len(BigEarthNetText(root, on_error='skip').table) == 14

    def test_two_radar_patches(self, root: Path) -> None:
        patch = edit(root, 's1_name', 'another')
        with pytest.raises(ValueError, match=f'{patch} goes with both') as error:
            BigEarthNetText(root)
        assert 'another' in str(error.value)

    def test_no_questions(self, root: Path) -> None:
        path = root / 'BigEarthNet.txt.parquet'
        frame = pd.read_parquet(path)
        frame[frame['split'] != 'bench'].to_parquet(path, index=False)
        with pytest.raises(ValueError, match="no question of the split 'bench'"):
            BigEarthNetText(root, 'bench')
        assert len(BigEarthNetText(root, 'test')) == 1

    def test_no_parquet(self, root: Path) -> None:
        (root / 'BigEarthNet.txt.parquet').write_text('text')
        with pytest.raises(
            ValueError, match=r'cannot read .*BigEarthNet\.txt\.parquet'
        ):
            BigEarthNetText(root)
