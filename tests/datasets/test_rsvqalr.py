# SPDX-License-Identifier: MIT
"""Tests of RSVQA LR, and of what all datasets in RSVQA's format share."""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from torchgeo.datasets import DatasetNotFoundError

from torchgeo_vqa.datasets import RSVQALR, PairVQA, download
from torchgeo_vqa.samplers import TileSampler

Row = tuple[str, str, str, str]


def published_rows(root: Path, split: str) -> Counter[Row]:
    """Rows of a split as RSVQA's own loader walks through its files."""
    files = {
        kind: json.loads((root / f'LR_split_{split}_{kind}.json').read_bytes())[kind]
        for kind in ('images', 'questions', 'answers')
    }
    by_id = {
        kind: {entry['id']: entry for entry in entries}
        for kind, entries in files.items()
    }
    rows: Counter[Row] = Counter()
    for image in files['images']:
        for i in image['questions_ids'] if image['active'] else ():
            question = by_id['questions'][i]
            answer = by_id['answers'][question['answers_ids'][0]]['answer']
            rows[str(image['id']), question['type'], question['question'], answer] += 1
    return rows


def asked_rows(dataset: PairVQA) -> Counter[Row]:
    """Rows of all samples of a dataset."""
    rows: Counter[Row] = Counter()
    for place in TileSampler(dataset):
        ids = dataset[place]['question_id']
        ids = ids[ids >= 0]
        columns = [
            dataset.location(ids),
            dataset.question_type(ids),
            dataset.question_text(ids),
            dataset.answer_text(ids),
        ]
        rows.update(zip(*columns, strict=True))
    return rows


@pytest.fixture
def root(rsvqalr_root: Path, tmp_path: Path) -> Path:
    """A dataset to spoil."""
    return Path(shutil.copytree(rsvqalr_root, tmp_path / 'root'))


