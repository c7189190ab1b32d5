# SPDX-License-Identifier: MIT
"""Direction words in questions and answers, rewritten as the image is flipped or turned.

Four families are known, in any case and as whole words only:

* relations: *left of*, *to the right of*, *above*, *below*;
* positions in the image: *left*, *top*, *upper right*, *bottom-left*, *leftmost*,
  *left-hand*; a corner keeps its own style (*upper* or *top*, hyphen or space);
* the compass: *north*, *south-west*, *northern*, *southeastern*, *NW*, ... taken as the
  image's axes, because images are north up;
* *horizontal* and *vertical*, with *-ly*.

A list of options (with *or*) that holds all four sides or corners ("left, right, above or
below") asks the same as before and is left alone.

Limits. Words are replaced, not understood: *right* meaning correct, *left* meaning
remaining, *vertical* meaning tall and proper names such as *North Sea* are rewritten
too. What is meant by "lower than", "above 50", "right angle", "top-down" and the like
is known and left alone. *Up*, *down*, *under*, *clockwise*, *rows*, *wide* and *tall*
are not known: leave geometry off for questions that live on them.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..rasters.dihedral import ELEMENTS, turn

Vector = tuple[int, int]

# Directions on the image: x to the right, y downwards.
_LEFT, _RIGHT, _UP, _DOWN = (-1, 0), (1, 0), (0, -1), (0, 1)
_VECTORS: dict[str, Vector] = {
    **dict.fromkeys(('left', 'west', 'w'), _LEFT),
    **dict.fromkeys(('right', 'east', 'e', 'horizontal'), _RIGHT),
    **dict.fromkeys(('top', 'upper', 'above', 'north', 'n'), _UP),
    **dict.fromkeys(('bottom', 'lower', 'below', 'south', 's', 'vertical'), _DOWN),
}
# What each style of wording calls the four sides.
_STYLES: dict[str, dict[Vector, str]] = {
    style: dict(zip((_LEFT, _RIGHT, _UP, _DOWN), words, strict=True))
    for style, words in {
        'to': ('to the left of', 'to the right of', 'above', 'below'),
        'of': ('left of', 'right of', 'above', 'below'),
        'top': ('left', 'right', 'top', 'bottom'),
        'upper': ('left', 'right', 'upper', 'lower'),
        'hand': ('left-hand', 'right-hand', 'top', 'bottom'),
        'north': ('west', 'east', 'north', 'south'),
        'n': ('w', 'e', 'n', 's'),
        'axis': ('horizontal', 'horizontal', 'vertical', 'vertical'),
    }.items()
}

# CLIP's tokenizer puts spaces round a hyphen, so they are allowed everywhere.
_HYPHEN = r'\s*-\s*'
_SIDE = r'(?:left|right)'
_END = r'(?:top|bottom|upper|lower)'
_SUFFIX = r'(?:ernmost|erly|ern|wards?|bound|most)?'
_OR = r'\s*(?:,\s*or\b|,|/|\bor\b)\s*'
_PHRASE = re.compile(
    rf"""\b(?:
    (?P<relation>
        # "left of", "to the left of", and the first half of "left or right of"; but
        # "the left of the image" is a position
        (?:to\s+the\s+|(?<!\bthe\s)){_SIDE}
        (?:\s+of(?!\s+(?:the|this)\s+(?:image|scene|picture|photo|tile|patch|map)\b)
          |(?={_OR}(?:to\s+the\s+)?{_SIDE}\s+of\b))
        # no quantity ("above 50"), no point of view ("seen from above")
        |(?<!\bfrom\s)(?<!\bthe\s)(?:above|below)(?!\s*\d|[\s-]+(?:average|sea|all|ground|zero)\b)
    )
    |(?P<corner>{_END}(?:{_HYPHEN}|\s*){_SIDE}|{_SIDE}(?:{_HYPHEN}|\s+){_END}(?!\s+than))
    |(?P<compass>
        (?:north|south)(?:(?:{_HYPHEN}|\s*)(?:east|west))?{_SUFFIX}
        |(?:east|west){_SUFFIX}
        |[ns][ew]
    )
    |(?P<position>
        {_SIDE}most|{_END}most|{_SIDE}(?:{_HYPHEN}|\s+)hand
        |(?<=\bthe\s)(?:above|below)
        |left|right(?![\s-]+(?:angle|angles|angled|now|away)\b)
        |top(?!{_HYPHEN}down\b|\s+(?:down|view)\b)|bottom(?!{_HYPHEN}up\b)
        |upper(?!\s+(?:bound|limit)\b)|lower(?!\s+(?:bound|limit|than|or\s+equal)\b)
    )
    |(?P<axis>(?:horizontal|vertical)(?:ly)?)
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)
DIRECTION_WORDS = (
    *('above', 'below', 'horizontal', 'horizontally', 'vertical', 'vertically'),
    *(word for ends in ('left', 'right') for word in (ends, f'{ends}most')),
    *(
        f'{end}{rest}'
        for end in ('top', 'bottom', 'upper', 'lower')
        for rest in ('', 'left', 'right', 'most')
    ),
    *(
        f'{top}{side}{suffix}'
        for top in ('', 'north', 'south')
        for side in ('', 'east', 'west')
        for suffix in (
            '',
            *['ernmost', 'erly', 'ern', 'ward', 'wards', 'bound', 'most'],
        )
        if top or side
    ),
    *('ne', 'nw', 'se', 'sw'),
)
"""Every direction phrase holds one of these words."""

