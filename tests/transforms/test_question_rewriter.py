# SPDX-License-Identifier: MIT
"""Direction words in tokens and in vocabularies follow the image."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip import decode, tokenize
from torch import Tensor

from torchgeo_vqa.rasters.dihedral import ELEMENTS
from torchgeo_vqa.transforms import rewrite
from torchgeo_vqa.transforms.directions import DIRECTION_WORDS, has_direction
from torchgeo_vqa.transforms.question_rewriter import (
    IMPOSSIBLE,
    QuestionRewriter,
    answer_table,
)

ANSWERS = ('yes', 'no', 'left', 'right', 'above', 'below', 'upper left', 'lower right')
CORNERS = ('upper left', 'upper right', 'lower left', 'lower right')
REWRITER = QuestionRewriter()


def text_of(tokens: Tensor) -> str:
    """Read a tokenized question."""
    special = (0, 49406, 49407)
    return decode(
        torch.tensor([t for t in tokens.tolist() if t not in special])
    ).strip()


@pytest.mark.parametrize('element', ELEMENTS)
def test_answers_are_rewritten(element: int) -> None:
    answers = (*ANSWERS[:6], *CORNERS, 'forest', 'North', 'west', 'south', 'east')
    table = answer_table(answers)
    wanted = {'top': 'above', 'bottom': 'below', 'left of': 'left', 'right of': 'right'}
    for i, text in enumerate(answers):
        new = rewrite(text, element)
        new = wanted.get(new, new).casefold()
        assert answers[table[element, -1, i]].casefold() == new


def test_unknown_and_padding_stay() -> None:
    table = answer_table(ANSWERS, [(), ()])
    assert table.shape == (8, 3, len(ANSWERS) + 2)
    assert (table[:, :, len(ANSWERS)] == len(ANSWERS)).all()
    assert (table[:, :, -1] == -1).all()


def test_missing_answers() -> None:
    table = answer_table(['left', 'right', 'yes'])
    assert table[:, -1, 0].tolist() == [0, -2, 1, -2, 1, -2, 0, -2]
    assert IMPOSSIBLE == -2


def test_usual_answers_choose_among_synonyms() -> None:
    answers = ['left', 'above', 'top', 'upper', 'right']
    usual = [{0, 1}, {0, 2, 4}, {0, 3}, {0, 4}]
    table = answer_table(answers, usual)
    # Where nothing is usual, the same wording comes first.
    assert [answers[i] for i in table[3, :, 0]] == [
        *('above', 'top', 'upper', 'top', 'top')
    ]


@settings(deadline=None)
@given(st.lists(st.sampled_from([*DIRECTION_WORDS, 'ship', '-', 'of', ',', 'x2'])))
def test_suspects_every_direction(words: list[str]) -> None:
    for text in (' '.join(words), ''.join(words)):
        question = tokenize([text])[0]
        read = text_of(question)
        if has_direction(read):
            assert REWRITER.suspects(question)


@pytest.mark.parametrize('element', ELEMENTS)
@pytest.mark.parametrize(
    'text',
    [
        'Is the ship left of the bridge?',
        "What's in the top-left (north-western) corner, 120 px?",
        'How many ships are there?',
    ],
)
def test_same_as_on_text(text: str, element: int) -> None:
    expected = tokenize([rewrite(text, element)])[0]
    new = REWRITER(tokenize([text])[0], element)
    assert new is not None
    assert torch.equal(new, expected)


def test_cut_off() -> None:
    question = tokenize(['left of it ' * 40])[0]
    assert REWRITER(question, 4) is None


def test_too_long() -> None:
    # "above" becomes two tokens, "left of"
    question = tokenize(['above ' * 50])[0]
    assert REWRITER(question, 4) is not None
    assert REWRITER(question, 1) is None
