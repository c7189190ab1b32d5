# SPDX-License-Identifier: MIT
"""Tests of pairs with questions: what is in a sample, and what goes wrong how."""

import json
import pickle
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from open_clip import tokenize
from torch.utils.data import DataLoader
from torchgeo.datasets import DatasetNotFoundError, stack_samples, unbind_samples
from torchgeo.datasets.utils import Sample

from torchgeo_vqa.datasets import OSVQA
from torchgeo_vqa.samplers import TileSampler

FOLDERS = {'optical': 'rgb', 'sar': 'sar'}


class TestSample:
    @pytest.mark.parametrize('split', ['train', 'val', 'test'])
    @pytest.mark.parametrize('layout', ['release_root', 'png_root'])
    def test_tiles(
        self,
        pixels: Any,
        questions: Any,
        rows_of: Any,
        tile: Any,
        split: Any,
        layout: str,
        request: pytest.FixtureRequest,
    ) -> None:
        root = request.getfixturevalue(layout)
        dataset = OSVQA(root, split)
        rows = rows_of(root, split)
        names = sorted({row[0] for row in rows})
        assert dataset.index['image'].tolist() == names
        for name in names:
            sample = tile(dataset, name)
            for modality, folder in (('optical', 'rgb'), ('sar', 'sar')):
                (path,) = (root / 'images' / folder).glob(f'{name}.*')
                torch.testing.assert_close(
                    sample[f'image_{modality}'], pixels(str(path)), rtol=0, atol=0
                )
            expected = [row for row in rows if row[0] == name]
            assert questions(dataset, sample) == expected
            real = len(expected)
            torch.testing.assert_close(
                sample['question'][:real], tokenize([row[2] for row in expected])
            )
            types = [dataset.question_types[i] for i in sample['question_type'][:real]]
            assert types == [row[1] for row in expected]
            labels = [dataset.answers[i] for i in sample['label'][:real]]
            assert labels == [row[3] for row in expected]
            groups = json.loads((root / 'annotations/image_groups.json').read_text())
            found = {dataset.groups[i] for i in sample['group'][:real]}
            assert found == {groups[name]}
            # The rest is padding
            assert len(sample['label']) == 7
            assert (sample['question'][real:] == 0).all()
            for key in ('question_type', 'question_id', 'label', 'group'):
                assert sample[key].dtype == torch.int64
                assert (sample[key][real:] == -1).all()

    def test_bounds_and_transform(self, tile: Any, dataset: OSVQA) -> None:
        sample = tile(dataset, 'train_1')
        with rasterio.open(dataset.index['filepath'].iloc[1]) as file:
            xmin, ymin, xmax, ymax = file.bounds
            transform = torch.tensor(tuple(file.transform))
        assert sample['bounds'][:6].tolist() == [xmin, xmax, 10, ymin, ymax, 10]
        torch.testing.assert_close(sample['transform'], transform)

    @pytest.mark.parametrize('modality', ['optical', 'sar'])
    def test_one_modality(self, tile: Any, root: Path, modality: str) -> None:
        other = {'optical': 'sar', 'sar': 'rgb'}[modality]
        shutil.rmtree(root / 'images' / other)
        dataset = OSVQA(root, modalities=(modality,))
        sample = tile(dataset, 'train_0')
        assert [key for key in sample if key.startswith('image')] == [
            f'image_{modality}'
        ]
        assert (sample['question_id'] >= 0).sum() == 5

    def test_question_types(
        self, questions: Any, rows_of: Any, tile: Any, release_root: Path
    ) -> None:
        types = ('relation', 'count')
        dataset = OSVQA(release_root, question_types=types)
        assert dataset.question_types == types
        expected = [row for row in rows_of(release_root) if row[1] in types]
        assert len(dataset.table) == len(expected)
        sample = tile(dataset, 'train_2')
        found = questions(dataset, sample)
        assert found == [row for row in expected if row[0] == 'train_2']
        indices = sample['question_type'][: len(found)].tolist()
        assert [types[i] for i in indices] == [row[1] for row in found]
        assert set(dataset.answers) == {row[3] for row in expected}

    def test_only_pairs_with_questions_of_the_types(self, release_root: Path) -> None:
        dataset = OSVQA(release_root, question_types=('modality_quality',))
        assert dataset.index['image'].tolist() == ['train_2', 'train_5']

    def test_questions_per_sample(
        self, rows_of: Any, tile: Any, release_root: Path
    ) -> None:
        dataset = OSVQA(release_root, questions_per_sample=6)
        every = {row for row, _ in enumerate(rows_of(release_root))}
        torch.manual_seed(0)
        draws = [tile(dataset, 'train_2')['question_id'].tolist() for _ in range(50)]
        assert all(len(set(draw)) == 6 and set(draw) <= every for draw in draws)
        assert len({tuple(draw) for draw in draws}) > 40
        # In the long run each is drawn equally often
        counts = Counter(i for draw in draws for i in draw)
        assert len(counts) == 7
        assert min(counts.values()) > 30
        torch.manual_seed(0)
        again = [tile(dataset, 'train_2')['question_id'].tolist() for _ in range(50)]
        assert again == draws
        # Fewer are padded
        assert tile(dataset, 'train_0')['question_id'].tolist().count(-1) == 1

    def test_transforms(self, tile: Any, release_root: Path) -> None:
        dataset = OSVQA(release_root, transforms=lambda s: {'sum': s['label'].sum()})
        assert tile(dataset, 'train_0').keys() == {'sum'}

    def test_stack_and_unbind(self, dataset: OSVQA) -> None:
        samples = [dataset[place] for place in TileSampler(dataset)]
        batch = stack_samples(samples)
        assert batch['question'].shape == (6, 7, 77)
        for sample, again in zip(samples, unbind_samples(batch), strict=True):
            torch.testing.assert_close(sample, again)

    def test_samples_are_not_shared(self, tile: Any, dataset: OSVQA) -> None:
        first = tile(dataset, 'train_0')
        expected = {key: value.clone() for key, value in first.items()}
        for value in first.values():
            value.fill_(0)
        torch.testing.assert_close(tile(dataset, 'train_0'), expected)

    # Like 'spawn', 'forkserver' pickles the dataset
    @pytest.mark.parametrize('context', ['fork', 'forkserver'])
    def test_workers(self, dataset: OSVQA, context: str) -> None:
        expected = [dataset[place] for place in TileSampler(dataset)]
        loader: DataLoader[Sample] = DataLoader(
            dataset,
            batch_size=None,
            sampler=TileSampler(dataset),
            num_workers=1,
            multiprocessing_context=context,
        )
        torch.testing.assert_close(list(loader), expected)

    def test_pickle(self, tile: Any, dataset: OSVQA) -> None:
        expected = tile(dataset, 'train_0')
        again = pickle.loads(pickle.dumps(dataset))
        torch.testing.assert_close(tile(again, 'train_0'), expected)


