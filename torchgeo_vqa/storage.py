# SPDX-License-Identifier: MIT
"""Files and folders that appear when they are complete, and the user's cache folder."""

import contextlib
import errno
import functools
import hashlib
import json
import os
import re
import shutil
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import platformdirs
import rasterio
from filelock import lock_descriptor
from numpy.typing import NDArray
from rasterio.io import MemoryFile

# Name of a file or folder that is being written, and which process writes it
_TEMPORARY = re.compile(
    r'\..+\.torchgeo-vqa-(?P<host>.+)-(?P<pid>\d+)-[0-9a-f]{8}(\..*)?'
)

# Name of a file that is locked as long as another one, or a folder, is being made
_LOCK = re.compile(r'\..+\.torchgeo-vqa-[0-9a-f]{8}\.lock')

# Lock files of this process
_held: set[int] = set()

# A disk is full: reading never fails so
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# Characters of a name to keep: with the host's, at most 255 bytes, as file systems allow
_MAX_STEM = 32


def cache_folder() -> Path:
    """Return the folder for question tables, the embedded sample and the like.

    The environment variable ``TORCHGEO_VQA_CACHE`` names another one. It may not exist yet.
    """
    if folder := os.environ.get('TORCHGEO_VQA_CACHE'):
        return Path(folder)
    return platformdirs.user_cache_path('torchgeo-vqa')


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a path to write to, of a file that appears under its name when it is complete.

    It is in the same folder, which is made if need be, and has the same extension. Whatever
    happens to the process, the old file or the new one is there. (That is not so if the
    machine loses power: nothing waits for the disk.) Leftovers of killed processes in the
    folder are removed. An OSError leaves *path* as it was before.
    """
    path, temporary = _prepare(path)
    try:
        with _naming(path):
            yield temporary
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


@contextlib.contextmanager
def whole_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a folder to fill, which appears under its name when it is complete.

    Leftovers of killed processes beside it are removed. Raise a FileExistsError if something
    is there, before or after.
    """
    path = Path(path).absolute()
    verify_free(path)
    with scratch_folder(path) as temporary, _naming(path):
        yield temporary
        verify_free(path)
        try:
            temporary.rename(path)
        except OSError:
            verify_free(path)  # another process was faster
            raise


