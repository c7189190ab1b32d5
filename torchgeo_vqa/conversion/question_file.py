# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Question files of other people's making: CSV, JSON lines, JSON lists, RSVQA's triples."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..annotations.json_stream import is_unicode, stream
from ..sample import SPLITS
from ..storage import is_inside
from .row import Refusal, Row

#: Reason of RSVQA's stubs, which stand for the questions of other splits.
INACTIVE = 'inactive'

#: Spellings of a split's name.
SPLIT_NAMES = {
    **{name: name for name in SPLITS},
    **dict.fromkeys(('training', 'trn'), 'train'),
    **dict.fromkeys(('validation', 'valid', 'dev'), 'val'),
    'testing': 'test',
}

# What a reader yields: number of the row, and its cells by the names of `_FIELDS` or a
# reason with a detail.
_Cells = tuple[int, Mapping[str, Any] | tuple[str, str]]

# Fields of a row in the order of the release's lists; the last is not among them.
_FIELDS = ('image', 'question_type', 'question', 'answer', 'split')

_NEEDED = ('image', 'question', 'answer')


@dataclass(frozen=True)
class Columns:
    """Names of the columns that hold a row's fields; None where there is a usual one.

    Attributes:
        image: Column of the image's name, 'image' by default. For RSVQA's triples the key
            in its list of images, 'id' by default.
        question: Column of the question, 'question' by default.
        answer: Column of the answer, 'answer' by default.
        question_type: Column of the question's type, 'question_type' by default.
        split: Column of the split, 'split' by default.
    """

    image: str | None = None
    question: str | None = None
    answer: str | None = None
    question_type: str | None = None
    split: str | None = None

    def name(self, field: str) -> str:
        """Name of the column that holds a field."""
        name: str | None = getattr(self, field)
        return field if name is None else name

    def missing(self, found: Iterable[str]) -> list[str]:
        """List fields that are needed, or named by the user, but have no column."""
        found = set(found)
        return [
            field
            for field in _FIELDS
            if (field in _NEEDED or getattr(self, field) is not None)
            and self.name(field) not in found
        ]


