# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Columns of a question table, encoded from rows, without malformed ones."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from .json_stream import is_unicode
from .question_table import COLUMNS

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
    rows = iter(rows)
    while batch := list(islice(rows, _BATCH)):
        ids, *cells = zip(*batch, strict=True)
        columns: list[list[str | None]] = [[_ascii(name) for name in ids]]
        columns += [[_text(cell) for cell in column] for column in cells]
        arrays = [
            pa.array(column, field.type)
            for column, field in zip(columns, _SCHEMA, strict=True)
        ]
        batches.append(pa.record_batch(arrays, _SCHEMA))
    return pa.Table.from_batches(batches, _SCHEMA).unify_dictionaries()


def _ascii(name: object) -> str:
    """Return an id as text that can be written."""
    return str(name).encode('ascii', 'backslashreplace').decode()


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
