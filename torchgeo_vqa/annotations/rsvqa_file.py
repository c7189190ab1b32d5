# SPDX-License-Identifier: MIT
"""Question files in the format of RSVQA: questions, answers and images apart."""

import json
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from .json_stream import stream
from .question_table import QuestionTable, encode, keep_whole

#: Problem of an entry that stands for a question of another split.
INACTIVE = 'inactive'

_ENCODING = 'utf-8-sig'

Entry = dict[str, Any]


class RSVQARow(NamedTuple):
    """A question joined with its image and its answer; missing cells are None.

    *number* is its position in the list. *problem* tells why it cannot be joined, in the same
    words for all such rows, and what is wrong with this one.
    """

    number: int
    id: Any
    image: Any = None
    question_type: Any = None
    question: Any = None
    answer: Any = None
    problem: tuple[str, str] | None = None


class RSVQAFiles(NamedTuple):
    """The files of a split in the format of RSVQA.

    Each is an object ``{"<questions, answers or images>": [{"id": ...}, ...]}``. An entry
    of another split is left in the list as ``{"id": ..., "active": false}``, and is not
    read. Of several answers to a question the first counts, as in `RSVQA's own code
    <https://github.com/syvlo/RSVQA>`__; the published files have one for each.
    """

    questions: Path
    answers: Path
    images: Path

    @classmethod
    def of_split(cls, folder: Path, prefix: str, split: str) -> 'RSVQAFiles':
        """Name the files of a split as RSVQA does, with a prefix such as 'LR'."""
        return cls(*(folder / f'{prefix}_split_{split}_{x}.json' for x in cls._fields))

    def read(
        self, image_key: str, on_error: Literal['raise', 'skip']
    ) -> QuestionTable | None:
        """Read the questions, or what was cached of them; None unless all files are there.

        *image_key* is the key of an image's name, 'id' or 'original_name'. A question without
        type, text, answer or image raises a ValueError, or is skipped, as *on_error* says.
        """
        if not all(path.exists() for path in self):
            return None

        def parse() -> tuple[pa.Table, int]:
            cells = (
                row[1:-1]
                for row in self.rows(image_key)
                if row.problem is None or row.problem[0] != INACTIVE
            )
            sources = {'image': self.images, 'answer': self.answers}
            return keep_whole(encode(cells), self.questions, on_error, sources)

        return QuestionTable.cached(self, parse, on_error)

    def rows(
        self, image_key: str = 'id', encoding: str = _ENCODING
    ) -> Iterator[RSVQARow]:
        """Yield all questions, also those that cannot be joined or belong to another split."""
        images = _Values(entries(self.images, 'images', encoding), image_key)
        answers = _Values(entries(self.answers, 'answers', encoding), 'answer')
        values = stream(self.questions, encoding)
        listed = (value for key, value in values if key == 'questions')
        for number, question in enumerate(listed):
            yield _join(number, question, images, answers)


def entries(path: Path, key: str, encoding: str = _ENCODING) -> Iterator[Entry]:
    """Yield the entries of the list *key* of a file that are active: of this split.

    Raise a ValueError if they are not objects with an id.
    """
    for name, entry in stream(path, encoding):
        if name != key:
            continue
        if not isinstance(entry, dict) or 'id' not in entry:
            got = json.dumps(entry)[:80]
            raise ValueError(f'{path}: {key} must be objects with an id, got {got}')
        if entry.get('active', True):
            yield entry


class _Values:
    """A value for each id: those of a million ids are no million Python objects."""

    def __init__(self, entries: Iterable[Entry], key: str) -> None:
        self.key = key
        self.values: list[Any] = []
        # Many answers are the same few words
        code_of: dict[str, int] = {}
        numbers, codes = array('q'), array('i')
        self.code_of_name: dict[str, int] = {}
        for entry in entries:
            name, value = entry['id'], entry.get(key)
            if key == 'id':
                value = str(value)  # the name of an image
            code = len(self.values)
            if isinstance(value, str):
                code = code_of.setdefault(value, code)
            if code == len(self.values):
                self.values.append(value)
            if isinstance(name, str):
                self.code_of_name.setdefault(name, code)
            elif type(name) is int and name.bit_length() < 64:
                numbers.append(name)
                codes.append(code)
        order = np.argsort(numbers, kind='stable')
        self.numbers = array('q', np.asarray(numbers)[order].tobytes())
        self.codes = np.asarray(codes)[order]

    def get(self, name: object) -> Any:
        """Return the value of an id; None if it has none."""
        code = None
        if isinstance(name, str):
            code = self.code_of_name.get(name)
        elif type(name) is int:
            position = bisect_left(self.numbers, name)
            if position < len(self.numbers) and self.numbers[position] == name:
                code = self.codes[position]
        return None if code is None else self.values[code]


def _join(number: int, question: object, images: _Values, answers: _Values) -> RSVQARow:
    """Join a question with its image and its answer."""
    if not isinstance(question, dict):
        detail = f'must be an object, got {json.dumps(question)[:80]}'
        return RSVQARow(number, number, problem=('malformed row', detail))
    name = question.get('id', number)
    if not question.get('active', True):
        detail = 'a stub for a question of another split'
        return RSVQARow(number, name, problem=(INACTIVE, detail))
    image_id, answer_ids = question.get('img_id'), question.get('answers_ids')
    answer_id = answer_ids[0] if isinstance(answer_ids, list) and answer_ids else None
    image, answer = images.get(image_id), answers.get(answer_id)
    problem = None
    for noun, value, missing, key in (
        ('answer', answer, answer_id, answers.key),
        ('image', image, image_id, images.key),
    ):
        if value is None:
            detail = (
                f'no active {noun} has the id {json.dumps(missing)[:80]} and a {key!r}'
            )
            problem = f'missing {noun}', detail
    question_type, text = question.get('type'), question.get('question')
    return RSVQARow(number, name, image, question_type, text, answer, problem)
