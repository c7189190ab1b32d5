# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Every question that a map may be asked."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..annotations.question_table import QuestionTable
from ..questions import Legend, Question, possible


class PossibleQuestions:
    """Every question that a map may be asked, in each wording and with each answer.

    The *table* has a row for each; those of the wordings of a question follow one another.
    """

    def __init__(self, legend: Legend, names: Sequence[str] | None = None) -> None:
        """List the questions of some types (defaults to all possible ones) for a legend.

        Raise a ValueError if a type is unknown, or needs what the map does not have.
        """
        listed = possible(legend, names)
        found = tuple(dict.fromkeys(question.question_type for question in listed))
        if impossible := sorted(set(names or ()) - set(found)):
            raise ValueError(
                f'question types {impossible} need what this map does not have: '
                'objects, a quality mask or urban_classes'
            )
        self.question_types = found if names is None else tuple(dict.fromkeys(names))
        self.answers = tuple(dict.fromkeys(question.answer for question in listed))
        self._rows: dict[tuple[str, str, str], range] = {}
        rows: list[tuple[str, str, str, str]] = []
        for question_type, text, answer, _, wordings in listed:
            start = len(rows)
            rows += [('', question_type, wording, answer) for wording in wordings]
            self._rows[question_type, text, answer] = range(start, len(rows))
        self.table = QuestionTable.of_rows(rows)

    def wordings(self, question: Question) -> range:
        """Return the rows of :attr:`table` of all wordings of a question with its answer.

        Raise a ValueError if its type does not list it among the possible ones.
        """
        key = question.question_type, question.canonical, question.answer
        if key not in self._rows:
            raise ValueError(
                f'{question.question_type} asks {question.canonical!r} with the answer '
                f'{question.answer!r}, which its `possible` does not yield'
            )
        return self._rows[key]

    def rows(self, questions: Sequence[Question]) -> NDArray[np.int64]:
        """Return the row of :attr:`table` of each of N questions, (N,) int64."""
        rows = [self.wordings(q)[q.wordings.index(q.question)] for q in questions]
        return np.array(rows, np.int64)