_COMPASS = re.compile(rf'(north|south|n|s)?({_HYPHEN}|\s*)(east|west|e|w)?({_SUFFIX})')
_GAP = re.compile(rf'{_OR}(?:(?:(?:to|in|on|at)\s+)?the\s+)?', re.IGNORECASE)
_FILLERS = {'to', 'on', 'in', 'at', 'the', 'of', 'side'}


class _Phrase(NamedTuple):
    """A direction phrase: where it stands in the text, and how it is worded."""

    start: int
    end: int
    vector: Vector
    style: str
    joint: str = ''
    suffix: str = ''
    side_first: bool = False

    def words(self, vector: Vector) -> str:
        """Word another direction in the same style."""
        x, y = vector
        words = _STYLES[self.style]
        ends = [words[0, y]] if y else []
        sides = [words[x, 0]] if x else []
        return (
            self.joint.join(sides + ends if self.side_first else ends + sides)
            + self.suffix
        )


def _parse(match: re.Match[str]) -> _Phrase:
    """Read direction and wording off a match of ``_PHRASE``."""
    text = match[0].lower()
    start, end = match.span()
    match match.lastgroup:
        case 'relation':
            side = re.sub(r'^to\s+the\s+|\s+of$', '', text)
            style = 'to' if text.startswith('to') else 'of'
            return _Phrase(start, end, _VECTORS[side], style)
        case 'corner':
            first, joint, second = re.split(
                rf'(?<=\w)({_HYPHEN}|\s*)(?={_SIDE}$|{_END}$)', text
            )
            side_first = first in ('left', 'right')
            side, top = (first, second) if side_first else (second, first)
            style = 'upper' if top in ('upper', 'lower') else 'top'
            vector = (_VECTORS[side][0], _VECTORS[top][1])
            return _Phrase(start, end, vector, style, joint, '', side_first)
        case 'compass':
            parts = _COMPASS.fullmatch(text)
            assert parts is not None  # _PHRASE takes nothing else
            top, joint, side, suffix = parts.groups()
            vector = (_VECTORS[side][0] if side else 0, _VECTORS[top][1] if top else 0)
            style = 'n' if len(text) == 2 else 'north'
            return _Phrase(start, end, vector, style, joint, suffix)
        case 'axis':
            word, suffix = (text[:-2], 'ly') if text.endswith('ly') else (text, '')
            return _Phrase(start, end, _VECTORS[word], 'axis', '', suffix)
        case _:
            if text.endswith('hand'):
                return _Phrase(
                    start, end, _VECTORS[re.split(r'[\s-]', text)[0]], 'hand'
                )
            word, suffix = (text[:-4], 'most') if text.endswith('most') else (text, '')
            style = 'upper' if word in ('upper', 'lower') else 'top'
            return _Phrase(start, end, _VECTORS[word], style, '', suffix)


def _phrases(text: str) -> list[_Phrase]:
    """Find all direction phrases, in order."""
    return [_parse(match) for match in _PHRASE.finditer(text)]


def _runs(text: str, phrases: Sequence[_Phrase]) -> list[tuple[list[_Phrase], bool]]:
    """Cut phrases into runs that only *or*, commas and slashes hold together.

    Also tell of each whether it lists options: has an *or* or a slash in it.
    """
    runs: list[tuple[list[_Phrase], bool]] = []
    end = 0
    for phrase in phrases:
        gap = _GAP.fullmatch(text, end, phrase.start)
        if runs and gap:
            run, is_list = runs[-1]
            is_list |= 'or' in gap[0].lower() or '/' in gap[0]
            runs[-1] = [*run, phrase], is_list
        else:
            runs.append(([phrase], False))
        end = phrase.end
    return runs


def has_direction(text: str) -> bool:
    """Tell whether a flip or turn of the image may change what a text says."""
    return _PHRASE.search(text) is not None


def rewrite(text: str, element: int) -> str:
    """Rewrite the direction words of a text as its image is flipped or turned.

    *element* is what is done to the image, an element of D4 as in
    :class:`~torchgeo_vqa.transforms.RandomDihedral`. A question or an answer that names no
    direction stays unchanged.

    Example:
        >>> rewrite('Is the ship in the upper left, left of the bridge?', 1)
        'Is the ship in the lower left, below the bridge?'
        >>> rewrite('Which half holds more water, the northern or the southern?', 5)
        'Which half holds more water, the eastern or the western?'
    """
    pieces, position = [], 0
    for run, is_list in _runs(text, _phrases(text)):
        options = {phrase.vector for phrase in run}
        if is_list and options == {turn(*v, k) for v in options for k in ELEMENTS}:
            continue
        for phrase in run:
            vector = turn(*phrase.vector, element)
            if vector != phrase.vector:
                old = text[phrase.start : phrase.end]
                new = _as_cased(old, phrase.words(vector))
                pieces += [text[position : phrase.start], new]
                position = phrase.end
    return ''.join([*pieces, text[position:]])


def _as_cased(old: str, new: str) -> str:
    """Give new words the case of the ones they replace."""
    if old.isupper():
        return new.upper()
    return new[0].upper() + new[1:] if old[0].isupper() else new


def canonical(text: str) -> str:
    """Return a form of a text to compare with, the same for wordings that mean the same.

    *Top*, *upper* and *above* are one, *left*, *left of* and *to the left* too.
    The compass and *horizontal* stay apart from them.
    """
    pieces, position = [], 0
    phrases = _phrases(text)
    for phrase in phrases:
        family = {'north': 'c', 'n': 'c', 'axis': 'a'}.get(phrase.style, 'i')
        x, y = phrase.vector
        pieces += [text[position : phrase.start], f' {family}({x};{y}){phrase.suffix} ']
        position = phrase.end
    words = ''.join([*pieces, text[position:]]).casefold().split()
    return ' '.join(w for w in words if not phrases or w not in _FILLERS)
