# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""How evenly questions are answered, and how far guessing gets."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ..annotations import vocabulary
from ..annotations.question_table import COLUMNS, QuestionTable
from ..sample import SPLITS

#: Image, question type, question and answer.
Rows = Sequence[Sequence[str]]


class TypeBalance(NamedTuple):
    """How evenly the questions of a type are answered.

    Attributes:
        question_type: Name of the type.
        num_questions: Number of questions.
        answers: Number of questions with each answer, the most frequent first.
        blind: Accuracy of the most frequent training answer, None without training split.
    """

    question_type: str
    num_questions: int
    answers: dict[str, int]
    blind: float | None

    @property
    def top(self) -> float:
        """Share of the most frequent answer."""
        return max(self.answers.values()) / self.num_questions


def balance(rows: Mapping[str, Rows]) -> dict[str, list[TypeBalance]]:
    """Measure for each split how evenly its question types are answered."""
    tables = {split: _table(rows[split]) for split in SPLITS if rows.get(split)}
    answers = tuple(sorted({row[3] for own in rows.values() for row in own}))
    result = {}
    for split, table in tables.items():
        right = None
        if 'train' in tables:
            guesses = vocabulary.blind_labels(table, tables['train'], answers)
            truth = [answers.index(row[3]) for row in rows[split]]
            right = guesses == np.array(truth)
        types = np.array([row[1] for row in rows[split]])
        given = np.array([row[3] for row in rows[split]])
        result[split] = [
            TypeBalance(
                str(name),
                int((types == name).sum()),
                dict(Counter(sorted(given[types == name].tolist())).most_common()),
                None if right is None else float(right[types == name].mean()),
            )
            for name in np.unique(types)
        ]
    return result


def overall_blind(types: Sequence[TypeBalance]) -> float | None:
    """Return the blind accuracy over all questions of a split, None if it is not known."""
    shares = [(t.blind, t.num_questions) for t in types]
    total = sum(number for _, number in shares)
    if not total or any(blind is None for blind, _ in shares):
        return None
    return sum((blind or 0.0) * number for blind, number in shares) / total


def _table(rows: Rows) -> QuestionTable:
    """Make a table of questions."""
    columns = [
        pa.array([row[i] for row in rows], pa.string()).dictionary_encode()
        for i in range(len(COLUMNS))
    ]
    return QuestionTable(pa.table(columns, names=list(COLUMNS)))
