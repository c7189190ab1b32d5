# SPDX-License-Identifier: MIT
"""Rewriting follows the group of flips and turns, and spares all other words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torchgeo_vqa.rasters.dihedral import ELEMENTS, INVERSE, compose
from torchgeo_vqa.transforms import rewrite
from torchgeo_vqa.transforms.directions import DIRECTION_WORDS, canonical, has_direction

# Phrases whose wording survives a quarter turn and back, and phrases whose does not.
RELATIONS = ['left of', 'right of', 'above', 'below']
PLACES = [
    *('left', 'right', 'top', 'bottom'),
    *('upper left', 'lower right', 'top-left', 'bottom right', 'lower-left'),
    *('north', 'west', 'southern', 'northeast', 'south-western', 'SW', 'leftmost'),
    *('horizontal', 'vertically'),
]
OTHERS = ['upper', 'lower', 'above', 'left-hand', 'uppermost']
FRAMES = ['{}', 'The {} part, or the {} one?', '{}: ({})', 'a {}/{} place']
elements = st.sampled_from(ELEMENTS)


@st.composite
def texts(draw: st.DrawFn, exact: bool = False) -> str:
    """A text with direction phrases."""
    if draw(st.booleans()):
        relations = st.sampled_from(
            RELATIONS if exact else [*RELATIONS, 'to the left of']
        )
        return f'Is the ship {draw(relations)} the bridge, {draw(relations)} it?'
    frame = draw(st.sampled_from(FRAMES))
    places = st.sampled_from(PLACES if exact else [*PLACES, *OTHERS])
    return frame.format(*(draw(places) for _ in range(frame.count('{}'))))


@settings(deadline=None)
@given(texts(), elements, elements)
def test_group_action(text: str, first: int, second: int) -> None:
    in_turn = rewrite(rewrite(text, first), second)
    assert canonical(in_turn) == canonical(rewrite(text, compose(first, second)))


@settings(deadline=None)
@given(texts(exact=True), elements)
def test_inverse(text: str, element: int) -> None:
    assert rewrite(rewrite(text, element), INVERSE[element]) == text


@settings(deadline=None)
@given(st.text(alphabet='abcdefghiknopqrstuvwxyz ?', max_size=60), elements)
def test_other_texts_are_unchanged(text: str, element: int) -> None:
    if not set(text.replace('?', ' ').split()) & set(DIRECTION_WORDS):
        assert rewrite(text, element) == text
        assert not has_direction(text)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_identity(text: str) -> None:
    assert rewrite(text, 0) == text


@pytest.mark.parametrize(
    ('element', 'text', 'expected'),
    [
        # one quarter turn counter-clockwise: right becomes top
        (1, 'Is the ship right of the bridge?', 'Is the ship above the bridge?'),
        (1, 'is the ship to the left of it', 'is the ship below it'),
        (1, 'Is the ship above the bridge?', 'Is the ship left of the bridge?'),
        (1, 'the upper right quadrant', 'the upper left quadrant'),
        (1, 'the northern half', 'the western half'),
        (2, 'Upper-Left, bottom right', 'Lower-right, top left'),
        (3, 'Left', 'Top'),
        (4, 'LEFT OF the ship', 'RIGHT OF the ship'),
        (4, 'top left and NW', 'top right and NE'),
        (4, 'in the upper half', 'in the upper half'),
        (5, 'a horizontal road', 'a vertical road'),
        (6, 'does it run vertically?', 'does it run vertically?'),
        # a place, not a relation
        (1, 'on the left of the image', 'on the bottom of the image'),
        (1, 'on the left of the bridge', 'on the bottom of the bridge'),
        (1, 'in the left-hand part', 'in the bottom part'),
        (1, 'the above part', 'the left part'),
        (1, 'the leftmost ship', 'the bottommost ship'),
        # what the tokenizer makes of a hyphen
        (1, 'the top - left corner', 'the bottom - left corner'),
        (1, 'the north - western corner', 'the south - western corner'),
        # two halves of one relation
        (1, 'left or right of it?', 'below or above it?'),
        (4, 'from left to right', 'from right to left'),
        # all four, but in an order and not to choose from
        (4, 'left, right, above, below', 'right, left, above, below'),
    ],
)
def test_examples(element: int, text: str, expected: str) -> None:
    assert rewrite(text, element) == expected


@pytest.mark.parametrize('element', ELEMENTS)
@pytest.mark.parametrize(
    'text',
    [
        'Is the ship left, right, above or below the bridge?',
        'Is it in the upper left, the upper right, the lower left or the lower right?',
        'North, east, south or west?',
    ],
)
def test_complete_lists_of_options_stay(text: str, element: int) -> None:
    assert rewrite(text, element) == text


@pytest.mark.parametrize('element', ELEMENTS)
@pytest.mark.parametrize(
    'text',
    [
        'Is the count lower than ten?',
        'Is the share above 50 percent?',
        'Seen from above, is it round?',
        'Is the temperature below average?',
        'Do the roads meet at a right angle?',
        'Is this a top-down view?',
        'Is it bright or upright?',
        'Who wrote the copyright leftover?',
    ],
)
def test_other_meanings_stay(text: str, element: int) -> None:
    assert rewrite(text, element) == text


def test_canonical_joins_synonyms_only() -> None:
    assert canonical('above') == canonical('top') == canonical('on the upper side')
    assert canonical('to the left of') == canonical('Left') == canonical('left of')
    assert canonical('top left') == canonical('upper-left') == canonical('left top')
    different = ['top', 'bottom', 'left', 'north', 'vertical', 'top left', 'topmost']
    assert len({canonical(text) for text in different}) == len(different)
