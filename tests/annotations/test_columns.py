# SPDX-License-Identifier: MIT
"""Tests of encoding rows in columns."""

from pathlib import Path
from typing import Any

import pytest

from torchgeo_vqa.annotations import question_table
from torchgeo_vqa.annotations.question_table import encode, keep_whole

GOOD = [3, 'a', 'count', ' How many? ', '2']
PATH = Path('questions.json')


@pytest.mark.parametrize('size', [1, 2, 100])
def test_encode(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(question_table, '_BATCH', size)
    rows: list[Any] = [GOOD, ['x', 'b', 7, '', '\ud800'], [None, 'a', None, ' ', '2']]
    assert [list(row.values()) for row in encode(iter(rows)).to_pylist()] == [
        ['3', 'a', 'count', 'How many?', '2'],
        ['x', 'b', None, None, None],
        ['None', 'a', None, None, '2'],
    ]


def test_no_rows() -> None:
    table, num_malformed = keep_whole(encode([]), PATH, 'raise')
    assert (len(table), num_malformed) == (0, 0)


@pytest.mark.parametrize(
    ('column', 'name'),
    [(1, 'image'), (2, 'question_type'), (3, 'question'), (4, 'answer')],
)
def test_keep_whole(column: int, name: str) -> None:
    bad = [None if i == column else cell for i, cell in enumerate(GOOD)]
    table = encode([GOOD, bad, [4, *GOOD[1:]]])
    kept, num_malformed = keep_whole(table, PATH, 'skip')
    assert (len(kept), num_malformed) == (2, 1)
    sources = {'answer': Path('folder/answers.json')}
    source = 'answers.json' if name == 'answer' else 'questions.json'
    message = rf'question 3 has no {name} in {source}; 1 of 3 questions'
    with pytest.raises(ValueError, match=message):
        keep_whole(table, PATH, 'raise', sources)


def test_id_that_cannot_be_written() -> None:
    with pytest.raises(ValueError, match=r'question \\ud800 has no answer'):
        keep_whole(encode([['\ud800', *GOOD[1:4], None]]), PATH, 'raise')
