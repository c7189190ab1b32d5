# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Tests of the conversion of question files and images into the release's layout."""

import csv
import json
import os
import random
import shutil
import tracemalloc
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from PIL import Image

from torchgeo_vqa.conversion import convert
from torchgeo_vqa.datamodules import OSVQADataModule
from torchgeo_vqa.datasets import OSVQA

WriteImage = Callable[..., None]

#: As files in the wild hold them: not sorted, images apart, in several scripts.
ROWS = [
    ['a', 'presence', 'Gibt es Gewässer?', 'ja'],
    ['b', 'count', 'Сколько кораблей?', '2'],
    ['deep/c', 'presence', '有水吗？', '有'],
    ['a', 'count', 'How many ships, "big" ones,\nare there?', '0'],
    ['d', 'presence', 'Is there a ship? 🚢', 'no'],
    ['e', 'presence', 'Is there a ship?', 'yes'],
]


@pytest.fixture
def images(tmp_path: Path, write_image: WriteImage) -> Path:
    """Folder of georeferenced pairs a, b, deep/c, d and e of 32 px."""
    rng = np.random.default_rng(0)
    for i, name in enumerate(('a', 'b', 'deep/c', 'd', 'e')):
        west = 400_000.0 + 500 * i
        optical = rng.integers(0, 256, (3, 32, 32), np.uint8)
        sar = rng.normal(-12, 4, (2, 32, 32)).astype(np.float32)
        write_image(tmp_path / f'images/optical/{name}.tif', optical, west)
        write_image(tmp_path / f'images/sar/{name}.TIFF', sar, west)
    return tmp_path / 'images'


def write_csv(path: Path, rows: list[list[str]], header: list[str]) -> Path:
    with path.open('w', newline='', encoding='utf-8') as file:
        csv.writer(file).writerows([header, *rows])
    return path


def read_release(root: Path) -> list[list[str]]:
    """All rows of a dataset, without the extension of its images."""
    rows = []
    for path in sorted((root / 'annotations').glob('all_*_annotation.json')):
        rows += json.loads(path.read_text(encoding='utf-8'))
    return sorted([row[0].rsplit('.', 1)[0], *row[1:]] for row in rows)


def read_osvqa(root: Path, **kwargs: Any) -> list[list[str]]:
    """All rows of a dataset as OSVQA reads them."""
    rows = []
    for split in ('train', 'val', 'test'):
        if (root / f'annotations/all_{split}_annotation.json').exists():
            table = OSVQA(root, split, answers=['x'], **kwargs).table  # type: ignore[arg-type]
            ids = range(len(table))
            columns = ('image', 'question_type', 'question', 'answer')
            texts = [table.text(column, list(ids)) for column in columns]
            rows += [list(row) for row in zip(*texts, strict=True)]
    return sorted(rows)


def make_questions(folder: Path, kind: str) -> tuple[list[Path], dict[str, Any]]:
    """Write the rows in one of the formats, and tell the options it needs."""
    header = ['image', 'question_type', 'question', 'answer']
    if kind == 'csv':
        return [write_csv(folder / 'q.csv', ROWS, header)], {}
    if kind == 'semicolon':
        path = folder / 'q.csv'
        with path.open('w', newline='', encoding='utf-16') as file:
            names = ['Datei', 'Art', 'Frage', 'Antwort']
            csv.writer(file, delimiter=';').writerows([names, *ROWS])
        return [path], {
            'image_column': 'Datei',
            'question_type_column': 'Art',
            'question_column': 'Frage',
            'answer_column': 'Antwort',
            'delimiter': ';',
            'encoding': 'utf-16',
        }
    if kind == 'jsonl':
        lines = [json.dumps(dict(zip(header, row, strict=True))) for row in ROWS]
        (folder / 'q.jsonl').write_text('\n\n'.join(lines))
        return [folder / 'q.jsonl'], {}
    if kind == 'lists':
        (folder / 'q.json').write_text(json.dumps(ROWS))
        return [folder / 'q.json'], {}
    if kind == 'objects':
        rows = [dict(zip(header, row, strict=True)) for row in ROWS]
        (folder / 'q.json').write_text(json.dumps(rows, ensure_ascii=False, indent=2))
        return [folder / 'q.json'], {}
    assert kind == 'rsvqa'
    # list index == id, with stubs for what is of other splits
    names = sorted({row[0] for row in ROWS})
    stub: dict[str, Any] = {'id': 0, 'active': False}
    triples: dict[str, list[dict[str, Any]]] = {
        'images': [stub],
        'questions': [stub],
        'answers': [stub],
    }
    for i, name in enumerate(names, 1):
        triples['images'].append(
            {'id': i, 'original_name': f'{name}.tif', 'active': True}
        )
    for i, (name, question_type, question, answer) in enumerate(ROWS, 1):
        number = names.index(name) + 1
        triples['questions'].append(
            {
                'id': i,
                'img_id': number,
                'type': question_type,
                'question': question,
                'answers_ids': [i],
                'active': True,
            }
        )
        triples['answers'].append(
            {'id': i, 'question_id': i, 'answer': answer, 'active': True}
        )
    for noun, elements in triples.items():
        path = folder / f'X_questions_{noun}.json'
        path.write_text(json.dumps({noun: elements}))
    return [folder / 'X_questions_questions.json'], {'image_column': 'original_name'}


