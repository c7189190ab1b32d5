# SPDX-License-Identifier: MIT
"""How evenly questions are answered, and how far guessing gets."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..annotations.question_table import QuestionTable
from ..annotations.vocabulary import blind_labels

#: Image, question type, question and answer.
Rows = Sequence[Sequence[str]]


def balance(rows: Mapping[str, Rows]) -> dict[str, dict[str, Any]]:
    """Measure for each split how evenly its question types are answered.

    Of all questions, and of those of each type, these are the number, the accuracy of the most
    frequent training answer (``blind``, None without a training split), and of a type also
    the number of each answer, the most frequent first, and the share of that (``top``).
    """
    answers = tuple(sorted({row[3] for own in rows.values() for row in own}))
    train = QuestionTable.of_rows(rows['train']) if rows['train'] else None
    result: dict[str, dict[str, Any]] = {}
    for split, own in rows.items():
        names = np.array([row[1] for row in own])
        given = np.array([row[3] for row in own])
        right = None
        if train is not None and own:
            labels = blind_labels(QuestionTable.of_rows(own), train, answers)
            right = np.array(answers)[labels] == given
        types = {}
        for name in np.unique(names):
            of_type = names == name
            counts = dict(Counter(sorted(given[of_type].tolist())).most_common())
            number = int(of_type.sum())
            types[str(name)] = {
                'questions': number,
                'top': max(counts.values()) / number,
                'blind': None if right is None else float(right[of_type].mean()),
                'answers': counts,
            }
        blind = None
        if right is not None:
            shares = [own['blind'] * own['questions'] for own in types.values()]
            blind = sum(shares) / len(right)
        result[split] = {'questions': len(own), 'blind': blind, 'types': types}
    return result
