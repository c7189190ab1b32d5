# SPDX-License-Identifier: MIT
"""Questions and answers of one split, in Arrow columns."""

import copy
import json
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import batched
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..sample import CONTEXT_LENGTH
from .json_stream import is_unicode
from .layout import EXTENSION
from .table_cache import cached_table

Ids = Tensor | NDArray[np.integer] | Sequence[int]

#: Columns of an annotation file, in its order.
COLUMNS = ('image', 'question_type', 'question', 'answer')


class QuestionTable:
    """Questions and answers of one split, a row each.

    A million rows must not become Python objects: every column is an array of codes into
    the distinct texts of the column, which stay in Arrow.
    """

    def __init__(
        self, table: pa.Table, num_malformed: int = 0, contradictions: str = ''
    ) -> None:
        """Take dictionary-encoded :data:`COLUMNS`, and what is known of them.

        That is the number of rows left out, and what :func:`find_contradictions` says.
        """
        self.num_malformed = num_malformed
        self.contradictions = contradictions
        table = table.unify_dictionaries()
        #: Distinct texts of each column.
        self.values: dict[str, pa.StringArray] = {}
        #: Index of each row's text, (N,) int32.
        self.codes: dict[str, NDArray[np.int32]] = {}
        for name in COLUMNS:
            column = table[name].combine_chunks()
            self.values[name] = column.dictionary
            self.codes[name] = column.indices.to_numpy().astype(np.int32)
        self._index()

    def _index(self) -> None:
        """Group rows by image, and forget the tokens."""
        images = self.codes['image']
        counts = np.bincount(images, minlength=len(self.values['image']))
        #: Number of questions of each distinct image.
        self.num_questions = counts
        self._order = np.argsort(images, kind='stable')
        self._start = np.concatenate([[0], np.cumsum(counts)])
        self._tokens: NDArray[np.uint16] | None = None
        self._warned = False

    @classmethod
    def read(
        cls, path: Path, on_error: Literal['raise', 'skip'] = 'raise'
    ) -> 'QuestionTable':
        """Read an annotation file, or what was cached of it.

        It is a JSON list of lists ``[image_name, question_type, question, answer]``. Raise a
        ValueError if it is not, or for a malformed row, unless *on_error* says to 'skip' it.
        """
        return cls.cached([path], lambda: _parse(path, on_error), on_error)

    @classmethod
    def cached(
        cls,
        paths: Sequence[Path],
        parse: Callable[[], tuple[pa.Table, int]],
        on_error: Literal['raise', 'skip'] = 'raise',
        name: str | None = None,
    ) -> 'QuestionTable':
        """Parse files of any format, or read what was cached of them.

        *parse* returns :data:`COLUMNS` and the number of malformed rows, which it leaves out,
        or raises an error for if *on_error* is 'raise'. The cache is kept beside the first of
        the files, under its name unless another is given.
        """

        def make() -> pa.Table:
            table, num_malformed = parse()
            said = find_contradictions(cls(table)).encode()
            return table.replace_schema_metadata(
                {b'malformed': b'%d' % num_malformed, b'contradictions': said}
            )

        def is_usable(table: pa.Table) -> bool:
            # A malformed row is parsed again, for an error that shows it
            return on_error == 'skip' or table.schema.metadata[b'malformed'] == b'0'

        table = cached_table(paths, make, is_usable, name)
        known = table.schema.metadata
        said = known[b'contradictions'].decode()
        return cls(table, int(known[b'malformed']), said)

    @classmethod
    def of_rows(cls, rows: Sequence[Sequence[str]]) -> 'QuestionTable':
        """Return a table of rows of :data:`COLUMNS`."""
        cells = zip(*rows, strict=True)
        columns = [pa.array(cell, pa.string()).dictionary_encode() for cell in cells]
        return cls(pa.table(columns, names=list(COLUMNS)))

    def __len__(self) -> int:
        """Return the number of questions."""
        return len(self.codes['question'])

    def __getstate__(self) -> dict[str, Any]:
        """Leave the tokens out of a pickle: they are quickly computed again."""
        return self.__dict__ | {'_tokens': None}

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> 'QuestionTable':
        """Return a table of the rows of a mask (N,) or of row numbers, which may repeat.

        They are numbered anew. Codes stay as they are.
        """
        table = copy.copy(self)
        table.codes = {name: codes[rows] for name, codes in self.codes.items()}
        table._index()
        return table

    def map_answers(self, function: Callable[[str], str]) -> 'QuestionTable':
        """Return a table with answers replaced by a function, such as counts by ranges."""
        texts = [function(text) for text in self.values['answer'].to_pylist()]
        new = pa.array(texts, pa.string()).dictionary_encode()
        codes = new.indices.to_numpy().astype(np.int32)[self.codes['answer']]
        table = copy.copy(self)
        table.values = self.values | {'answer': new.dictionary}
        table.codes = self.codes | {'answer': codes}
        return table

    def rows(self, image: int) -> NDArray[np.int64]:
        """Return the row numbers of the questions about an image, given its code, ascending."""
        return self._order[self._start[image] : self._start[image + 1]]

    def text(self, column: str, ids: Ids) -> list[str]:
        """Return the texts of a column for some row numbers.

        Raise an IndexError if there is no such row; -1 stands for padding, not for the last.
        """
        rows = np.asarray(ids, dtype=np.int64).reshape(-1)
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self):
            raise IndexError(
                f'question ids must be from 0 to {len(self) - 1}, got '
                f'{rows.min()} to {rows.max()}; leave padding (-1) out'
            )
        texts = self.values[column].take(pa.array(self.codes[column][rows]))
        return cast(list[str], texts.to_pylist())

    def tokens(self, ids: NDArray[np.integer]) -> Tensor:
        """Tokenize the questions of K rows for CLIP: ids (K, 77), int64, padded by 0."""
        if self._tokens is None:
            # 49,408 token ids fit in 16 bits; a row of zeros is not tokenized yet
            shape = (len(self.values['question']), CONTEXT_LENGTH)
            self._tokens = np.zeros(shape, np.uint16)
        codes = self.codes['question'][ids]
        new = np.unique(codes[self._tokens[codes, 0] == 0])
        if len(new):
            # Here, since it takes seconds to import and datasets must open without
            from open_clip import tokenize

            texts = self.values['question'].take(pa.array(new)).to_pylist()
            tokens = tokenize(texts, CONTEXT_LENGTH).numpy()
            self._tokens[new] = tokens
            if not self._warned and tokens[:, -1].any():
                self._warn_of_long_questions()
        return torch.from_numpy(self._tokens[codes].astype(np.int64))

    def _warn_of_long_questions(self) -> None:
        """Warn once of questions that CLIP does not read to their end."""
        from open_clip import tokenize

        self._warned = True
        texts = self.values['question']
        # A token has a character at least
        long = texts.filter(pc.greater(pc.utf8_length(texts), CONTEXT_LENGTH - 2))
        tokens = tokenize(long.to_pylist(), CONTEXT_LENGTH + 1)
        cut = [text for text, row in zip(long, tokens, strict=True) if row[-1]]
        if cut:
            warnings.warn(
                f'{len(cut)} of {len(texts)} different questions have more than the '
                f'{CONTEXT_LENGTH} tokens that CLIP reads, the rest is cut off: '
                f'{cut[0].as_py()[:80]!r}...',
                UserWarning,
            )