@pytest.mark.parametrize(
    'kind', ['csv', 'semicolon', 'jsonl', 'lists', 'objects', 'rsvqa']
)
def test_formats(tmp_path: Path, images: Path, kind: str) -> None:
    files, options = make_questions(tmp_path, kind)
    report = convert(
        files,
        tmp_path / 'out',
        optical=images / 'optical',
        sar=images / 'sar',
        **options,
    )
    assert (report.num_rows, report.num_taken) == (6, 6)
    assert not report.refused
    assert read_osvqa(tmp_path / 'out') == sorted(ROWS)
    # and the files hold text as it is, not escapes
    text = ''.join(p.read_text() for p in (tmp_path / 'out/annotations').glob('*.json'))
    assert '有水吗？' in text
    for modality, folder in (('optical', 'rgb'), ('sar', 'sar')):
        for path in (images / modality).rglob('*.*'):
            copy = (
                tmp_path / 'out/images' / folder / path.relative_to(images / modality)
            )
            assert copy.read_bytes() == path.read_bytes()
            assert not copy.is_symlink()
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith('.')) == []


def test_data_module_reads_it(tmp_path: Path, images: Path) -> None:
    files, options = make_questions(tmp_path, 'csv')
    convert(
        files,
        tmp_path / 'out',
        optical=images / 'optical',
        sar=images / 'sar',
        fractions=(0.6, 0.2, 0.2),
        **options,
    )
    module = OSVQADataModule(root=str(tmp_path / 'out'), batch_size=2, num_workers=0)
    module.setup('fit')
    batch = next(iter(module.train_dataloader()))
    assert batch['image_optical'].shape[1:] == (3, 32, 32)
    assert batch['image_sar'].shape[1:] == (2, 32, 32)


