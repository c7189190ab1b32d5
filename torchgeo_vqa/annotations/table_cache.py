# SPDX-License-Identifier: MIT
"""Tables that take long to make, kept on disk: a checksum, then a Parquet file."""

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..storage import cache_folder, whole_file

# Raise it whenever what is written changes.
_VERSION = b'3'

# Nanoseconds within which file systems may give two changes the same time
_TICK = 2 * 10**9

_DIGEST_SIZE = 32


def cached_table(
    paths: Sequence[Path],
    make: Callable[[], pa.Table],
    is_usable: Callable[[pa.Table], bool] = lambda _: True,
    name: str | None = None,
    sources: Sequence[str | Path] | None = None,
) -> pa.Table:
    """Read a table from the cache, or make it and write it there.

    It is made anew when the contents of one of the *sources* change (defaults to *paths*),
    or a cached one is not usable. It is kept beside the first of *paths*, whose name it has
    unless another is given.
    """
    sources = paths if sources is None else sources
    seen, contents = _look(sources), b''
    table: pa.Table | None = None
    caches = list(_caches(paths[0], name or paths[0].stem))
    for cache in caches:
        file = _open(cache)
        stamps = {} if file is None else file.schema_arrow.metadata or {}
        if file is None or stamps.get(b'version') != _VERSION:
            continue
        same = seen and stamps.get(b'seen') == seen
        contents = contents or (b'' if same else _hash(sources))
        if same or stamps.get(b'contents') == contents:
            found = file.read()
            if is_usable(found) and (same or not seen):
                return found
            table = table or (found if is_usable(found) else None)
    contents = contents or _hash(sources)
    table = make() if table is None else table
    stamps = {b'version': _VERSION, b'seen': seen, b'contents': contents}
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **stamps})
    for cache in caches:
        with contextlib.suppress(OSError):  # such as a full disk
            _write(table, cache)
            break
    return table


def _look(paths: Sequence[str | Path]) -> bytes:
    """Return what tells without reading that files are as they were, empty if nothing does.

    Copies may keep size and time of modification, but not the time of change. A file that
    was written just now may change once more within a tick of the clock.
    """
    digest, now = hashlib.sha256(), time.time_ns()
    for path in paths:
        stat = os.stat(path)
        if now - stat.st_ctime_ns < _TICK:
            return b''
        numbers = stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino
        digest.update(os.fsencode(os.path.basename(path)) + b' %d %d %d %d ' % numbers)
    return digest.digest()


def _hash(paths: Sequence[str | Path]) -> bytes:
    """Return a hash of the names and the contents of files."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(os.fsencode(os.path.basename(path)))
        with open(path, 'rb') as file:
            digest.update(hashlib.file_digest(file, 'sha256').digest())
    return digest.digest()


def _caches(path: Path, name: str) -> Iterator[Path]:
    """List where a table made of a file may be kept: beside it, else at the user's."""
    name = f'{name}.table'
    # Asked of the mode, since everything is writable to root
    if path.parent.stat().st_mode & 0o222:
        yield path.parent / '.cache' / name
    key = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]
    yield cache_folder() / 'question_tables' / f'{key}-{name}'


def _open(path: Path) -> pq.ParquetFile | None:
    """Open a cached table if there is one, and it is whole."""
    try:
        data = memoryview(path.read_bytes())
        head, body = data[:_DIGEST_SIZE], data[_DIGEST_SIZE:]
        if _digest(body) != head:
            return None
        return pq.ParquetFile(pa.py_buffer(body))
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
