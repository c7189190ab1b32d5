# SPDX-License-Identifier: MIT
"""Tests of RSVQAxBEN, and of its pairs with Sentinel-1."""

import json
import pickle
import shutil
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from torchgeo.datasets import BigEarthNet, DatasetNotFoundError
from torchgeo.datasets.utils import Sample

from torchgeo_vqa.datasets import RSVQAxBEN
from torchgeo_vqa.datasets.rsvqaxben import parse_flat
from torchgeo_vqa.samplers import TileSampler


def rows_of(root: Path, split: str) -> Counter[tuple[str, ...]]:
    """Questions of a split with the patch's name, straight from its files."""
    files = {
        kind: json.loads((root / f'RSVQAxBEN_split_{split}_{kind}.json').read_bytes())[
            kind
        ]
        for kind in ('images', 'questions', 'answers')
    }
    # An entry's place in its list is its id
    return Counter(
        (
            files['images'][question['img_id']]['original_name'],
            question['type'],
            question['question'],
            files['answers'][question['answers_ids'][0]]['answer'],
        )
        for question in files['questions']
        if question['active']
    )


def rows_in(dataset: RSVQAxBEN) -> Counter[tuple[str, ...]]:
    """Questions in a dataset's table."""
    ids = range(len(dataset.table))
    columns = [
        dataset.location(ids),
        dataset.question_type(ids),
        dataset.question_text(ids),
        dataset.answer_text(ids),
    ]
    return Counter(zip(*columns, strict=True))


def samples(dataset: RSVQAxBEN) -> dict[str, Sample]:
    """Sample of each patch by its name."""
    found = [dataset[place] for place in TileSampler(dataset)]
    return {dataset.location(sample['question_id'][:1])[0]: sample for sample in found}


def band(folder: Path, name: str) -> Any:
    with rasterio.open(folder / f'{folder.name}_{name}.tif') as src:
        return src.read(1)


@pytest.fixture
def root(rsvqaxben_root: Path, tmp_path: Path) -> Path:
    """A dataset to spoil."""
    return Path(shutil.copytree(rsvqaxben_root, tmp_path / 'root'))


class TestQuestions:
    @pytest.mark.parametrize(
        ('split', 'pairs', 'questions'),
        [('train', 3, 15), ('val', 1, 5), ('test', 2, 10)],
    )
    def test_rows(
        self, rsvqaxben_root: Path, split: Any, pairs: int, questions: int
    ) -> None:
        dataset = RSVQAxBEN(rsvqaxben_root, split)
        assert len(dataset) == pairs
        assert len(dataset.table) == questions
        rows = rows_in(dataset)
        assert rows == rows_of(rsvqaxben_root, split)
        # One question of five is there twice
        assert sorted(rows.values()) == [1] * (3 * pairs) + [2] * pairs
        assert any('água' in row[2] for row in rows)
        assert dataset.convention == ''

    def test_image_without_a_name(self, root: Path) -> None:
        path = root / 'RSVQAxBEN_split_train_images.json'
        data = json.loads(path.read_bytes())
        del data['images'][1]['original_name']
        path.write_text(json.dumps(data))
        with pytest.raises(ValueError, match='question 5 has no image in') as error:
            RSVQAxBEN(root)
        assert '5 of 15 questions are malformed' in str(error.value)

    def test_pickle(self, rsvqaxben_root: Path) -> None:
        dataset = RSVQAxBEN(rsvqaxben_root)
        again = samples(pickle.loads(pickle.dumps(dataset)))
        torch.testing.assert_close(again, samples(dataset))

    def test_flat_files(self, root: Path) -> None:
        for split in ('train', 'val', 'test'):
            flat = {}
            for i, row in enumerate(sorted(rows_of(root, split).elements())):
                keys = ('S2_name', 'type', 'question', 'answer')
                flat[str(7 * i)] = dict(zip(keys, row, strict=True))
            path = root / f'RSVQAxBEN_QA_{split}.json'
            path.write_text(json.dumps(flat, ensure_ascii=split == 'val'))
        splits: tuple[Any, ...] = RSVQAxBEN.splits
        expected = {split: rows_of(root, split) for split in splits}
        for path in root.glob('RSVQAxBEN_split_*.json'):
            path.unlink()
        for split in splits:
            assert rows_in(RSVQAxBEN(root, split)) == expected[split]

    def test_malformed_flat_file(self, root: Path) -> None:
        path = root / 'flat.json'
        good = {'type': 'LC', 'question': 'What?', 'answer': 'sea', 'S2_name': 'a'}
        path.write_text(json.dumps({'1': good, '2': good | {'answer': None}, '3': 4}))
        with pytest.raises(
            ValueError, match=r'question 2 has no answer in flat\.json; 2'
        ):
            parse_flat(path, 'raise')
        table, num_malformed = parse_flat(path, 'skip')
        assert num_malformed == 2
        assert table.to_pylist() == [
            {'image': 'a', 'question_type': 'LC', 'question': 'What?', 'answer': 'sea'}
        ]

    @pytest.mark.parametrize('split', ['train', 'val', 'test'])
    def test_real_questions(self, real_data: Callable[[str], Path], split: str) -> None:
        path = real_data(f'rsvqaxben_questions/RSVQAxBEN_QA_{split}.json')
        table, num_malformed = parse_flat(path, 'raise')
        assert num_malformed == 0
        expected = [
            (row['S2_name'], row['type'], row['question'], row['answer'])
            for row in json.loads(path.read_bytes()).values()
        ]
        assert len(expected) == 10
        assert [tuple(row.values()) for row in table.to_pylist()] == expected