@dataclass(frozen=True)
class QuestionFile:
    """A file of questions.

    Attributes:
        path: The file, which ends in .csv, .tsv, .jsonl, .ndjson or .json.
        columns: Names of its columns.
        question_type: Type of questions whose type is not told.
        encoding: Encoding of the file.
        delimiter: What separates cells of a CSV file.
    """

    path: Path
    columns: Columns
    question_type: str = 'question'
    encoding: str = 'utf-8-sig'
    delimiter: str = ','

    @property
    def split(self) -> str | None:
        """The split that the file's name tells, if it does."""
        words = re.split(r'[^a-z]+', self.path.stem.lower())
        splits = {SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES}
        return splits.pop() if len(splits) == 1 else None

    def rows(self) -> Iterator[Row | Refusal]:
        """Read the file.

        Yields:
            Each row, or why it cannot be taken.

        Raises:
            OSError: If the file cannot be read.
            ValueError: If it is not such a file.
        """
        try:
            for number, cells in self._read():
                yield self._check(number, cells)
        except UnicodeError as error:
            raise ValueError(
                f'{self.path} is not encoded in {self.encoding} ({error}); name its '
                'encoding, for example --encoding latin-1'
            ) from error

    # --- formats ----------------------------------------------------------------------

    def _read(self) -> Iterator[_Cells]:
        """Read the file with the reader for its format."""
        extension = self.path.suffix.lower()
        if extension in ('.csv', '.tsv'):
            return self._read_csv('\t' if extension == '.tsv' else self.delimiter)
        if extension in ('.jsonl', '.ndjson'):
            return self._read_json_lines()
        if extension == '.json':
            first = next(stream(self.path, self.encoding), (None, None))[0]
            if first is None:
                return self._read_json()
            return self._read_rsvqa()
        raise ValueError(
            f'a question file must end in .csv, .tsv, .jsonl, .ndjson or .json, got '
            f'{self.path}'
        )

    def _read_csv(self, delimiter: str) -> Iterator[_Cells]:
        """Read comma-separated values, the names of the columns in the first line."""
        with self.path.open(encoding=self.encoding, newline='') as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            try:
                header = next(reader, [])
                self._check_columns(header)
                position = {
                    field: header.index(self.columns.name(field))
                    for field in _FIELDS
                    if self.columns.name(field) in header
                }
                number = reader.line_num + 1
                for cells in reader:
                    if len(cells) == len(header):
                        yield number, {f: cells[i] for f, i in position.items()}
                    elif cells:  # an empty line is no row
                        yield (
                            number,
                            (
                                'wrong number of cells',
                                f'{len(cells)} cells, but {len(header)} columns',
                            ),
                        )
                    number = reader.line_num + 1
            except csv.Error as error:
                raise ValueError(
                    f'{self.path}, line {reader.line_num}: {error}; is a quote left '
                    'open, or the delimiter another?'
                ) from error

    def _check_columns(self, found: Sequence[str]) -> None:
        """Raise a ValueError if a column is missing from a header."""
        for field in self.columns.missing(found):
            raise ValueError(
                f'{self.path} has no column {self.columns.name(field)!r}, but '
                f'{list(found)}; name the right one with --{field}_column'
            )

    def _read_json_lines(self) -> Iterator[_Cells]:
        """Read a JSON object per line."""
        with self.path.open(encoding=self.encoding) as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    element = json.loads(line)
                except ValueError as error:
                    yield number, ('malformed row', f'not valid JSON: {error}')
                else:
                    yield number, self._of_json(element)

    def _read_json(self) -> Iterator[_Cells]:
        """Read a JSON list: of lists as in OSVQA's release, or of objects."""
        for number, (_, element) in enumerate(stream(self.path, self.encoding)):
            yield number, self._of_json(element)

    def _of_json(self, element: Any) -> Mapping[str, Any] | tuple[str, str]:
        """Take an object, or a list in the order of OSVQA's release, apart."""
        if isinstance(element, list) and len(element) == len(_FIELDS) - 1:
            return dict(zip(_FIELDS, element, strict=False))
        if isinstance(element, dict):
            if missing := self.columns.missing(element):
                column = self.columns.name(missing[0])
                return 'missing key', f'no key {column!r} among {sorted(element)}'
            return {field: element.get(self.columns.name(field)) for field in _FIELDS}
        return (
            'malformed row',
            f'must be an object, or a list of four, got {json.dumps(element)[:80]}',
        )

    def _read_rsvqa(self) -> Iterator[_Cells]:
        """Read RSVQA's three files, of which this is the one of the questions."""
        load = partial(_active, encoding=self.encoding)
        key = self.columns.image or 'id'
        images: dict[Any, Any] = {}
        for image in load(self._beside('images'), 'images'):
            if key not in image:
                raise ValueError(
                    f'{self._beside("images")}: an image has no {key!r}, but '
                    f'{sorted(image)}; name the right key with --image_column'
                )
            images[image['id']] = image[key]
        # Many answers are the same few words
        texts: dict[str, str] = {}
        answers: dict[Any, Any] = {}
        for answer in load(self._beside('answers'), 'answers'):
            text = answer.get('answer')
            answers[answer['id']] = (
                texts.setdefault(text, text) if isinstance(text, str) else text
            )
        number = -1
        for name, question in stream(self.path, self.encoding):
            if name != 'questions':
                continue
            number += 1
            if not isinstance(question, dict):
                yield number, ('malformed row', f'got {json.dumps(question)[:80]}')
            elif not question.get('active', True):
                yield number, (INACTIVE, 'a stub for a question of another split')
            else:
                yield number, _of_rsvqa(question, images, answers)

    def _beside(self, noun: str) -> Path:
        """Path of the images or answers that belong to RSVQA's questions."""
        head, found, tail = self.path.name.rpartition('questions')
        path = self.path.with_name(f'{head}{noun}{tail}')
        if not found or not path.exists():
            raise ValueError(
                f'{self.path} is a JSON object. A list is expected, or the questions of '
                'RSVQA, <name>_questions.json, with <name>_images.json and '
                '<name>_answers.json beside it'
            )
        return path

    # --- rows -------------------------------------------------------------------------

    def _check(
        self, number: int, cells: Mapping[str, Any] | tuple[str, str]
    ) -> Row | Refusal:
        """Turn cells into a row, or say why not."""
        file = str(self.path)
        if isinstance(cells, tuple):
            return Refusal(file, number, '', *cells)
        image = _text(cells.get('image')) or ''
        texts = {}
        for field in _FIELDS:
            text = _text(cells.get(field))
            if text is None:
                detail = f'{field} must be text, got {json.dumps(cells[field])[:80]}'
                return Refusal(file, number, image, 'not text', detail)
            if not text and field in _NEEDED:
                return Refusal(
                    file, number, image, f'empty {field}', f'{field} is empty'
                )
            if not is_unicode(text):
                detail = f'{field} holds half a character: {ascii(text)[:80]}'
                # The report could not be written either
                return Refusal(file, number, ascii(image), 'not Unicode', detail)
            texts[field] = text
        if not is_inside(image):
            detail = f'an image is named by a path below its folder, got {image!r}'
            return Refusal(file, number, image, 'unsafe image name', detail)
        split = SPLIT_NAMES.get(texts['split'].lower())
        return Row(
            file,
            number,
            image,
            texts['question_type'] or self.question_type,
            texts['question'],
            texts['answer'],
            split or texts['split'] or None,
        )


def _active(path: Path, key: str, encoding: str) -> Iterator[dict[str, Any]]:
    """Read one of RSVQA's lists without its stubs."""
    for name, element in stream(path, encoding):
        if name != key:
            continue
        if not isinstance(element, dict) or 'id' not in element:
            raise ValueError(
                f'{path}: each of {key!r} must be an object with an id, got '
                f'{json.dumps(element)[:80]}'
            )
        if element.get('active', True):
            yield element


def _of_rsvqa(
    question: Mapping[str, Any], images: Mapping[Any, Any], answers: Mapping[Any, Any]
) -> Mapping[str, Any] | tuple[str, str]:
    """Join a question of RSVQA with its image and its answer."""
    image = question.get('img_id')
    if image not in images:
        return 'missing image', f'no active image has id {image!r}'
    ids = question.get('answers_ids')
    if not isinstance(ids, list) or len(ids) != 1:
        return 'not one answer', f'answers_ids must hold one id, got {json.dumps(ids)}'
    if ids[0] not in answers:
        return 'missing answer', f'no active answer has id {ids[0]!r}'
    return {
        'image': images[image],
        'question_type': question.get('type'),
        'question': question.get('question'),
        'answer': answers[ids[0]],
    }


def _text(cell: Any) -> str | None:
    """Text of a cell, '' if it is empty, None if it is neither text nor a number."""
    if cell is None:
        return ''
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return json.dumps(cell)
    return None
