# SPDX-License-Identifier: MIT
"""Tests of vocabularies and of answers without looking."""

import numpy as np
import pyarrow as pa
import pytest

from torchgeo_vqa.annotations import QuestionTable, vocabulary
from torchgeo_vqa.annotations.question_table import COLUMNS


def table(*rows: str) -> QuestionTable:
    """Table of rows such as 'image type question answer'."""
    columns = zip(*(row.split() for row in rows), strict=True)
    arrays = [pa.array(column).dictionary_encode() for column in columns]
    return QuestionTable(pa.table(arrays, names=list(COLUMNS)))


TRAIN = table('i a p yes', 'j a p no', 'k a p no', 'i b q 2', 'j b r yes')


def test_most_frequent() -> None:
    assert vocabulary.most_frequent(TRAIN) == ('no', 'yes', '2')
    assert vocabulary.most_frequent(TRAIN, 1) == ('no',)
    # of the rows that are left
    kept = TRAIN.select(TRAIN.codes['question_type'] == 1)
    assert vocabulary.most_frequent(kept) == ('2', 'yes')


def test_question_types() -> None:
    tables = {'train': TRAIN, 'test': table('i c s 1')}
    assert vocabulary.question_types(tables) == ('a', 'b', 'c')
    selected = vocabulary.select_types(tables, ['b', 'c'])
    assert {name: len(t) for name, t in selected.items()} == {'train': 2, 'test': 1}
    with pytest.raises(ValueError, match=r"must be among \('a', 'b', 'c'\), got"):
        vocabulary.select_types(tables, ['d'])


def test_codes_in() -> None:
    codes = vocabulary.codes_in(pa.array(['x', 'y', 'z']), ['z', 'x'], -7)
    assert codes.dtype == np.int64
    assert codes.tolist() == [1, -7, 0]


def test_blind_labels() -> None:
    asked = table('i a p 2', 'i a never 2', 'i b r 2', 'i c never 2')
    answers = ('2', 'no', 'yes')
    labels = vocabulary.blind_labels(asked, TRAIN, answers)
    # by question; by type; by question; of all, where two are as frequent
    assert [answers[label] for label in labels] == ['no', 'no', 'yes', 'no']
    labels = vocabulary.blind_labels(asked, TRAIN, ('yes', '2'))
    assert labels.tolist() == [0, 0, 0, 0]


def test_usual_answers() -> None:
    usual = vocabulary.usual_answers(TRAIN, ['b', 'a', 'z'], ('no', '2'))
    assert usual == [{1}, {0}, set()]