@contextlib.contextmanager
def scratch_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a folder beside a path that is removed at the end, after a kill by the next one."""
    _, temporary = _prepare(path)
    temporary.mkdir()
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def locked(path: str | os.PathLike[str]) -> Iterator[None]:
    """Keep other processes that lock it, too, from a file or folder that is being made.

    The folder that it is in is made if need be. The lock is a file beside it, and ends with
    the process. Where a file system knows no locks, there is none. Raise a BlockingIOError if
    another process has it, an OSError if nothing can be written there.
    """
    path = Path(path).absolute()
    made = [folder for folder in path.parents if not folder.exists()]
    key = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]
    lock = path.with_name(f'.{path.stem[:_MAX_STEM]}.torchgeo-vqa-{key}.lock')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _lock(lock)
    except OSError as error:
        raise OSError(f'{path} cannot be written: {error}') from error
    if file is None:
        raise BlockingIOError(
            f'{path} is being written by {_holder(lock)}; wait for its end, or name '
            'another output'
        )
    try:
        yield
    finally:
        _unlock(lock, file)
        for folder in made:
            with contextlib.suppress(OSError):  # it holds something
                folder.rmdir()


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file, as UTF-8, that appears when it is complete."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


def write_json(
    path: str | os.PathLike[str], content: object, indent: int | None = None
) -> None:
    """Write a JSON file that appears when it is complete."""
    write_text(path, json.dumps(content, ensure_ascii=False, indent=indent) + '\n')


def write_geotiff(
    path: str | os.PathLike[str],
    image: NDArray[np.generic],
    known: NDArray[np.bool_] | None = None,
    **profile: Any,
) -> None:
    """Write pixels (C, H, W) as a GeoTIFF that appears when it is complete.

    Pixels that are not *known* (H, W) have no data (defaults to all are known).
    """
    count, height, width = image.shape
    profile |= {'count': count, 'height': height, 'width': width, 'dtype': image.dtype}
    # GDAL itself says nothing if the disk is full when it closes a file
    with MemoryFile() as memory, rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        with memory.open(driver='GTiff', **profile) as file:
            file.write(image)
            if known is not None and not known.all():
                file.write_mask(known)
        with whole_file(path) as temporary:
            temporary.write_bytes(memory.getbuffer())


@functools.cache
def clear_leftovers(folder: Path) -> None:
    """Remove what killed writers have left in a folder, once in each process.

    Only processes of this machine are known to have ended: what others write, also
    those of another container, stays. So does what may not be removed.
    """
    with contextlib.suppress(OSError):
        for leftover in folder.iterdir():
            if _LOCK.fullmatch(leftover.name) and (file := _lock(leftover)) is not None:
                _unlock(leftover, file)
            match = _TEMPORARY.fullmatch(leftover.name)
            if not match or match['host'] != _host() or _is_running(int(match['pid'])):
                continue
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    leftover.unlink()


def verify_free(path: str | os.PathLike[str]) -> None:
    """Raise a FileExistsError if there is something under a name."""
    if os.path.lexists(path):
        raise FileExistsError(f'{path} exists; remove it or choose another folder')


def is_inside(name: str) -> bool:
    """Tell whether a name is a path below its folder, on any operating system."""
    # Windows' paths know both slashes and drives
    path = PureWindowsPath(name)
    return not path.anchor and '..' not in path.parts


def _lock(path: Path) -> int | None:
    """Open a lock file and say there who has it, or return None if another process does."""
    while True:
        # Its name is ours, but what a link leads to may not be
        flags = os.O_RDWR | os.O_CREAT | getattr(os, 'O_NOFOLLOW', 0)
        file = os.open(path, flags, 0o666)
        _held.add(file)
        with contextlib.suppress(OSError):  # the file system knows no locks
            if not lock_descriptor(file, blocking=False):
                _close(file)
                return None
        # Who had it before may just have removed it
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), os.stat(path)):
                holder = f'process {os.getpid()} on {socket.gethostname()}'
                with contextlib.suppress(OSError):  # the disk is full
                    os.ftruncate(file, 0)
                    os.write(file, holder.encode())
                return file
        _close(file)


def _unlock(path: Path, file: int) -> None:
    """Remove a lock file, and let others lock it."""
    with contextlib.suppress(OSError):
        path.unlink()
    _close(file)


def _close(file: int) -> None:
    """Close a lock file."""
    _held.discard(file)
    os.close(file)


def _close_all() -> None:
    """Close the lock files of the parent, whose locks would outlive it here."""
    while _held:
        os.close(_held.pop())


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_close_all)


def _holder(lock: Path) -> str:
    """Say which process has a lock."""
    with contextlib.suppress(OSError):
        return lock.read_text() or 'another process'
    return 'another process'


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name a file or folder in the error that the disk is full, not what is temporary."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def _prepare(path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Make and clear a folder; return an absolute path in it, and another until it is complete."""
    path = Path(path).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(path.parent)
    mark = f'torchgeo-vqa-{_host()}-{os.getpid()}-{uuid.uuid4().hex[:8]}'
    return path, path.with_name(f'.{path.stem[:_MAX_STEM]}.{mark}{path.suffix}')


def _host() -> str:
    """Return a name of what numbers the processes: a machine, or a container on it."""
    with contextlib.suppress(OSError):  # only Linux has containers' numbers
        return f'{socket.gethostname()}-{os.stat("/proc/self/ns/pid").st_ino}'
    return socket.gethostname()


def _is_running(pid: int) -> bool:
    """Tell whether a process is running."""
    if os.name == 'nt':  # where signal 0 would end it
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it is somebody else's
        pass
    return True
