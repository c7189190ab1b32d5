# SPDX-License-Identifier: MIT
"""Tests of files and folders that appear when they are complete."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import platformdirs
import pytest
import rasterio

from torchgeo_vqa import storage
from torchgeo_vqa.storage import (
    cache_folder,
    clear_leftovers,
    is_inside,
    locked,
    whole_file,
    whole_folder,
    write_geotiff,
    write_json,
    write_text,
)

# Writes half of a file or folder and says so; what it does then comes behind
WRITER = """
import importlib.util, os, resource, signal, sys, time
from pathlib import Path
spec = importlib.util.spec_from_file_location('storage', sys.argv[1])
storage = importlib.util.module_from_spec(spec)
spec.loader.exec_module(storage)
"""

HALF = """
context = getattr(storage, sys.argv[3])(sys.argv[2])
with context as path:
    file = path / 'file' if path.is_dir() else path
    file.write_text('half')
    print(path.name, flush=True)
    time.sleep(600)
"""


@contextmanager
def start(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a process that knows the module, without waiting for PyTorch."""
    command = [sys.executable, '-c', WRITER + script, storage.__file__, *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Clear folders anew, as another process would."""
    clear_leftovers.cache_clear()
    yield
    clear_leftovers.cache_clear()


def interrupt(context: AbstractContextManager[Path], error: BaseException) -> None:
    """Raise an error where half is written."""
    with context as path:
        (path / 'file' if path.is_dir() else path).write_text('half')
        raise error


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestWholeFile:
    def test_appears_when_complete(self, tmp_path: Path) -> None:
        path = tmp_path / 'new' / 'a.tar.gz'
        with whole_file(path) as temporary:
            # Writers go by the extension, and a rename needs the same file system
            assert (temporary.suffix, temporary.parent) == ('.gz', path.parent)
            temporary.write_text('content')
            assert not path.exists()
        assert path.read_text() == 'content'
        assert names(path.parent) == ['a.tar.gz']

    @pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt])
    def test_error(self, tmp_path: Path, error: type[BaseException]) -> None:
        path = tmp_path / 'a.json'
        path.write_text('before')
        with pytest.raises(error):
            interrupt(whole_file(path), error())
        assert path.read_text() == 'before'
        assert names(tmp_path) == ['a.json']

    def test_nothing_written(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError), whole_file(tmp_path / 'a.json'):
            pass
        assert names(tmp_path) == []

    def test_two_writers(self, tmp_path: Path) -> None:
        """The last one wins, and neither sees the other's half."""
        path = tmp_path / 'a'
        with whole_file(path) as first, whole_file(path) as second:
            assert first != second
            first.write_text('first')
            second.write_text('second')
        assert path.read_text() == 'first'
        assert names(tmp_path) == ['a']

    def test_many_writers(self, tmp_path: Path) -> None:
        path, texts = tmp_path / 'a', [str(i) * 10_000 for i in range(8)]

        def write(text: str) -> None:
            for _ in range(20):
                write_text(path, text)
                assert path.read_text().rstrip() in texts

        threads = [threading.Thread(target=write, args=(text,)) for text in texts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert path.read_text() in texts
        assert names(tmp_path) == ['a']

    @pytest.mark.parametrize(
        'name',
        ['[a-z]*.json', '?', 'a b', 'é' * 120, '.hidden', '-rf', 'no extension.'],
    )
    def test_any_name(self, tmp_path: Path, name: str) -> None:
        other = tmp_path / '.other.torchgeo-vqa'
        other.write_text('stays')
        write_text(tmp_path / name, 'content')
        write_text(tmp_path / name, 'again')
        assert (tmp_path / name).read_text() == 'again'
        assert names(tmp_path) == sorted([name, other.name])

    def test_a_folder_in_its_place(self, tmp_path: Path) -> None:
        (tmp_path / 'a').mkdir()
        with pytest.raises(OSError, match='a'):
            write_text(tmp_path / 'a', 'content')
        assert names(tmp_path) == ['a']


class TestWholeFolder:
    def test_appears_when_complete(self, tmp_path: Path) -> None:
        path = tmp_path / 'new' / 'a.v1'
        with whole_folder(path) as temporary:
            assert temporary.parent == path.parent
            (temporary / 'sub').mkdir()
            (temporary / 'sub/file').write_text('content')
            assert not path.exists()
        assert (path / 'sub/file').read_text() == 'content'
        assert names(path.parent) == ['a.v1']

    def test_error(self, tmp_path: Path) -> None:
        with pytest.raises(KeyboardInterrupt):
            interrupt(whole_folder(tmp_path / 'a'), KeyboardInterrupt())
        assert names(tmp_path) == []

    @pytest.mark.parametrize('what', ['file', 'folder', 'broken link'])
    @pytest.mark.parametrize('when', ['before', 'while'])
    def test_something_is_there(self, tmp_path: Path, what: str, when: str) -> None:
        path = tmp_path / 'a'

        def put() -> None:
            match what:
                case 'file':
                    path.write_text('stays')
                case 'folder':
                    path.mkdir()
                case _:
                    path.symlink_to('nowhere')

        def write() -> None:
            with whole_folder(path) as temporary:
                assert when == 'while'
                (temporary / 'file').write_text('content')
                put()

        if when == 'before':
            put()
        with pytest.raises(FileExistsError, match='a exists; remove it or choose'):
            write()
        assert names(tmp_path) == ['a']
        assert not (path / 'file').exists()

    def test_another_writer_at_the_last_moment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between the last look and the renaming, which the system refuses."""
        path, rename = tmp_path / 'a', Path.rename

        def late(source: Path, target: Path) -> Path:
            path.mkdir()
            (path / 'other').write_text('stays')
            return rename(source, target)

        def write() -> None:
            with whole_folder(path) as temporary:
                (temporary / 'file').write_text('content')

        monkeypatch.setattr(Path, 'rename', late)
        with pytest.raises(FileExistsError, match='exists; remove it'):
            write()
        assert names(tmp_path) == ['a']
        assert names(path) == ['other']


@pytest.mark.parametrize('mask', [0o022, 0o007])
def test_permissions(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_text(tmp_path / 'file', 'content')
        with whole_folder(tmp_path / 'folder'):
            pass
    finally:
        os.umask(before)
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()
    }
    assert modes == {'file': 0o666 & ~mask, 'folder': 0o777 & ~mask}


class TestLeftovers:
    @pytest.mark.parametrize('kind', ['whole_file', 'whole_folder'])
    def test_of_a_killed_writer(self, tmp_path: Path, kind: str) -> None:
        with start(HALF, str(tmp_path / 'a.json'), kind) as process:
            left = first_line(process)
            assert names(tmp_path) == [left]
            # As long as it lives, its work stays
            clear_leftovers(tmp_path)
            assert names(tmp_path) == [left]
            process.send_signal(signal.SIGKILL)
        assert names(tmp_path) == [left]
        # Once in each process: this one has looked
        write_text(tmp_path / 'b', 'content')
        assert names(tmp_path) == [left, 'b']
        clear_leftovers.cache_clear()
        write_text(tmp_path / 'b', 'content')
        assert names(tmp_path) == ['b']

    def test_of_another_host(self, tmp_path: Path, ended: int) -> None:
        mark = f'{ended}-0123abcd'
        for host in ('elsewhere', socket.gethostname() + '-1', storage._host() + 'a'):
            (tmp_path / f'.a.torchgeo-vqa-{host}-{mark}.json').write_text('half')
        before = names(tmp_path)
        clear_leftovers(tmp_path)
        assert names(tmp_path) == before

    def test_links(self, tmp_path: Path, ended: int) -> None:
        """What they lead to stays, as do the links in a folder."""
        outside = tmp_path / 'outside'
        outside.mkdir()
        (outside / 'file').write_text('stays')
        folder = tmp_path / 'folder'
        folder.mkdir()
        mark = f'torchgeo-vqa-{storage._host()}-{ended}'
        (folder / f'.a.{mark}-00000000').symlink_to(outside)
        (folder / f'.a.{mark}-00000001').symlink_to(outside / 'file')
        (folder / f'.a.{mark}-00000002').symlink_to('nowhere')
        (folder / f'.a.{mark}-00000003').mkdir()
        (folder / f'.a.{mark}-00000003' / 'link').symlink_to(outside)
        clear_leftovers(folder)
        assert names(folder) == []
        assert (outside / 'file').read_text() == 'stays'

    def test_of_what_else_is_there(self, tmp_path: Path, ended: int) -> None:
        mark = f'torchgeo-vqa-{storage._host()}-{ended}'
        # Such as SQLite's beside a GeoPackage, and a number that no process has
        side = f'.a.{mark}-00000000.gpkg-journal'
        large = f'.a.torchgeo-vqa-{storage._host()}-{10**12}-00000000'
        kept = [f'a.{mark}-00000000', f'.a.{mark}-0', '.a.tmp', 'a.json']
        for name in (side, large, *kept):
            (tmp_path / name).write_text('')
        clear_leftovers(tmp_path)
        assert names(tmp_path) == sorted(kept)

    def test_that_may_not_be_removed(
        self, tmp_path: Path, ended: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Such as another user's in a shared folder: writing goes on."""
        left = f'.a.torchgeo-vqa-{storage._host()}-{ended}-00000000'
        (tmp_path / left).write_text('half')
        unlink = Path.unlink

        def refuse(path: Path, missing_ok: bool = False) -> None:
            if path.name == left:
                raise PermissionError(left)
            unlink(path, missing_ok)

        monkeypatch.setattr(Path, 'unlink', refuse)
        write_text(tmp_path / 'b', 'content')
        assert names(tmp_path) == [left, 'b']


LOCK = """
with storage.locked(sys.argv[2]):
    print('locked', flush=True)
    time.sleep(600)
"""


class TestLocked:
    def test_two_processes(self, tmp_path: Path) -> None:
        """The second names the first, which is not disturbed; a kill ends the lock."""
        path = tmp_path / 'new/a.parquet'
        with start(LOCK, str(path)) as process:
            assert first_line(process) == 'locked'
            for _ in range(2):
                with (
                    pytest.raises(
                        BlockingIOError,
                        match=f'a.parquet is being written by process {process.pid} on ',
                    ),
                    locked(path),
                ):
                    pass
            with locked(path.with_suffix('.gpkg')), locked(path.with_name('b.parquet')):
                pass
            (lock,) = names(path.parent)
            process.kill()
            process.wait()
        assert names(path.parent) == [lock]
        with locked(path):
            path.write_text('content')
        assert names(path.parent) == ['a.parquet']

    def test_leftover_of_another_output(self, tmp_path: Path) -> None:
        with start(LOCK, str(tmp_path / 'a')) as process:
            first_line(process)
            (lock,) = names(tmp_path)
            write_text(tmp_path / 'b', 'content')
            assert names(tmp_path) == [lock, 'b']
            process.kill()
            process.wait()
        clear_leftovers.cache_clear()
        write_text(tmp_path / 'b', 'content')
        assert names(tmp_path) == ['b']

    def test_forked_workers_do_not_keep_it(self, tmp_path: Path) -> None:
        script = """
with storage.locked(sys.argv[2]):
    if not os.fork():
        print('forked', flush=True)
        time.sleep(5)
        os._exit(0)
    time.sleep(60)
"""
        with start(script, str(tmp_path / 'a')) as process:
            first_line(process)
            process.kill()
            process.wait()
            with locked(tmp_path / 'a'):
                pass

    def test_folder_that_is_not_needed(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match='no'), locked(tmp_path / 'x/y/a'):
            raise ValueError('no')
        assert names(tmp_path) == []

    @pytest.mark.parametrize('path', ['/proc/a', 'file/a'])
    def test_no_place(self, tmp_path: Path, path: str) -> None:
        (tmp_path / 'file').write_text('stays')
        with (
            pytest.raises(OSError, match=f'{path} cannot be written'),
            locked(tmp_path / path),
        ):
            pass

    def test_links_are_not_followed(self, tmp_path: Path) -> None:
        with locked(tmp_path / 'a'):
            (lock,) = tmp_path.iterdir()
        (tmp_path / 'mine').write_text('stays')
        lock.symlink_to(tmp_path / 'mine')
        with (
            pytest.raises(OSError, match='a cannot be written'),
            locked(tmp_path / 'a'),
        ):
            pass
        assert (tmp_path / 'mine').read_text() == 'stays'


@pytest.fixture
def ended() -> int:
    """Number of a process that has ended."""
    process = subprocess.Popen([sys.executable, '-c', ''])
    process.wait()
    return process.pid


@pytest.mark.parametrize('size', [0, 100])
def test_full_disk(tmp_path: Path, size: int) -> None:
    """The old file stays, and nothing else."""
    (tmp_path / 'a').write_text('before')
    script = f"""
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
try:
    storage.write_text(sys.argv[2], 'x' * 1000)
except OSError as error:
    print(error.strerror)
try:
    with storage.whole_folder(sys.argv[2] + 'b') as folder:
        (folder / 'file').write_text('x' * 1000)
except OSError as error:
    print(error.strerror)
"""
    with start(script, str(tmp_path / 'a')) as process:
        said, errors = process.communicate(timeout=60)
    assert said.splitlines() == ['File too large'] * 2, errors
    assert names(tmp_path) == ['a']
    assert (tmp_path / 'a').read_text() == 'before'


def test_geotiff_on_a_full_disk(tmp_path: Path) -> None:
    """Also if the disk is full in the very end, of which GDAL says nothing."""
    image = np.random.default_rng(0).integers(0, 255, (3, 256, 256), np.uint8)
    write_geotiff(tmp_path / 'a.tif', image, compress='deflate')
    with rasterio.open(tmp_path / 'a.tif') as file:
        np.testing.assert_array_equal(file.read(), image)
    size = (tmp_path / 'a.tif').stat().st_size
    script = f"""
import numpy as np
image = np.random.default_rng(0).integers(0, 255, (3, 256, 256), np.uint8)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for size in range(0, {size}, {size // 40}):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, {size}))
    try:
        storage.write_geotiff(sys.argv[2], image, compress='deflate')
        print('overlooked', size)
    except OSError as error:
        assert error.filename == sys.argv[2], error
resource.setrlimit(resource.RLIMIT_FSIZE, ({size} - 1, {size}))
try:
    storage.write_geotiff(sys.argv[2], image, compress='deflate')
except OSError as error:
    print(error)
"""
    with start(script, str(tmp_path / 'b.tif')) as process:
        said, errors = process.communicate(timeout=60)
    assert said == f"[Errno 27] File too large: '{tmp_path / 'b.tif'}'\n", errors
    assert names(tmp_path) == ['a.tif']


def test_json(tmp_path: Path) -> None:
    path = tmp_path / 'a.json'
    write_json(path, {'é': [1, 2]})
    assert path.read_bytes() == '{"é": [1, 2]}\n'.encode()
    write_json(path, {'é': 1}, indent=2)
    assert path.read_text(encoding='utf-8') == '{\n  "é": 1\n}\n'
    with pytest.raises(TypeError):
        write_json(path, object())
    assert json.loads(path.read_text(encoding='utf-8')) == {'é': 1}


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv('TORCHGEO_VQA_CACHE', str(tmp_path))
    assert cache_folder() == tmp_path
    for value in ('', None):
        if value is None:
            monkeypatch.delenv('TORCHGEO_VQA_CACHE')
        else:
            monkeypatch.setenv('TORCHGEO_VQA_CACHE', value)
        assert cache_folder() == platformdirs.user_cache_path('torchgeo-vqa')


@pytest.mark.parametrize(
    ('name', 'inside'),
    [
        ('a.tif', True),
        ('sub/a.tif', True),
        ('a..b/..c', True),
        ('../a.tif', False),
        ('sub/../../a.tif', False),
        ('sub\\..\\a.tif', False),
        ('/etc/passwd', False),
        ('\\a.tif', False),
        ('C:\\a.tif', False),
        ('C:a.tif', False),
        ('\\\\server\\share\\a.tif', False),
    ],
)
def test_is_inside(name: str, inside: bool) -> None:
    assert is_inside(name) is inside
