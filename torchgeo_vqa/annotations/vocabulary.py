# SPDX-License-Identifier: MIT
"""Vocabulary of answers and question types, and answers that need no image."""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .question_table import QuestionTable

Codes = NDArray[np.int64]


def most_frequent(
    table: QuestionTable, num_answers: int | None = None
) -> tuple[str, ...]:
    """List answers, the most frequent first, ties in the order of their texts."""
    codes, counts = np.unique(table.codes['answer'], return_counts=True)
    texts = table.values['answer'].take(pa.array(codes)).to_pylist()
    used = sorted(zip((-counts).tolist(), texts, strict=True))
    return tuple(text for _, text in used[:num_answers])


def select_types(
    tables: Mapping[str, QuestionTable], types: Sequence[str]
) -> dict[str, QuestionTable]:
    """Keep the questions of some types; raise a ValueError if no table has a type."""
    known = question_types(tables)
    if not set(types) <= set(known):
        raise ValueError(f'question_types must be among {known}, got {tuple(types)}')
    selected = {}
    for name, table in tables.items():
        codes = codes_in(table.values['question_type'], types, -1)
        selected[name] = table.select(codes[table.codes['question_type']] >= 0)
    return selected


def question_types(tables: Mapping[str, QuestionTable]) -> tuple[str, ...]:
    """List the question types of some tables, in the order of their names."""
    texts = [table.values['question_type'].to_pylist() for table in tables.values()]
    return tuple(sorted(set().union(*texts)))


def codes_in(texts: pa.StringArray, words: Sequence[str], unknown: int) -> Codes:
    """Return the index of each of N texts among words, (N,) int64, or *unknown*."""
    codes = pc.index_in(texts, value_set=pa.array(words, pa.string()))
    return cast(Codes, pc.fill_null(codes, unknown).to_numpy().astype(np.int64))


def blind_labels(
    table: QuestionTable, train: QuestionTable, answers: Sequence[str]
) -> Codes:
    """Return the most frequent training answer to each of N questions, labels (N,) int64.

    A question that was never asked in training is answered as most often for its type, or
    failing that as most often of all. Training answers outside the vocabulary do not count.
    """
    labels = codes_in(train.values['answer'], answers, -1)[train.codes['answer']]
    known = labels >= 0
    total = np.bincount(labels[known], minlength=len(answers))
    result = np.full(len(table), total.argmax())
    for column in ('question_type', 'question'):
        texts = train.values[column]
        usual = _mode(train.codes[column][known], labels[known], len(texts))
        codes = codes_in(table.values[column], texts.to_pylist(), -1)
        # The last entry is for texts that training does not know
        usual = np.append(usual, -1)[codes][table.codes[column]]
        result = np.where(usual >= 0, usual, result)
    return result


def _mode(keys: NDArray[np.integer], labels: Codes, num_keys: int) -> Codes:
    """Return the most frequent label of each key, the smallest of several, -1 for none."""
    keys, labels, counts = _pairs(keys, labels)
    order = np.lexsort((labels, -counts, keys))
    keys, first = np.unique(keys[order], return_index=True)
    mode = np.full(num_keys, -1)
    mode[keys] = labels[order][first]
    return mode


def _pairs(keys: NDArray[np.integer], labels: Codes) -> tuple[Codes, Codes, Codes]:
    """Return the distinct pairs of a key and a label, and how often each occurs."""
    # As one number, which sorts ten times faster than two
    num_labels = int(labels.max(initial=0)) + 1
    pairs, counts = np.unique(
        keys.astype(np.int64) * num_labels + labels, return_counts=True
    )
    return pairs // num_labels, pairs % num_labels, counts


def usual_answers(
    table: QuestionTable, types: Sequence[str], answers: Sequence[str]
) -> list[set[int]]:
    """List the labels of the answers that each of T question types has, in T sets."""
    codes = codes_in(table.values['question_type'], types, -1)
    labels = codes_in(table.values['answer'], answers, -1)
    codes = codes[table.codes['question_type']]
    labels = labels[table.codes['answer']]
    known = (codes >= 0) & (labels >= 0)
    codes, labels, _ = _pairs(codes[known], labels[known])
    return [set(labels[codes == code].tolist()) for code in range(len(types))]
