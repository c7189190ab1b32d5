# SPDX-License-Identifier: MIT
"""PossibleQuestions: a row for each question, wording and answer."""

import pytest

from torchgeo_vqa.datasets.mapvqa import PossibleQuestions
from torchgeo_vqa.questions import Legend, Question, possible

LEGEND = Legend(('water', 'trees'))


def test_every_wording_has_a_row() -> None:
    questions = PossibleQuestions(LEGEND)
    listed = possible(LEGEND)
    assert len(questions.table) == sum(len(q.wordings) for q in listed)
    seen: set[int] = set()
    for question in listed:
        rows = questions.wordings(question)
        assert questions.table.text('question', list(rows)) == list(question.wordings)
        assert set(questions.table.text('answer', list(rows))) == {question.answer}
        seen |= set(rows)
    assert seen == set(range(len(questions.table)))
    spoken = [q._replace(question=q.wordings[-1]) for q in listed]
    texts = questions.table.text('question', questions.rows(spoken))
    assert texts == [q.question for q in spoken]


def test_types_and_answers() -> None:
    questions = PossibleQuestions(LEGEND, ['land_cover_presence'])
    assert questions.question_types == ('land_cover_presence',)
    assert questions.answers == ('yes', 'no')
    assert 'object_count' not in PossibleQuestions(LEGEND).question_types
    with pytest.raises(ValueError, match=r"\['object_count'\] need"):
        PossibleQuestions(LEGEND, ['object_count'])


def test_an_answer_that_is_not_listed() -> None:
    question = Question('land_cover_presence', 'Is it?', 'yes', None, ('Is it?',))
    with pytest.raises(ValueError, match=r"'Is it.' with the answer 'yes'"):
        PossibleQuestions(LEGEND).rows([question])