def find_contradictions(table: QuestionTable) -> str:
    """Say which questions about one image have several answers, empty if none has.

    Upper and lower case make no other question, but they make another answer: labels are
    texts.
    """
    texts = pc.utf8_lower(table.values['question']).to_pylist()
    questions = np.unique(texts, return_inverse=True)[1][table.codes['question']]
    size = max(1, len(table.values['answer']))
    asked = table.codes['image'].astype(np.int64) * (len(texts) + 1) + questions
    pairs = np.unique(asked * size + table.codes['answer'])
    keys, counts = np.unique(pairs // size, return_counts=True)
    if not (counts > 1).any():
        return ''
    rows = np.flatnonzero(np.isin(asked, keys[counts > 1]))
    rows = rows[asked[rows] == asked[rows[0]]]
    answers = ' and '.join(map(repr, dict.fromkeys(table.text('answer', rows))))
    numbers = ', '.join(map(str, rows[:5].tolist()))
    return (
        f'{(counts > 1).sum()} questions about one image have several answers, each of '
        f'which counts as true: {table.text("question", rows[:1])[0]!r} about '
        f'{table.text("image", rows[:1])[0]} has {answers} in rows {numbers} (the first '
        'is 0)'
    )


def decode(tokens: Tensor) -> str:
    """Decode the tokens (L,) of a question, padded by 0, into text in lower case."""
    from open_clip import decode as decode_tokens

    # Without padding, start and end
    return cast(str, decode_tokens(tokens[tokens != 0][1:-1])).strip()


def _parse(path: Path, on_error: Literal['raise', 'skip']) -> tuple[pa.Table, int]:
    """Parse an annotation file: the table, and the number of malformed rows."""
    data = path.read_bytes()
    num_malformed = 0
    columns = _parse_fast(data)
    if columns is None:
        rows = _load(path, data)
        good = [row for row in rows if _is_well_formed(row)]
        num_malformed = len(rows) - len(good)
        if num_malformed and on_error == 'raise':
            number = next(i for i, row in enumerate(rows) if not _is_well_formed(row))
            raise ValueError(
                f'{path}: row {number} (the first is 0) must be four strings that are '
                f'not empty, {list(COLUMNS)}, got {json.dumps(rows[number])[:200]}; '
                f'{num_malformed} of {len(rows)} rows are malformed, '
                "on_error='skip' leaves them out"
            )
        columns = [
            pc.utf8_trim_whitespace(pa.array([row[i] for row in good], pa.string()))
            for i in range(len(COLUMNS))
        ]
    columns[0] = pc.replace_substring_regex(columns[0], EXTENSION, '')
    encoded = [pc.dictionary_encode(column) for column in columns]
    return pa.table(encoded, names=list(COLUMNS)), num_malformed


def _parse_fast(data: bytes) -> list[pa.Array] | None:
    """Parse a well-formed annotation file in Arrow; None if there is anything amiss."""
    # Arrow reads objects only
    data = b'{"rows":' + data + b'}'
    try:
        rows = pyarrow.json.read_json(
            pa.BufferReader(data),
            read_options=pyarrow.json.ReadOptions(block_size=len(data) + 1),
            parse_options=pyarrow.json.ParseOptions(
                explicit_schema=pa.schema({'rows': pa.list_(pa.list_(pa.string()))}),
                newlines_in_values=True,
            ),
        )['rows'].combine_chunks()
        rows.validate(full=True)  # also that it is UTF-8
    except (pa.ArrowInvalid, OverflowError):
        return None
    if len(rows) != 1 or rows.null_count:
        return None
    rows = rows.flatten()
    lengths = pc.list_value_length(rows)
    if rows.null_count or not pc.all(pc.equal(lengths, 4)).as_py():
        return None
    columns = [pc.utf8_trim_whitespace(pc.list_element(rows, i)) for i in range(4)]
    good = (not c.null_count and pc.all(pc.not_equal(c, '')).as_py() for c in columns)
    return columns if all(good) else None


def _load(path: Path, data: bytes) -> list[Any]:
    """Load JSON that must be a list."""
    try:
        rows = json.loads(data)
    except (RecursionError, ValueError) as error:
        raise ValueError(f'{path} is not valid JSON: {error}') from error
    if not isinstance(rows, list):
        got = type(rows).__name__
        raise ValueError(f'{path} must hold a list of rows, got {got}')  # noqa: TRY004
    return rows


def _is_well_formed(row: object) -> bool:
    """Return whether a row is four strings that are not empty."""
    return isinstance(row, list) and len(row) == len(COLUMNS) and all(map(_text, row))


_SCHEMA = pa.schema(
    [('id', pa.string())]
    + [(name, pa.dictionary(pa.int32(), pa.string())) for name in COLUMNS]
)

# Rows that are Python objects at the same time
_BATCH = 100_000


def encode(rows: Iterable[Sequence[Any]]) -> pa.Table:
    """Encode rows of an id and the cells of :data:`.COLUMNS` in Arrow, a batch at a time.

    Texts are dictionary-encoded, without white space around, null where a cell is missing,
    no text, no Unicode or empty.
    """
    batches = []
    for batch in batched(rows, _BATCH):
        ids, *cells = zip(*batch, strict=True)
        # Ids are made texts that can be written
        names = [str(i).encode('ascii', 'backslashreplace').decode() for i in ids]
        columns: list[list[str | None]] = [list(names)]
        columns += [[_text(cell) for cell in column] for column in cells]
        arrays = map(pa.array, columns, _SCHEMA.types)
        batches.append(pa.record_batch(list(arrays), _SCHEMA))
    return pa.Table.from_batches(batches, _SCHEMA).unify_dictionaries()


def _text(cell: object) -> str | None:
    """Return the text in a cell, if there is one."""
    if not isinstance(cell, str) or not is_unicode(cell):
        return None
    return cell.strip() or None


def keep_whole(
    table: pa.Table,
    path: Path,
    on_error: Literal['raise', 'skip'],
    sources: Mapping[str, Path] | None = None,
) -> tuple[pa.Table, int]:
    """Keep the rows of an encoded table that have all cells, and count the others.

    Raise a ValueError that names the file of the first missing cell, in *sources* or
    *path*, if *on_error* is 'raise'.
    """
    whole = pc.is_valid(table[COLUMNS[0]])
    for name in COLUMNS[1:]:
        whole = pc.and_(whole, pc.is_valid(table[name]))
    num_malformed = len(table) - (pc.sum(whole).as_py() or 0)
    if num_malformed and on_error == 'raise':
        row = pc.index(whole, False).as_py()
        column = next(name for name in COLUMNS if not table[name][row].is_valid)
        source = (sources or {}).get(column, path)
        raise ValueError(
            f'{path}: question {table["id"][row].as_py()} has no {column} in '
            f'{source.name}; {num_malformed} of {len(table)} questions are malformed, '
            "on_error='skip' leaves them out"
        )
    return table.select(list(COLUMNS)).filter(whole), num_malformed
