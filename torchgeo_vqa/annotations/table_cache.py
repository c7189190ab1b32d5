# SPDX-License-Identifier: MIT
"""Tables that take long to make, kept on disk: a checksum, then a Parquet file."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..storage import cache_folder, whole_file

# Raise it whenever what is written changes.
_VERSION = b'2'

_DIGEST_SIZE = 32


def cached_table(
    paths: Sequence[Path],
    make: Callable[[], pa.Table],
    is_usable: Callable[[pa.Table], bool] = lambda _: True,
    name: str | None = None,
) -> pa.Table:
    """Read a table from the cache, or make it and write it there.

    It is made anew when one of the files changes, or a cached one is not usable. Its name is
    that of the first file unless another is given.
    """
    stamp = _VERSION
    for path in paths:
        stat = path.stat()
        stamp += b' %d %d' % (stat.st_size, stat.st_mtime_ns)
    caches = list(_caches(paths[0], name or paths[0].stem))
    for cache in caches:
        table = _read(cache, stamp)
        if table is not None and is_usable(table):
            return table
    table = make()
    metadata = {**(table.schema.metadata or {}), b'stamp': stamp}
    table = table.replace_schema_metadata(metadata)
    for cache in caches:
        with contextlib.suppress(OSError):  # such as a full disk
            _write(table, cache)
            break
    return table


def _caches(path: Path, name: str) -> Iterator[Path]:
    """List where a table made of a file may be kept: beside it, else at the user's."""
    name = f'{name}.table'
    # Asked of the mode, since everything is writable to root
    if path.parent.stat().st_mode & 0o222:
        yield path.parent / '.cache' / name
    key = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]
    yield cache_folder() / 'question_tables' / f'{key}-{name}'


def _read(path: Path, stamp: bytes) -> pa.Table | None:
    """Read a cached table if there is one, whole and of the right stamp."""
    try:
        data = memoryview(path.read_bytes())
        head, body = data[:_DIGEST_SIZE], data[_DIGEST_SIZE:]
        if _digest(body) != head:
            return None
        file = pq.ParquetFile(pa.py_buffer(body))
        metadata = file.schema_arrow.metadata or {}
        return file.read() if metadata.get(b'stamp') == stamp else None
    except (OSError, pa.ArrowException):
        return None


def _write(table: pa.Table, path: Path) -> None:
    """Write a table so that a reader finds either all of it or nothing."""
    body = BytesIO()
    pq.write_table(table, body)
    with whole_file(path) as temporary:
        temporary.write_bytes(_digest(body.getbuffer()) + body.getbuffer())


def _digest(body: memoryview) -> bytes:
    """Compute the checksum of a file, which Parquet itself keeps for parts only."""
    return hashlib.blake2b(body, digest_size=_DIGEST_SIZE).digest()
