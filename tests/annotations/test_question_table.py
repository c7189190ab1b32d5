# SPDX-License-Identifier: MIT
"""Tests of the question table."""

import json
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip import tokenize

from torchgeo_vqa.annotations import QuestionTable
from torchgeo_vqa.annotations.question_table import COLUMNS, decode

ROWS = [
    ['b', 'count', 'How many ships?', '2'],
    ['a.PNG', 'presence', 'Is there a ship?', 'yes'],
    ['b.tif', 'presence', ' Is there a ship? ', 'no'],
    ['a', 'count', 'How many ships?', '0'],
]
MALFORMED: list[Any] = [
    ['a', 'count', 'How many ships?'],
    ['a', 'count', 'How many ships?', '2', '3'],
    ['a', 'count', 'How many ships?', 2],
    ['a', 'count', 'How many ships?', None],
    ['a', 'count', ' ', '2'],
    ['', 'count', 'How many ships?', '2'],
    None,
    'a',
    {'image': 'a'},
]

text = st.text(min_size=1).filter(lambda s: bool(s.strip()))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / 'all_train_annotation.json'
    path.write_text(json.dumps(ROWS))
    return path


def never(*args: Any) -> None:
    """Stand in for what must not be called."""
    raise RuntimeError('the file was parsed')


def columns(table: QuestionTable) -> list[list[str]]:
    return [table.text(name, range(len(table))) for name in COLUMNS]


class TestRead:
    def test_columns(self, path: Path) -> None:
        images, types, questions, answers = columns(QuestionTable.read(path))
        assert images == ['b', 'a', 'b', 'a']
        assert types == [row[1] for row in ROWS]
        assert questions == [row[2].strip() for row in ROWS]
        assert answers == [row[3] for row in ROWS]

    @settings(max_examples=50, deadline=None)
    @given(rows=st.lists(st.tuples(text, text, text, text)), indent=st.booleans())
    def test_any_text(
        self, tmp_path_factory: pytest.TempPathFactory, rows: Any, indent: bool
    ) -> None:
        path = tmp_path_factory.mktemp('any') / 'rows.json'
        path.write_text(json.dumps(rows, indent=1 if indent else None))
        table = QuestionTable.read(path)
        # Unicode's idea of white space is Arrow's, but not quite Python's
        white = '\x1c\x1d\x1e\x1f'
        for row, found in zip(rows, zip(*columns(table), strict=True), strict=True):
            image = re.sub(r'(?i)\.(png|tiff?)$', '', row[0].strip(white).strip())
            for expected, value in zip([image, *row[1:]], found, strict=True):
                assert value.strip(white).strip() == expected.strip(white).strip()

    def test_codes_are_arrays(self, path: Path) -> None:
        table = QuestionTable.read(path)
        for name in COLUMNS:
            assert table.codes[name].dtype == np.int32
            assert isinstance(table.values[name], pa.Array)
        assert table.values['question'].to_pylist().count('How many ships?') == 1

    @pytest.mark.parametrize('row', MALFORMED)
    def test_malformed(self, path: Path, row: Any) -> None:
        path.write_text(json.dumps([*ROWS, row]))
        with pytest.raises(ValueError, match='row 4') as error:
            QuestionTable.read(path)
        assert str(path) in str(error.value)
        assert f'got {json.dumps(row)};' in str(error.value)
        table = QuestionTable.read(path, on_error='skip')
        assert len(table) == 4
        assert table.num_malformed == 1
        # What was cached in the meantime must not hide the error
        with pytest.raises(ValueError, match='row 4'):
            QuestionTable.read(path)

    @pytest.mark.parametrize(
        'content', ['', '[[', '{}', '"a"', '[["a", "b", "c", "d"]']
    )
    def test_not_a_list(self, path: Path, content: str) -> None:
        path.write_text(content)
        with pytest.raises(ValueError, match=path.name):
            QuestionTable.read(path, on_error='skip')


class TestTable:
    def test_rows(self, path: Path) -> None:
        table = QuestionTable.read(path)
        images = table.values['image'].to_pylist()
        assert table.rows(images.index('a')).tolist() == [1, 3]
        assert table.rows(images.index('b')).tolist() == [0, 2]

    def test_rows_of_many(self, path: Path) -> None:
        """In the order of the file, which sorting few rows would keep by chance."""
        rows = [[f'{i % 3}', 'count', f'How many {i}?', '2'] for i in range(3000)]
        table = QuestionTable.of_rows(rows)
        for code, image in enumerate(table.values['image'].to_pylist()):
            assert table.rows(code).tolist() == list(range(int(image), 3000, 3))

    def test_select(self, path: Path) -> None:
        table = QuestionTable.read(path)
        kept = table.select(np.array([False, True, True, False]))
        assert columns(kept) == [column[1:3] for column in columns(table)]
        images = kept.values['image'].to_pylist()
        assert kept.rows(images.index('a')).tolist() == [0]
        assert kept.num_questions.tolist() == [1, 1]

    def test_text_takes_tensors(self, path: Path) -> None:
        table = QuestionTable.read(path)
        assert table.text('answer', torch.tensor([2, 0])) == ['no', '2']
        assert table.text('answer', torch.tensor([], dtype=torch.int64)) == []

    @pytest.mark.parametrize('ids', [[-1], [4], [0, -1]])
    def test_text_of_padding(self, path: Path, ids: list[int]) -> None:
        with pytest.raises(IndexError, match='leave padding'):
            QuestionTable.read(path).text('answer', ids)

    def test_tokens(self, path: Path) -> None:
        table = QuestionTable.read(path)
        for ids in ([2], [3, 1, 3], []):
            tokens = table.tokens(np.array(ids, dtype=int))
            expected = tokenize([ROWS[i][2].strip() for i in ids])
            assert tokens.dtype == torch.int64
            torch.testing.assert_close(tokens, expected.view(-1, 77))
            table = pickle.loads(pickle.dumps(table))
        assert decode(tokenize('Where is the ship?')[0]) == 'where is the ship ?'

    def test_empty(self, path: Path) -> None:
        path.write_text('[]')
        table = QuestionTable.read(path)
        assert len(QuestionTable.read(path)) == len(table) == 0
        assert columns(table) == [[], [], [], []]

    def test_pickle_without_tokens(self, path: Path) -> None:
        table = QuestionTable.read(path)
        size = len(pickle.dumps(table))
        table.tokens(np.arange(len(table)))
        assert len(pickle.dumps(table)) == size


@pytest.mark.parametrize('cached', [False, True])
def test_contradictions(tmp_path: Path, cached: bool) -> None:
    """Several answers to one question about one image; the same one twice is none."""
    rows = [
        ['a', 'presence', 'Is there a ship?', 'no'],
        ['b', 'presence', 'Is there a ship?', 'yes'],
        ['b', 'presence', 'Is there a car?', 'no'],
        ['b', 'presence', 'is there a ship?', 'Yes'],
        ['a', 'presence', 'Is there a ship?', 'no'],
    ]
    path = tmp_path / 'all_train_annotation.json'
    path.write_text(json.dumps(rows))
    for _ in range(1 + cached):
        said = QuestionTable.read(path).contradictions
    assert said.startswith('1 questions about one image have several answers')
    assert "'Is there a ship?' about b has 'yes' and 'Yes' in rows 1, 3 (" in said
    path.write_text(json.dumps(rows[:3] + rows[4:]))
    assert QuestionTable.read(path).contradictions == ''