class TestErrors:
    @pytest.mark.parametrize(
        'missing', ['', 'annotations/all_val_annotation.json', 'images/sar']
    )
    def test_not_found(self, root: Path, missing: str) -> None:
        path = root / missing
        path.unlink() if path.is_file() else shutil.rmtree(path)
        with pytest.raises(DatasetNotFoundError, match=r'pan\.baidu\.com') as error:
            OSVQA(root, 'val')
        assert '9dhW' in str(error.value)
        assert repr(root) in str(error.value)

    @pytest.mark.parametrize('how', ['missing', 'empty', 'text'])
    @pytest.mark.parametrize('folder', ['rgb', 'sar'])
    def test_broken_image(
        self, questions: Any, rows_of: Any, tile: Any, root: Path, folder: str, how: str
    ) -> None:
        path = root / f'images/{folder}/train_1.tif'
        path.unlink()
        if how != 'missing':
            path.write_text('' if how == 'empty' else 'not an image')
        with pytest.raises(
            OSError, match=r'all_train_annotation\.json, row 5'
        ) as error:
            OSVQA(root)
        assert isinstance(error.value, FileNotFoundError) == (how == 'missing')
        assert 'train_1' in str(error.value)
        assert folder in str(error.value)
        with pytest.warns(UserWarning, match='1 of 6 pairs .* left out'):
            dataset = OSVQA(root, on_error='skip')
        assert 'train_1' not in dataset.index['image'].tolist()
        ids = range(len(dataset.table))
        expected = [row for row in rows_of(root) if row[0] != 'train_1']
        assert dataset.location(ids) == [row[0] for row in expected]
        assert questions(dataset, tile(dataset, 'train_3')) == [
            row for row in expected if row[0] == 'train_3'
        ]
        # It does not matter where nothing is asked about it
        OSVQA(root, question_types=('modality_quality',))

    def test_nothing_left(self, root: Path) -> None:
        for path in (root / 'images/sar').iterdir():
            path.unlink()
        with (
            pytest.warns(UserWarning, match='6 of 6'),
            pytest.raises(DatasetNotFoundError, match='None of the pairs'),
        ):
            OSVQA(root, on_error='skip')

    def test_image_that_breaks_off(self, tile: Any, root: Path) -> None:
        path = root / 'images/sar/train_1.tif'
        path.write_bytes(path.read_bytes()[:-1000])
        dataset = OSVQA(root)
        with pytest.raises(OSError, match=r'train_1\.tif'):
            tile(dataset, 'train_1')

    def test_row_of_a_missing_image(self, rows_of: Any, root: Path) -> None:
        """It is counted in the file, also if only some types are asked about."""
        rows = rows_of(root)
        (root / 'images/rgb/train_2.tif').unlink()
        row = next(i for i, row in enumerate(rows) if row[0] == 'train_2')
        with pytest.raises(FileNotFoundError, match=rf'\.json, row {row}: .*train_2'):
            OSVQA(root, question_types=['count'])

    def test_malformed_row(self, rows_of: Any, root: Path) -> None:
        path = root / 'annotations/all_train_annotation.json'
        rows = rows_of(root)
        rows[3] = rows[3][:3]
        path.write_text(json.dumps(rows))
        with pytest.raises(ValueError, match=r'all_train_annotation\.json: row 3 '):
            OSVQA(root)
        with pytest.warns(UserWarning, match='1 malformed rows are left out'):
            dataset = OSVQA(root, on_error='skip')
        assert len(dataset.table) == len(rows) - 1

    @pytest.mark.parametrize(
        ('folder', 'num_bands', 'crs', 'message'),
        [
            ('rgb', 2, 'EPSG:32633', 'optical images must have 3 bands .* got 2'),
            ('sar', 3, 'EPSG:32633', 'sar images must have 2 bands .* got 3'),
            ('rgb', 3, None, 'has no CRS, but other images'),
        ],
    )
    def test_images_that_do_not_fit(
        self,
        root: Path,
        write_image: Any,
        folder: str,
        num_bands: int,
        crs: str | None,
        message: str,
    ) -> None:
        place = {} if crs is None else {'west': 400_000.0}
        image = np.zeros((num_bands, 32, 32), np.uint8)
        write_image(root / f'images/{folder}/train_0.tif', image, **place)
        modalities = {'rgb': 'optical', 'sar': 'sar'}[folder]
        with pytest.raises(ValueError, match=message):
            OSVQA(root, modalities=(modalities,))

    @pytest.mark.parametrize(
        ('argument', 'value'),
        [
            ('split', 'dev'),
            ('modalities', ()),
            ('modalities', ('optical', 'radar')),
            ('modalities', 'optical'),
            ('on_error', 'ignore'),
            ('questions_per_sample', 0),
            ('num_answers', 0),
            ('question_types', ('presence', 'colour')),
            ('question_types', ()),
            ('answers', ()),
            ('answers', ('yes', 'yes')),
        ],
    )
    def test_arguments(self, release_root: Path, argument: str, value: Any) -> None:
        kwargs: dict[str, Any] = {argument: value}
        with pytest.raises(ValueError, match=argument.split('_')[0]) as error:
            OSVQA(release_root, **kwargs)
        shown = value[-1] if isinstance(value, tuple) and value else value
        assert str(shown) in str(error.value)