class TestImages:
    def test_pairs(self, rsvqaxben_root: Path) -> None:
        partners = {}
        for path in rsvqaxben_root.glob('BigEarthNet-S1-v1.0/*/*.json'):
            metadata = json.loads(path.read_text())
            partners[metadata['corresponding_s2_patch']] = path.parent
        dataset = RSVQAxBEN(rsvqaxben_root)
        assert dataset.num_bands == {'optical': 3, 'sar': 2}
        assert dataset.georeferenced
        found = samples(dataset)
        assert len(found) == 3
        for name, sample in found.items():
            optical = rsvqaxben_root / 'BigEarthNet-v1.0' / name
            expected = np.stack([band(optical, b) for b in ('B04', 'B03', 'B02')])
            np.testing.assert_array_equal(sample['image_optical'], expected)
            expected = np.stack([band(partners[name], b) for b in ('VV', 'VH')])
            np.testing.assert_array_equal(sample['image_sar'], expected)

    def test_zones(self, rsvqaxben_root: Path) -> None:
        dataset = RSVQAxBEN(rsvqaxben_root)
        zones = {
            tile.grid.crs.to_epsg() for tile in dataset.tiles.values() if tile.grid.crs
        }
        assert zones == {32629, 32635}
        assert dataset.crs.to_epsg() == 32629

    def test_time(self, rsvqaxben_root: Path) -> None:
        times = RSVQAxBEN(rsvqaxben_root, 'val').index.index
        assert [str(time.left) for time in times] == ['2017-06-13 09:30:24']

    @pytest.mark.parametrize('modality', ['optical', 'sar'])
    def test_one_modality(self, root: Path, modality: str) -> None:
        other = {'optical': 'BigEarthNet-S1-v1.0', 'sar': 'BigEarthNet-v1.0'}[modality]
        shutil.rmtree(root / other)
        for sample in samples(RSVQAxBEN(root, modalities=(modality,))).values():
            images = [key for key in sample if key.startswith('image')]
            assert images == [f'image_{modality}']

    def test_bands(self, rsvqaxben_root: Path) -> None:
        dataset = RSVQAxBEN(rsvqaxben_root, bands=('B08', 'B05', 'B01', 'B03'))
        assert dataset.num_bands['optical'] == 4
        for name, sample in samples(dataset).items():
            folder = rsvqaxben_root / 'BigEarthNet-v1.0' / name
            image = sample['image_optical'].numpy()
            assert image.shape == (4, 24, 24)
            for i, name in ((0, 'B08'), (3, 'B03')):
                np.testing.assert_array_equal(image[i], band(folder, name))

    @pytest.mark.parametrize('bands', [(), 'B04', ('B04', 'B10')])
    def test_unknown_bands(self, rsvqaxben_root: Path, bands: Any) -> None:
        with pytest.raises(ValueError, match='bands must be among'):
            RSVQAxBEN(rsvqaxben_root, bands=bands)

    def test_real_patches(
        self, real_data: Callable[[str], Path], tmp_path: Path
    ) -> None:
        """The land cover that real patches are labelled with, asked about."""
        tree = real_data('bigearthnet_v1_tree')
        labels, questions = {}, {}
        for path in tree.glob('S2/*/*_labels_metadata.json'):
            labels[path.parent.name] = json.loads(path.read_text())['labels']
            questions[path.parent.name] = {
                'type': 'LC',
                'question': 'What classes are in the scene?',
                'answer': ', '.join(labels[path.parent.name]),
                'S2_name': path.parent.name,
            }
        for split in ('train', 'val', 'test'):
            (tmp_path / f'RSVQAxBEN_QA_{split}.json').write_text(json.dumps(questions))
        dataset = RSVQAxBEN(
            tmp_path, optical_dir=str(tree / 'S2'), sar_dir=str(tree / 'S1')
        )
        found = samples(dataset)
        assert len(found) == 6
        for name, sample in found.items():
            assert sample['image_optical'].shape == (3, 120, 120)
            assert sample['image_sar'].shape == (2, 120, 120)
            np.testing.assert_array_equal(
                sample['image_optical'][0], band(tree / 'S2' / name, 'B04')
            )
            # Same place: the row and column in the tile, and the labels
            radar = Path(dataset.tiles[name].files['sar'].path).parent
            assert radar.name.split('_')[-2:] == name.split('_')[-2:]
            path = radar / f'{radar.name}_labels_metadata.json'
            assert json.loads(path.read_text())['labels'] == labels[name]
            np.testing.assert_array_equal(sample['image_sar'][1], band(radar, 'VH'))


