# SPDX-License-Identifier: MIT
"""Tests of downloads, from a record on disk."""

import hashlib
import json
from pathlib import Path

import pytest

from torchgeo_vqa.datasets import download
from torchgeo_vqa.datasets.download import download_files


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Record 7 with two files, as Zenodo describes it."""
    folder = tmp_path / 'zenodo'
    folder.mkdir()
    files = []
    for name in ('a.json', 'b.zip'):
        path = folder / name
        path.write_text(name * 3)
        md5 = hashlib.md5(path.read_bytes()).hexdigest()
        links = {'self': path.as_uri()}
        files.append({'key': name, 'checksum': f'md5:{md5}', 'links': links})
    (folder / '7').write_text(json.dumps({'id': 7, 'files': files}))
    monkeypatch.setattr(download, 'API', f'{folder.as_uri()}/{{}}')
    return folder


def test_downloads_what_is_missing(record: Path, tmp_path: Path) -> None:
    root = tmp_path / 'data'
    download_files('7', ['a.json'], root)
    assert [path.name for path in root.iterdir()] == ['a.json']
    (root / 'a.json').write_text('mine')
    download_files('7', ['a.json', 'b.zip'], root)
    assert (root / 'a.json').read_text() == 'mine'
    assert (root / 'b.zip').read_text() == 'b.zip' * 3
    # Nothing is asked for once all is there
    (record / '7').unlink()
    download_files('7', ['a.json', 'b.zip'], root)


def test_checksum(record: Path, tmp_path: Path) -> None:
    (record / 'a.json').write_text('damaged')
    with pytest.raises(RuntimeError, match=r'a\.json.*corrupted'):
        download_files('7', ['a.json'], tmp_path / 'data')
    download_files('7', ['a.json'], tmp_path / 'other', checksum=False)
    assert (tmp_path / 'other/a.json').read_text() == 'damaged'


def test_no_such_file(record: Path, tmp_path: Path) -> None:
    with pytest.raises(
        RuntimeError, match=r"7 of Zenodo has no file 'c', only a\.json, b"
    ):
        download_files('7', ['c'], tmp_path / 'data')