def edit(root: Path, name: str, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change the entries of a split file."""
    path = root / f'LR_split_{name}.json'
    data = json.loads(path.read_bytes())
    (key,) = data
    change(data[key])
    path.write_text(json.dumps(data))


class TestQuestions:
    @pytest.mark.parametrize(
        ('split', 'images', 'questions'),
        [('train', 4, 24), ('val', 1, 6), ('test', 2, 12)],
    )
    def test_rows(
        self, rsvqalr_root: Path, split: str, images: int, questions: int
    ) -> None:
        dataset = RSVQALR(rsvqalr_root, split, buckets=False)
        assert len(dataset) == images
        assert len(dataset.table) == questions
        rows = asked_rows(dataset)
        assert rows == published_rows(rsvqalr_root, split)
        # The same question twice is two questions
        twice = {row[:3] for row, n in rows.items() if n > 1}
        assert {row[2] for row in twice} == {'Is there a road?'}
        assert len(twice) == images

    def test_files_are_as_published(self, rsvqalr_root: Path) -> None:
        for path in rsvqalr_root.glob('*.json'):
            ((_, entries),) = json.loads(path.read_bytes()).items()
            assert [entry['id'] for entry in entries] == list(range(len(entries)))
            assert any(entry.keys() == {'id', 'active'} for entry in entries)

    def test_unicode(self, rsvqalr_root: Path) -> None:
        text = 'Is a café près d\u2019une forêt?'
        raw = (rsvqalr_root / 'LR_split_train_questions.json').read_bytes()
        assert text.encode() in raw
        dataset = RSVQALR(rsvqalr_root)
        assert dataset.question_text(range(len(dataset.table))).count(text) == 4

    def test_ranges(self, rsvqalr_root: Path) -> None:
        expected = {
            'train': [
                '0',
                'between 1 and 10',
                'between 1 and 10',
                'between 11 and 100',
            ],
            'val': ['between 11 and 100'],
            'test': ['between 101 and 1000', 'more than 1000'],
        }
        for split, answers in expected.items():
            dataset = RSVQALR(rsvqalr_root, split)
            rows = asked_rows(dataset)
            counts = sorted(row for row in rows if row[1] == 'count')
            assert [row[3] for row in counts] == answers
            others = {row: n for row, n in rows.items() if row[1] != 'count'}
            exact = published_rows(rsvqalr_root, split)
            assert others == {row: n for row, n in exact.items() if row[1] != 'count'}
            assert dataset.convention == 'counts in five ranges'
        assert dataset.answers == RSVQALR(rsvqalr_root).answers
        assert 'more than 1000' not in dataset.answers
        assert dataset.coverage == 10 / 12
        exact_dataset = RSVQALR(rsvqalr_root, 'test', buckets=False)
        assert exact_dataset.convention == 'counts as integers'
        assert '11' in exact_dataset.answers

    def test_blind_labels_are_of_the_same_convention(self, rsvqalr_root: Path) -> None:
        dataset = RSVQALR(rsvqalr_root, 'test')
        kinds = dataset.question_type(range(len(dataset.table)))
        labels = dataset.blind_labels(range(len(dataset.table)))[
            [kind == 'count' for kind in kinds]
        ]
        assert {dataset.answers[i] for i in labels} == {'between 1 and 10'}

    @pytest.mark.parametrize('buckets', [True, False])
    def test_cache_knows_no_convention(self, root: Path, buckets: bool) -> None:
        RSVQALR(root, buckets=not buckets)
        answers = RSVQALR(root, buckets=buckets).answers
        assert ('between 1 and 10' in answers) == buckets
        assert ('7' in answers) == (not buckets)

    def test_first_of_several_answers(self, root: Path) -> None:
        def change(questions: list[dict[str, Any]]) -> None:
            questions[3]['answers_ids'] = [2, 3]

        edit(root, 'train_questions', change)
        dataset = RSVQALR(root, buckets=False)
        assert dataset.answer_text([3]) == dataset.answer_text([2]) == ['0']


class TestImages:
    def test_pixels(self, rsvqalr_root: Path) -> None:
        dataset = RSVQALR(rsvqalr_root, 'test')
        assert dataset.georeferenced
        assert dataset.num_bands == {'optical': 3}
        for place, name in zip(TileSampler(dataset), ('5', '6'), strict=True):
            sample = dataset[place]
            assert 'image_sar' not in sample
            with rasterio.open(rsvqalr_root / f'Images_LR/{name}.tif') as src:
                assert src.crs == 'EPSG:3857'
                expected = src.read()
            np.testing.assert_array_equal(sample['image_optical'], expected)

    def test_time(self, rsvqalr_root: Path) -> None:
        index = RSVQALR(rsvqalr_root, 'test').index
        assert [str(time.left) for time in index.index] == [
            '2016-07-25 10:50:32',
            '2016-07-26 10:50:32',
        ]

    def test_images_of_other_splits_are_not_needed(self, root: Path) -> None:
        for i in (0, 1, 2, 3, 5, 6):
            (root / f'Images_LR/{i}.tif').unlink()
        assert asked_rows(RSVQALR(root, 'val', buckets=False)) == published_rows(
            root, 'val'
        )

    def test_missing(self, root: Path) -> None:
        for i in (1, 3):
            (root / f'Images_LR/{i}.tif').unlink()
        with pytest.raises(FileNotFoundError, match=r'no image 1\.tif') as error:
            RSVQALR(root)
        message = str(error.value)
        assert 'LR_split_train_images.json, image 1' in message
        assert '2 of 4 pairs have a problem (1, 3)' in message
        assert "on_error='skip'" in message
        with pytest.warns(
            UserWarning, match=r'2 of 4 pairs .* \(1, 3\) and are left out'
        ):
            dataset = RSVQALR(root, on_error='skip', buckets=False)
        expected = published_rows(root, 'train')
        assert asked_rows(dataset) == Counter(
            {row: n for row, n in expected.items() if row[0] in ('0', '2')}
        )

    def test_only_optical(self, rsvqalr_root: Path) -> None:
        with pytest.raises(
            ValueError, match=r"modalities must be among \('optical',\)"
        ):
            RSVQALR(rsvqalr_root, modalities=('optical', 'sar'))


class TestErrors:
    @pytest.mark.parametrize(
        'missing',
        ['Images_LR', 'LR_split_val_answers.json', 'LR_split_val_images.json'],
    )
    def test_not_found(self, root: Path, missing: str) -> None:
        path = root / missing
        path.unlink() if path.is_file() else shutil.rmtree(path)
        with pytest.raises(DatasetNotFoundError, match=r'zenodo\.6344334') as error:
            RSVQALR(root, 'val')
        assert missing in str(error.value)
        assert 'download=True' in str(error.value)

    @pytest.mark.parametrize(
        ('name', 'change', 'message'),
        [
            ('answers', {'active': False}, 'no answer in LR_split_train_answers.json'),
            ('answers', {'answer': ' '}, 'no answer in LR_split_train_answers.json'),
            ('answers', {'answer': 7}, 'no answer in LR_split_train_answers.json'),
            ('questions', {'answers_ids': []}, 'no answer in'),
            (
                'questions',
                {'question': None},
                'no question in LR_split_train_questions',
            ),
            ('questions', {'type': ''}, 'no question_type in'),
            ('questions', {'img_id': 6}, 'no image in LR_split_train_images.json'),
            ('questions', {'img_id': '1'}, 'no image in LR_split_train_images.json'),
        ],
    )
    def test_malformed(
        self, root: Path, name: str, change: dict[str, Any], message: str
    ) -> None:
        edit(root, f'train_{name}', lambda entries: entries[8].update(change))
        with pytest.raises(ValueError, match=f'question 8 has {message}') as error:
            RSVQALR(root)
        assert '1 of 24 questions are malformed' in str(error.value)
        assert "on_error='skip'" in str(error.value)
        with pytest.warns(UserWarning, match='1 malformed rows are left out'):
            dataset = RSVQALR(root, on_error='skip', buckets=False)
        assert asked_rows(dataset).total() == 23

    @pytest.mark.parametrize('entry', [3, {'active': True}, None])
    def test_no_object(self, root: Path, entry: Any) -> None:
        edit(root, 'train_answers', lambda entries: entries.append(entry))
        with pytest.raises(ValueError, match='answers must be objects with an id'):
            RSVQALR(root)

    def test_no_question(self, root: Path) -> None:
        for kind in ('images', 'questions', 'answers'):
            edit(root, f'val_{kind}', list.clear)
        with pytest.raises(ValueError, match='holds no question'):
            RSVQALR(root, 'val')

    def test_no_answer_at_all(self, root: Path) -> None:
        edit(root, 'train_answers', list.clear)
        with pytest.raises(ValueError, match=r'question 0 has no answer .* 24 of 24'):
            RSVQALR(root)

    def test_batches(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        expected = asked_rows(RSVQALR(root, buckets=False))
        shutil.rmtree(root / '.cache')
        monkeypatch.setattr('torchgeo_vqa.annotations.question_table._BATCH', 7)
        assert asked_rows(RSVQALR(root, buckets=False)) == expected


class TestDownload:
    @pytest.fixture
    def record(
        self, rsvqalr_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Path:
        """The dataset as a record of Zenodo."""
        folder = tmp_path / 'zenodo'
        folder.mkdir()
        for path in rsvqalr_root.glob('*.json'):
            shutil.copy(path, folder)
        shutil.make_archive(str(folder / 'Images_LR'), 'zip', rsvqalr_root, 'Images_LR')
        files = []
        for path in folder.iterdir():
            md5 = hashlib.md5(path.read_bytes()).hexdigest()
            links = {'self': path.as_uri()}
            files.append({'key': path.name, 'checksum': f'md5:{md5}', 'links': links})
        (folder / '6344334').write_text(json.dumps({'files': files}))
        monkeypatch.setattr(download, 'API', f'{folder.as_uri()}/{{}}')
        return folder

    def test_download(self, record: Path, rsvqalr_root: Path, tmp_path: Path) -> None:
        root = tmp_path / 'data'
        dataset = RSVQALR(root, 'val', download=True, buckets=False)
        assert asked_rows(dataset) == published_rows(rsvqalr_root, 'val')
        shutil.rmtree(record)
        # The other splits came with it
        for split in ('train', 'test'):
            assert len(RSVQALR(root, split, download=True))

    def test_checksum(self, record: Path, tmp_path: Path) -> None:
        with (record / 'Images_LR.zip').open('ab') as file:
            file.write(b'damaged')
        with pytest.raises(RuntimeError, match='corrupted'):
            RSVQALR(tmp_path / 'data', download=True)
        assert len(RSVQALR(tmp_path / 'other', download=True, checksum=False)) == 4


class TestRealFiles:
    @pytest.fixture
    def real(self, real_data: Callable[[str], Path]) -> Path:
        return real_data('rsvqa_lr')

    @pytest.mark.parametrize(
        ('split', 'images', 'questions'),
        [('train', 3, 300), ('val', 5, 500), ('test', 4, 400)],
    )
    def test_rows(self, real: Path, split: str, images: int, questions: int) -> None:
        dataset = RSVQALR(real, split, buckets=False)
        assert len(dataset) == images
        rows = asked_rows(dataset)
        assert rows.total() == questions
        assert rows == published_rows(real, split)
        assert dataset.georeferenced

    def test_ranges(self, real: Path) -> None:
        dataset = RSVQALR(real, 'val')
        ends = {'0': 0, 'between 1 and 10': 10, 'between 11 and 100': 100}
        ends |= {'between 101 and 1000': 1000}
        exact = RSVQALR(real, 'val', buckets=False)
        ids = range(500)
        for kind, number, text in zip(
            exact.question_type(ids),
            exact.answer_text(ids),
            dataset.answer_text(ids),
            strict=True,
        ):
            if kind != 'count':
                assert text == number
            else:
                end = min((e for e in ends.values() if int(number) <= e), default=None)
                assert ends.get(text) == end

    def test_inactive_images_are_not_there(self, real: Path) -> None:
        entries = json.loads((real / 'LR_split_val_images.json').read_bytes())['images']
        stubs = [entry['id'] for entry in entries if not entry['active']]
        absent = [i for i in stubs if not (real / f'Images_LR/{i}.tif').exists()]
        assert absent
        names = RSVQALR(real, 'val').index['image'].tolist()
        assert not set(names) & {str(i) for i in stubs}

    def test_missing(self, real: Path, tmp_path: Path) -> None:
        (tmp_path / 'Images_LR').mkdir()
        for path in real.glob('*.json'):
            (tmp_path / path.name).symlink_to(path)
        gone = RSVQALR(real, 'test').index['image'].tolist()[:2]
        for path in (real / 'Images_LR').iterdir():
            if path.stem not in gone:
                (tmp_path / 'Images_LR' / path.name).symlink_to(path)
        with pytest.raises(FileNotFoundError, match='2 of 4 pairs') as error:
            RSVQALR(tmp_path, 'test')
        assert all(name in str(error.value) for name in gone)
        with pytest.warns(UserWarning, match='2 of 4 pairs'):
            dataset = RSVQALR(tmp_path, 'test', on_error='skip')
        assert asked_rows(dataset).total() == 200
