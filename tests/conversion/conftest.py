# SPDX-License-Identifier: MIT
"""Fixtures for tests of the conversion."""

import csv
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

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


def _write_csv(path: Path, rows: list[list[str]], header: list[str]) -> Path:
    with path.open('w', newline='', encoding='utf-8') as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture
def write_csv() -> Callable[[Path, list[list[str]], list[str]], Path]:
    """Helper of several tests."""
    return _write_csv


def _read_release(root: Path) -> list[list[str]]:
    """All rows of a dataset, without the extension of its images."""
    rows = []
    for path in sorted((root / 'annotations').glob('all_*_annotation.json')):
        rows += json.loads(path.read_text(encoding='utf-8'))
    return sorted([row[0].rsplit('.', 1)[0], *row[1:]] for row in rows)


@pytest.fixture
def read_release() -> Callable[[Path], list[list[str]]]:
    """Helper of several tests."""
    return _read_release


def _read_osvqa(root: Path, **kwargs: Any) -> list[list[str]]:
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


@pytest.fixture
def read_osvqa() -> Callable[..., list[list[str]]]:
    """Helper of several tests."""
    return _read_osvqa


def _make_questions(folder: Path, kind: str) -> tuple[list[Path], dict[str, Any]]:
    """Write the rows in one of the formats, and tell the options it needs."""
    header = ['image', 'question_type', 'question', 'answer']
    if kind == 'csv':
        return [_write_csv(folder / 'q.csv', ROWS, header)], {}
    if kind == 'semicolon':
        path = folder / 'q.csv'
        with path.open('w', newline='', encoding='utf-16') as file:
            names = ['Datei', 'Art', 'Frage', 'Antwort']
            csv.writer(file, delimiter=';').writerows([names, *ROWS])
        names = ['image', 'question_type', 'question', 'answer']
        columns = ['Datei', 'Art', 'Frage', 'Antwort']
        options = {f'{n}_column': c for n, c in zip(names, columns, strict=True)}
        options |= {'delimiter': ';', 'encoding': 'utf-16'}
        return [path], options
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


@pytest.fixture
def make_questions() -> Callable[[Path, str], tuple[list[Path], dict[str, Any]]]:
    """Helper of several tests."""
    return _make_questions


def _splits(root: Path) -> dict[str, set[str]]:
    """Splits that each image is in."""
    found = defaultdict(set)
    for split in ('train', 'val', 'test'):
        path = root / f'annotations/all_{split}_annotation.json'
        if path.exists():
            for row in json.loads(path.read_text()):
                found[row[0]].add(split)
    return dict(found)


@pytest.fixture
def splits() -> Callable[[Path], dict[str, set[str]]]:
    """Helper of several tests."""
    return _splits


@pytest.fixture
def rows() -> list[list[str]]:
    """Rows of the question files."""
    return ROWS
