# SPDX-License-Identifier: MIT
"""Tests of statements."""

import open_clip
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchgeo_vqa.annotations.question_table import decode
from torchgeo_vqa.annotations.statement import statement, statement_tokens
from torchgeo_vqa.datasets import OSVQAMini

WORDS = st.lists(
    st.sampled_from(['yes', 'no', 'is', 'there', 'or', 'a', 'b']),
    min_size=1,
    max_size=4,
).map(' '.join)


@pytest.mark.parametrize(
    ('question', 'answer', 'expected'),
    [
        ('Is there any forest?', 'yes', 'There is forest.'),
        ('Is there any forest?', 'no', 'There is no forest.'),
        ('Is there a ship near water?', 'yes', 'There is a ship near water.'),
        ('Is there an airport?', 'no', 'There is no airport.'),
        ('Are there ships?', 'yes', 'There are ships.'),
        (
            'Are there more ships or bridges?',
            'ships',
            'There are more ships than bridges.',
        ),
        (
            'Are there more ships or bridges?',
            'bridges',
            'There are more bridges than ships.',
        ),
        (
            'Are there more roads than farms?',
            'no',
            'There are no more roads than farms.',
        ),
        ('Is the ship left of the pier?', 'no', 'The ship is not left of the pier.'),
        ('Is the ship below the pier?', 'yes', 'The ship is below the pier.'),
        ('Is a road present?', 'no', 'A road is not present.'),
        ('Is it a rural or an urban area?', 'rural', 'It is a rural area.'),
        ('Is this a rural or an urban area?', 'urban', 'This is an urban area.'),
        ('Does water border sand?', 'yes', 'Water and sand border.'),
        ('Does water border sand?', 'no', 'Water and sand do not border.'),
        ('How many ships are there?', '0', 'There are 0 ships.'),
        (
            'How many ships are there in the port?',
            '2',
            'There are 2 ships in the port.',
        ),
        ('How much of the area is sand?', 'over 75%', 'Over 75% of the area is sand.'),
        ('Which covers more, sand or water?', 'water', 'Water covers more than sand.'),
        (
            'Which image is more reliable in the upper left, optical or SAR?',
            'sar',
            'The sar image is more reliable in the upper left.',
        ),
        (
            'Which land cover is around the ship?',
            'built-up land',
            'The land cover around the ship is built-up land.',
        ),
        (
            'In which quadrant is the ship?',
            'upper left',
            'The ship is in the upper left quadrant.',
        ),
        (
            'Where is the ship relative to the pier?',
            'above',
            'Relative to the pier, the ship is above.',
        ),
        ('Where is the ship?', 'in the port', 'The ship is in the port.'),
        ('What is the main land cover?', 'sand', 'The main land cover is sand.'),
        ('What degrades the image?', 'clouds', 'Clouds degrades the image.'),
        ('Can a car pass?', 'yes', 'Can a car pass? Yes.'),
        # an answer that the question does not offer
        (
            'Which covers more, sand or water?',
            'both',
            'Which covers more, sand or water? Both.',
        ),
        ('Is there any forest?', 'maybe', 'Is there any forest? Maybe.'),
    ],
)
def test_wordings(question: str, answer: str, expected: str) -> None:
    assert statement(question, answer) == expected
    # as the tokenizer gives it back
    decoded = decode(open_clip.tokenize([question])[0])
    assert statement(decoded, answer).lower() == expected.lower()


@given(
    WORDS,
    WORDS,
    WORDS,
    st.sampled_from(
        ['{}', 'is {} near {}', 'which {} is a, {} or b', 'are there more {} or {}']
    ),
)
def test_different_answers_make_different_statements(
    words: str, first: str, second: str, form: str
) -> None:
    question = form.format(words, words)
    assert first == second or statement(question, first) != statement(question, second)


def test_sample_needs_no_fallback() -> None:
    """Every question of the embedded sample has a statement, and each its own."""
    table = OSVQAMini(split='val', num_scenes={'train': 32, 'val': 8, 'test': 8}).table
    rows = {
        tuple(table.text(column, [i])[0] for column in ('question', 'answer'))
        for i in range(len(table))
    }
    statements = {statement(*row) for row in rows}
    assert len(statements) == len(rows) > 100
    assert not any('?' in text for text in statements)


def test_tokens() -> None:
    question = open_clip.tokenize(['Is there any built-up land?'])[0]
    key = tuple(question[question != 0].tolist())
    expected = open_clip.tokenize(['There is no built-up land.'])[0]
    assert statement_tokens(key, 'no') == tuple(expected.tolist())


def test_long_question_is_cut() -> None:
    question = open_clip.tokenize(['why ' * 100])[0]
    assert len(statement_tokens(tuple(question.tolist()), 'yes')) == 77
