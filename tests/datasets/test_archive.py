# SPDX-License-Identifier: MIT
"""Tests of the extraction of archives."""

import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from torchgeo_vqa.datasets.download import extract


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folder to extract to, with a neighbour that must stay as it is."""
    (tmp_path / 'data').mkdir()
    (tmp_path / 'secret').write_text('secret')
    return tmp_path / 'data'


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def write(path: Path, name: str, data: bytes = b'data', **member: object) -> Path:
    """Write an archive of a good file and of another one."""
    if path.suffix == '.zip':
        with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
            archive.writestr('images/good.tif', os.urandom(100))
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if member.get('linkname'):
                info.external_attr, data = 0o120777 << 16, b'/etc/passwd'
            archive.writestr(info, data)
        return path
    with tarfile.open(path, 'w:gz' if path.suffix == '.gz' else 'w') as tar:
        for each, content in (('images/good.tif', os.urandom(100)), (name, data)):
            tarinfo = tarfile.TarInfo(each)
            tarinfo.size = len(content)
            if each == name:
                for key, value in member.items():
                    setattr(tarinfo, key, value)
            tar.addfile(tarinfo, io.BytesIO(content))
    return path


@pytest.mark.parametrize('name', ['a.zip', 'a.tar', 'a.tar.gz'])
def test_extract(name: str, folder: Path) -> None:
    path = write(folder.parent / name, 'images/deeper/other.tif', b'x' * 5000)
    extract(path, folder)
    found = contents(folder)
    assert [*found] == ['images/deeper/other.tif', 'images/good.tif']
    assert found['images/deeper/other.tif'] == b'x' * 5000
    assert [p.name for p in folder.iterdir()] == ['images']


Make = Callable[[Path], Path]

BAD: dict[str, tuple[Make, str]] = {
    'zip, parent': (
        lambda p: write(p / 'a.zip', 'images/../../secret'),
        'leads out of its folder',
    ),
    'zip, absolute': (
        lambda p: write(p / 'a.zip', '/tmp/x'),
        'leads out of its folder',
    ),
    'zip, drive': (lambda p: write(p / 'a.zip', 'C:\\x'), 'leads out of its folder'),
    'zip, link': (
        lambda p: write(p / 'a.zip', 'images/link', linkname='x'),
        "holds 'images/link', which is no file or folder",
    ),
    'zip, bomb': (
        lambda p: write(p / 'a.zip', 'images/a.tif', bytes(10**7)),
        'more than 100 times the bytes',
    ),
    'tar, parent': (
        lambda p: write(p / 'a.tar', '../secret'),
        'leads out of its folder',
    ),
    'tar, absolute': (
        lambda p: write(p / 'a.tar', '/tmp/x'),
        'leads out of its folder',
    ),
    'tar, link': (
        lambda p: write(
            p / 'a.tar',
            'images/link',
            b'',
            type=tarfile.SYMTYPE,
            linkname='/etc/passwd',
        ),
        "holds 'images/link', which is no file or folder",
    ),
    'tar, hard link': (
        lambda p: write(
            p / 'a.tar', 'link', b'', type=tarfile.LNKTYPE, linkname='images/good.tif'
        ),
        "holds 'link', which is no file or folder",
    ),
    'tar, device': (
        lambda p: write(p / 'a.tar', 'device', b'', type=tarfile.CHRTYPE),
        "holds 'device', which is no file or folder",
    ),
    'tar.gz, bomb': (
        lambda p: write(p / 'a.tar.gz', 'images/a.tif', bytes(10**7)),
        'more than 100 times the bytes',
    ),
}


@pytest.mark.parametrize('name', BAD)
def test_bad_members(name: str, folder: Path) -> None:
    make, message = BAD[name]
    path = make(folder.parent)
    with pytest.raises(ValueError, match=message) as caught:
        extract(path, folder)
    assert str(path) in str(caught.value)
    assert not list(folder.iterdir())
    assert (folder.parent / 'secret').read_text() == 'secret'


@pytest.mark.parametrize('name', ['a.zip', 'a.tar', 'a.tar.gz'])
@pytest.mark.parametrize('size', [0, 100, -600])
def test_cut_off(name: str, size: int, folder: Path) -> None:
    path = write(folder.parent / name, 'images/other.tif', os.urandom(5000))
    path.write_bytes(path.read_bytes()[:size])
    if name == 'a.tar' and size == -600:
        # of 10,240 bytes, the last are padding
        path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(OSError, match=r'cannot read .*a\.(zip|tar|tar\.gz).* again'):
        extract(path, folder)
    assert not list(folder.iterdir())


def test_something_is_there(folder: Path) -> None:
    (folder / 'images').mkdir()
    (folder / 'images/mine.tif').write_text('mine')
    path = write(folder.parent / 'a.zip', 'images/other.tif')
    with pytest.raises(FileExistsError, match=r'images exists, and .*a\.zip holds it'):
        extract(path, folder)
    assert contents(folder) == {'images/mine.tif': b'mine'}
