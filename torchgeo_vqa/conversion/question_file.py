# SPDX-License-Identifier: MIT
"""Question files of other people's making: CSV, JSON lines, JSON lists, RSVQA's triples."""

import csv
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..annotations.json_stream import is_unicode, stream
from ..annotations.rsvqa_file import RSVQAFiles, entries
from ..sample import SPLITS
from ..storage import is_inside
from .report import RejectedRow

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


class Row(NamedTuple):
    """A question about an image; *split* is '' if the file has none, the rest as in RejectedRow."""

    file: str
    number: int
    image: str
    question_type: str
    question: str
    answer: str
    split: str


@dataclass(frozen=True)
class QuestionFormat:
    """How question files are written.

    Attributes:
        image_column: Column of the image's name (defaults to 'image'; for RSVQA's files
            the key of an image, which defaults to 'id').
        question_column: Column of the question (defaults to 'question').
        answer_column: Column of the answer (defaults to 'answer').
        question_type_column: Column of the question's type (defaults to 'question_type',
            if there is such a column).
        split_column: Column of the split (defaults to 'split', if there is such a
            column).
        question_type: Type of questions that have none.
        encoding: Encoding of the files.
        delimiter: What separates the cells of .csv files.
    """

    image_column: str | None = None
    question_column: str | None = None
    answer_column: str | None = None
    question_type_column: str | None = None
    split_column: str | None = None
    question_type: str = 'question'
    encoding: str = 'utf-8-sig'
    delimiter: str = ','

    def column(self, field: str) -> str:
        """Return the name of the column that holds a field."""
        return str(getattr(self, f'{field}_column') or field)

    def missing(self, found: Collection[str]) -> str | None:
        """Return a field that is needed, or named by the user, but has no column."""
        for field in _FIELDS:
            needed = field in _NEEDED or getattr(self, f'{field}_column') is not None
            if needed and self.column(field) not in found:
                return field
        return None