class TestErrors:
    @pytest.mark.parametrize(
        'missing',
        ['BigEarthNet-v1.0', 'BigEarthNet-S1-v1.0', 'RSVQAxBEN_split_val_images.json'],
    )
    def test_not_found(self, root: Path, missing: str) -> None:
        path = root / missing
        path.unlink() if path.is_file() else shutil.rmtree(path)
        with pytest.raises(DatasetNotFoundError, match=r'zenodo\.5084904') as error:
            RSVQAxBEN(root, 'val')
        assert missing in str(error.value)

    def test_missing_patches(self, root: Path) -> None:
        names = sorted({row[0] for row in rows_of(root, 'train')})
        shutil.rmtree(root / 'BigEarthNet-v1.0' / names[0])
        for path in root.glob('BigEarthNet-S1-v1.0/*_1_2/*_VH.tif'):
            path.unlink()
        with pytest.raises(FileNotFoundError, match=f'no patch {names[0]}') as error:
            RSVQAxBEN(root)
        assert '2 of 3 pairs' in str(error.value)
        with pytest.warns(UserWarning, match='2 of 3 pairs'):
            dataset = RSVQAxBEN(root, on_error='skip')
        assert dataset.index['image'].tolist() == [names[2]]

    def test_no_partner(self, root: Path) -> None:
        shutil.rmtree(next(root.glob('BigEarthNet-S1-v1.0/*_1_2')))
        with pytest.raises(FileNotFoundError, match='no corresponding_s2_patch says'):
            RSVQAxBEN(root)


def test_download(
    rsvqaxben_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Archives are asked for under the names and checksums that TorchGeo has."""
    asked: list[tuple[Any, ...]] = []

    def download(record: str, filenames: Any, root: Path, checksum: bool) -> None:
        asked.append((record, len(filenames)))
        for name in filenames:
            shutil.copy(rsvqaxben_root / name, root)

    def download_url(url: str, root: Path, filename: str, md5: str | None) -> None:
        asked.append((url, md5))
        folder = {'S1': 'BigEarthNet-S1-v1.0', 'S2': 'BigEarthNet-v1.0'}[
            filename[12:14]
        ]
        with tarfile.open(root / filename, 'w:gz') as archive:
            archive.add(rsvqaxben_root / folder, folder)

    module = 'torchgeo_vqa.datasets.rsvqaxben'
    monkeypatch.setattr(f'{module}.download_files', download)
    monkeypatch.setattr(f'{module}.download_url', download_url)
    dataset = RSVQAxBEN(tmp_path, 'val', download=True)
    assert rows_in(dataset) == rows_of(rsvqaxben_root, 'val')
    archives = BigEarthNet.metadata
    assert asked == [
        ('5084904', 9),
        *[(archives[key]['url'], archives[key]['md5']) for key in ('s2', 's1')],
    ]
    RSVQAxBEN(tmp_path, 'train', download=True)
    assert len(asked) == 3