BAD = [
    # row and the reason it must be refused for; None if it must be taken
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
def test_refused_rows(
    tmp_path: Path, bad_images: Path, extension: str, dry_run: bool
) -> None:
    header = ['image', 'question_type', 'question', 'answer']
    path = write_csv(tmp_path / 'q.csv', [row for row, _ in BAD], header)
    report = convert(
        [path],
        tmp_path / 'out',
        optical=bad_images / 'optical',
        sar=bad_images / 'sar',
        question_type='other',
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
            rows = content['refused']
            assert content['summary']['rows'] == len(BAD)
            assert content['summary']['taken'] == 3
            assert content['summary']['question_types'] == {'other': 1, 't': 2}
    assert [(r['file'], int(r['number']), r['reason']) for r in rows] == expected
    assert all(row['detail'] for row in rows)
    # nothing is lost
    assert report.num_taken + report.refused.total() == report.num_rows == len(BAD)
    for reason in {reason for _, _, reason in expected}:
        assert f'{reason}: ' in str(report)
    assert (tmp_path / 'out').exists() is not dry_run
    if not dry_run:
        taken = [[r[0].split('.')[0], r[1] or 'other', *r[2:]] for r, x in BAD if not x]
        assert read_osvqa(tmp_path / 'out') == sorted(taken)
        copied = {p.stem for p in (tmp_path / 'out/images/rgb').iterdir()}
        assert copied == {'a', 'b'}


def test_bad_json_rows(tmp_path: Path, images: Path) -> None:
    lines = [
        '{"image": "a", "question": "How many?", "answer": 3}',
        '{"image": "a", "question": "How long?", "answer": 0.5}',
        '{"image": "a", "question": "Is it?", "answer": true}',
        '{"image": "a", "question": "Is it?", "answer": null}',
        '{"image": "a", "question": "Is it?"}',
        '{"image": "a", "question": ',
        '7',
        '["a", "t", "A list?", "yes"]',
        '{"image": "a", "question": "Is it?", "answer": "\\ud83d"}',
        '{"image": "a", "question": {"text": "Is it?"}, "answer": "yes"}',
    ]
    (tmp_path / 'q.jsonl').write_text('\n'.join(lines))
    convert([tmp_path / 'q.jsonl'], tmp_path / 'out', optical=images / 'optical')
    assert read_release(tmp_path / 'out') == [
        ['a', 'question', 'How long?', '0.5'],
        ['a', 'question', 'How many?', '3'],
        ['a', 't', 'A list?', 'yes'],
    ]
    with (tmp_path / 'out/refused.csv').open(encoding='utf-8') as file:
        refused = [(int(r['number']), r['reason']) for r in csv.DictReader(file)]
    assert refused == [
        (3, 'not text'),
        (4, 'empty answer'),
        (5, 'missing key'),
        (6, 'malformed row'),
        (7, 'malformed row'),
        (9, 'not Unicode'),
        (10, 'not text'),
    ]


def test_bad_rsvqa_rows(tmp_path: Path, images: Path) -> None:
    joins: list[dict[str, Any]] = [
        {'img_id': 'a', 'answers_ids': [0], 'active': True},
        {'img_id': 'b', 'answers_ids': [0], 'active': True},
        {'img_id': 'a', 'answers_ids': [1], 'active': True},
        {'img_id': 'a', 'answers_ids': [], 'active': True},
        {'active': False},
    ]
    content: dict[str, list[dict[str, Any]]] = {
        'images': [{'id': 'a', 'active': True}, {'id': 'b', 'active': False}],
        'answers': [
            {'id': 0, 'answer': 'yes', 'active': True},
            {'id': 1, 'active': False},
        ],
        'questions': [
            {'id': i, 'type': 't', 'question': f'Is it {i}?', **join}
            for i, join in enumerate(joins)
        ],
    }
    for noun, elements in content.items():
        (tmp_path / f'q_{noun}.json').write_text(json.dumps({noun: elements}))
    report = convert(
        [tmp_path / 'q_questions.json'], tmp_path / 'out', optical=images / 'optical'
    )
    assert read_release(tmp_path / 'out') == [['a', 't', 'Is it 0?', 'yes']]
    refused = ['missing image', 'missing answer', 'not one answer']
    assert dict(report.refused) == dict.fromkeys(refused, 1)
    assert report.num_rows == 4
    assert '1 inactive stubs are no questions' in report.notes


# --- splits ---------------------------------------------------------------------------


def splits(root: Path) -> dict[str, set[str]]:
    """Splits that each image is in."""
    found = defaultdict(set)
    for split in ('train', 'val', 'test'):
        path = root / f'annotations/all_{split}_annotation.json'
        if path.exists():
            for row in json.loads(path.read_text()):
                found[row[0]].add(split)
    return dict(found)


def test_split_is_drawn_by_image(tmp_path: Path, write_image: WriteImage) -> None:
    rng = random.Random(0)
    rows = []
    for i in range(20):
        write_image(tmp_path / f'i/{i}.png', np.zeros((1, 8, 8), np.uint8))
        rows += [[str(i), 't', f'Is it {j}?', 'no'] for j in range(rng.randint(1, 9))]
    rng.shuffle(rows)
    (tmp_path / 'q.json').write_text(json.dumps(rows))

    def drawn(name: str, **options: Any) -> dict[str, set[str]]:
        root = tmp_path / name
        convert([tmp_path / 'q.json'], root, optical=tmp_path / 'i', **options)
        return splits(root)

    first = drawn('a', fractions=(0.5, 0.3, 0.2), seed=1)
    sizes = [
        sum(split in s for s in first.values()) for split in ('train', 'val', 'test')
    ]
    assert sizes == [10, 6, 4]
    assert all(len(s) == 1 for s in first.values())
    assert drawn('b', fractions=(0.5, 0.3, 0.2), seed=1) == first
    assert drawn('c', fractions=(0.5, 0.3, 0.2), seed=2) != first
    everything = drawn('d', fractions=(1, 0, 0))
    assert set.union(*everything.values()) == {'train'}
    assert not (tmp_path / 'd/annotations/all_val_annotation.json').exists()


def test_split_column(tmp_path: Path, images: Path) -> None:
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
    assert dict(report.refused) == {'unknown split': 2, 'image in two splits': 1}


def test_split_of_files(tmp_path: Path, images: Path) -> None:
    for name, split in (('a', 'train'), ('b', 'val'), ('d', 'test')):
        rows = [[name, 'Is it?', 'yes']]
        write_csv(tmp_path / f'my_{split}_2.csv', rows, ['image', 'question', 'answer'])
    files = sorted(tmp_path.glob('my_*.csv'))
    convert(files, tmp_path / 'out', optical=images / 'optical')
    expected = {'a.tif': {'train'}, 'b.tif': {'val'}, 'd.tif': {'test'}}
    assert splits(tmp_path / 'out') == expected


# --- images ---------------------------------------------------------------------------


@pytest.mark.parametrize('transfer', ['hardlink', 'symlink'])
def test_links(tmp_path: Path, images: Path, transfer: Any) -> None:
    files, _ = make_questions(tmp_path, 'csv')
    convert(files, tmp_path / 'out', optical=images / 'optical', transfer=transfer)
    path = tmp_path / 'out/images/rgb/deep/c.tif'
    assert path.samefile(images / 'optical/deep/c.tif')
    assert path.is_symlink() == (transfer == 'symlink')
    assert read_osvqa(tmp_path / 'out', modalities=['optical']) == sorted(ROWS)


def test_jpeg_becomes_png(tmp_path: Path) -> None:
    (tmp_path / 'i').mkdir()
    ramp = np.arange(48 * 40 * 3, dtype=np.uint32).reshape(48, 40, 3)
    Image.fromarray((ramp // 23 % 256).astype(np.uint8)).save(tmp_path / 'i/a.b.JPG')
    path = write_csv(
        tmp_path / 'q.csv',
        [['a.b.JPG', 'Is it?', 'yes']],
        ['image', 'question', 'answer'],
    )
    convert([path], tmp_path / 'out', optical=tmp_path / 'i', fractions=(1, 0, 0))
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


def test_duplicates_may_be_kept(tmp_path: Path, images: Path) -> None:
    (tmp_path / 'q.json').write_text(json.dumps([ROWS[0]] * 3))
    report = convert(
        [tmp_path / 'q.json'],
        tmp_path / 'out',
        optical=images / 'optical',
        duplicates='keep',
    )
    assert report.num_taken == 3


# --- errors ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('options', 'error', 'message'),
    [
        ({'optical': None}, ValueError, 'name a folder of images'),
        ({'optical': 'nowhere'}, FileNotFoundError, 'nowhere is not a folder'),
        ({'sar': 'void'}, FileNotFoundError, 'void holds no image'),
        ({'fractions': (0.5, 0.1, 0.1)}, ValueError, 'sum to 1'),
        ({'fractions': (1.5, -0.5, 0)}, ValueError, 'sum to 1'),
        ({'seed': -1}, ValueError, 'seed must not be negative, got -1'),
        ({'split': 'column'}, ValueError, '--split_column'),
        ({'split': 'file'}, ValueError, 'q.csv does not tell its split'),
        ({'split_column': 'fold'}, ValueError, "no column 'fold'.*--split_column"),
        ({'answer_column': 'a'}, ValueError, "no column 'a'.*--answer_column"),
        ({'encoding': 'ascii'}, ValueError, 'is not encoded in ascii'),
        ({'report': 'r.txt'}, ValueError, r'must end in \.csv or \.json'),
        ({'report': 'q.csv'}, FileExistsError, 'remove it'),
        ({'output': 'images'}, FileExistsError, 'images exists; remove it'),
        ({'questions': []}, ValueError, 'name a question file'),
        ({'questions': ['q.xlsx']}, ValueError, 'must end in .csv'),
        ({'questions': ['no.csv']}, FileNotFoundError, 'no.csv'),
        ({'questions': ['open.csv']}, ValueError, 'line 2: .*is a quote left open'),
        ({'questions': ['o.json']}, ValueError, 'is a JSON object'),
        ({'questions': ['bad.json']}, ValueError, 'is not valid JSON'),
        (
            {'questions': ['lost.csv']},
            ValueError,
            r'none of 1 rows can be taken of .*\n.*lost',
        ),
    ],
)
def test_errors(
    tmp_path: Path,
    images: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    make_questions(tmp_path, 'csv')
    Path('void').mkdir()
    Path('open.csv').write_text('image,question,answer\na,"Is it?,yes\n')
    Path('o.json').write_text('{"a": {"question": "Is it?"}}')
    Path('bad.json').write_text('[["a", "t", "Is it?", "yes"]')
    Path('lost.csv').write_text('image,question,answer\nlost,Is it?,yes\n')
    before = sorted(tmp_path.iterdir())
    arguments: dict[str, Any] = {
        'questions': ['q.csv'],
        'output': 'out',
        'optical': 'images/optical',
    }
    with pytest.raises(error, match=message):
        convert(**arguments | options)
    # neither a half-written folder nor a temporary one
    assert sorted(tmp_path.iterdir()) == before


def test_memory_does_not_grow_with_text(
    tmp_path: Path, write_image: WriteImage
) -> None:
    write_image(tmp_path / 'i/a.png', np.zeros((1, 8, 8), np.uint8))

    def peak(num_rows: int) -> int:
        path = tmp_path / f'{num_rows}.json'
        rows = [['a', 't', f'Is it {i} {"x" * 500}?', 'yes'] for i in range(num_rows)]
        path.write_text(json.dumps(rows))
        del rows
        tracemalloc.start()
        convert([path], tmp_path / f'{num_rows}', optical=tmp_path / 'i')
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    # about 100 bytes a row, for what was seen already, of more than 500
    assert peak(8000) - peak(2000) < 6000 * 200


def test_real_pairs_convert_to_themselves(tmp_path: Path, real_root: Path) -> None:
    root = real_root / 'OSVQA_1.0'
    files = sorted((root / 'annotations').glob('all_*_annotation.json'))
    report = convert(
        files,
        tmp_path / 'out',
        optical=root / 'images/rgb',
        sar=root / 'images/sar',
        transfer='symlink',
    )
    assert report.num_taken == report.num_rows
    assert read_release(tmp_path / 'out') == sorted(
        row for path in files for row in json.loads(path.read_text())
    )
    assert read_osvqa(tmp_path / 'out') == read_osvqa(root)


def test_real_rsvqa(tmp_path: Path, real_data: Callable[[str], Path]) -> None:
    root = real_data('rsvqa_lr')
    files = sorted(root.glob('LR_split_*_questions.json'))
    report = convert(files, tmp_path / 'out', optical=root / 'Images_LR')
    expected = []
    for path in files:
        content = [
            json.loads(Path(str(path).replace('questions', noun)).read_text())[noun]
            for noun in ('questions', 'answers')
        ]
        answers = {a['question_id']: a['answer'] for a in content[1] if a['active']}
        expected += [
            [str(q['img_id']), q['type'], q['question'], answers[q['id']]]
            for q in content[0]
            if q['active']
        ]
    assert report.num_rows == len(expected)
    distinct = {
        tuple(row) for row in expected if (root / f'Images_LR/{row[0]}.tif').exists()
    }
    assert {tuple(row) for row in read_release(tmp_path / 'out')} == distinct
    assert (
        set(map(tuple, read_osvqa(tmp_path / 'out', modalities=['optical'])))
        == distinct
    )