@dataclass(frozen=True)
class QuestionFile:
    """A file of questions that ends in .csv, .tsv, .jsonl, .ndjson or .json."""

    path: Path
    format: QuestionFormat = QuestionFormat()

    @property
    def split(self) -> str | None:
        """The split that the name of the file contains, if there is one."""
        words = re.split(r'[^a-z]+', self.path.stem.lower())
        splits = {SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES}
        return splits.pop() if len(splits) == 1 else None

    def rows(self) -> Iterator[Row | RejectedRow]:
        """Yield each row, or why it cannot be taken.

        Raise an OSError if the file cannot be read, a ValueError if it is no such file.
        """
        try:
            for number, cells in self._read():
                yield self._check(number, cells)
        except UnicodeError as error:
            raise ValueError(
                f'{self.path} is not encoded in {self.format.encoding} ({error}); name its '
                'encoding, for example --encoding latin-1'
            ) from error

    def _read(self) -> Iterator[_Cells]:
        """Read the file with the reader for its format."""
        extension = self.path.suffix.lower()
        if extension in ('.csv', '.tsv'):
            tab = '\t' if extension == '.tsv' else None
            return self._read_csv(tab or self.format.delimiter)
        if extension in ('.jsonl', '.ndjson'):
            return self._read_json_lines()
        if extension == '.json':
            first = next(stream(self.path, self.format.encoding), (None, None))[0]
            if first is not None:
                return self._read_rsvqa()
            elements = enumerate(stream(self.path, self.format.encoding))
            return ((number, self._of_json(e)) for number, (_, e) in elements)
        raise ValueError(
            f'{self.path} must end in .csv, .tsv, .jsonl, .ndjson or .json'
        )

    def _read_csv(self, delimiter: str) -> Iterator[_Cells]:
        """Read comma-separated values, the names of the columns in the first line."""
        with self.path.open(encoding=self.format.encoding, newline='') as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            try:
                header = next(reader, [])
                if missing := self.format.missing(header):
                    raise ValueError(
                        f'{self.path} has no column {self.format.column(missing)!r}, but '
                        f'{header}; name the right one with --{missing}_column'
                    )
                position = {
                    field: header.index(self.format.column(field))
                    for field in _FIELDS
                    if self.format.column(field) in header
                }
                number = reader.line_num + 1
                for cells in reader:
                    if len(cells) == len(header):
                        yield number, {f: cells[i] for f, i in position.items()}
                    elif cells:  # an empty line is no row
                        detail = f'{len(cells)} cells, but {len(header)} columns'
                        yield number, ('wrong number of cells', detail)
                    number = reader.line_num + 1
            except csv.Error as error:
                raise ValueError(
                    f'{self.path}, line {reader.line_num}: {error}; is a quote left '
                    'open, or the delimiter another?'
                ) from error

    def _read_json_lines(self) -> Iterator[_Cells]:
        """Read a JSON object per line."""
        with self.path.open(encoding=self.format.encoding) as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    element = json.loads(line)
                except ValueError as error:
                    yield number, ('malformed row', f'not valid JSON: {error}')
                else:
                    yield number, self._of_json(element)

    def _of_json(self, element: Any) -> Mapping[str, Any] | tuple[str, str]:
        """Return the cells of an object, or of a list in the order of OSVQA's release."""
        if isinstance(element, list) and len(element) == len(_FIELDS) - 1:
            return dict(zip(_FIELDS, element, strict=False))
        if isinstance(element, dict):
            if missing := self.format.missing(element):
                column = self.format.column(missing)
                return 'missing key', f'no key {column!r} among {sorted(element)}'
            return {field: element.get(self.format.column(field)) for field in _FIELDS}
        got = json.dumps(element)[:80]
        return 'malformed row', f'must be an object, or a list of four, got {got}'

    def _read_rsvqa(self) -> Iterator[_Cells]:
        """Read RSVQA's three files, of which this is the one of the questions."""
        head, found, tail = self.path.name.rpartition('questions')
        beside = [
            self.path.with_name(f'{head}{x}{tail}') for x in ('answers', 'images')
        ]
        if not found or not all(path.exists() for path in beside):
            raise ValueError(
                f'{self.path} is a JSON object. A list is expected, or the questions of '
                'RSVQA, <name>_questions.json, with <name>_images.json and '
                '<name>_answers.json beside it'
            )
        files = RSVQAFiles(self.path, *beside)
        key, encoding = self.format.image_column or 'id', self.format.encoding
        image = next(entries(files.images, 'images', encoding), None)
        if image is not None and key not in image:
            raise ValueError(
                f'{files.images}: an image has no {key!r}, but {sorted(image)}; name '
                'the right key with --image_column'
            )
        for row in files.rows(key, encoding):
            yield row.number, row.problem or {f: getattr(row, f) for f in _FIELDS[:-1]}

    def _check(
        self, number: int, cells: Mapping[str, Any] | tuple[str, str]
    ) -> Row | RejectedRow:
        """Return the row of some cells, or why it is rejected."""
        file = str(self.path)
        if isinstance(cells, tuple):
            return RejectedRow(file, number, '', *cells)
        image = _text(cells.get('image')) or ''
        texts = {}
        for field in _FIELDS:
            text = _text(cells.get(field))
            if text is None:
                detail = f'{field} must be text, got {json.dumps(cells[field])[:80]}'
                return RejectedRow(file, number, image, 'not text', detail)
            if not text and field in _NEEDED:
                reason, detail = f'empty {field}', f'{field} is empty'
                return RejectedRow(file, number, image, reason, detail)
            if not is_unicode(text):
                detail = f'{field} holds half a character: {ascii(text)[:80]}'
                # The report could not be written either
                return RejectedRow(file, number, ascii(image), 'not Unicode', detail)
            texts[field] = text
        if not is_inside(image):
            detail = f'an image is named by a path below its folder, got {image!r}'
            return RejectedRow(file, number, image, 'unsafe image name', detail)
        texts['question_type'] = texts['question_type'] or self.format.question_type
        texts['split'] = SPLIT_NAMES.get(texts['split'].lower(), texts['split'])
        return Row(file, number, **texts)


def _text(cell: Any) -> str | None:
    """Return the text of a cell, '' if it is empty, None if it is neither text nor a number."""
    if isinstance(cell, str | None):
        return (cell or '').strip()
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return json.dumps(cell)
    return None
