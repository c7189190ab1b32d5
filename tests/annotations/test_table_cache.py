# SPDX-License-Identifier: MIT
"""Tests of the cache of tables, with question tables."""

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from torchgeo_vqa.annotations import QuestionTable, question_table, table_cache
from torchgeo_vqa.annotations.question_table import COLUMNS

ROWS = [
    ['b', 'count', 'How many ships?', '2'],
    ['a.PNG', 'presence', 'Is there a ship?', 'yes'],
    ['b.tif', 'presence', ' Is there a ship? ', 'no'],
    ['a', 'count', 'How many ships?', '0'],
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / 'all_train_annotation.json'
    path.write_text(json.dumps(ROWS))
    return path


def never(*args: Any) -> None:
    """Stand in for what must not be called."""
    raise RuntimeError('the file was parsed')


def columns(table: QuestionTable) -> list[list[str]]:
    return [table.text(name, range(len(table))) for name in COLUMNS]


class TestCache:
    def test_is_used(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        expected = columns(QuestionTable.read(path))
        assert [p.name for p in (path.parent / '.cache').iterdir()] == [
            'all_train_annotation.table'
        ]
        monkeypatch.setattr(question_table, '_parse', never)
        assert columns(QuestionTable.read(path)) == expected

    def test_is_rebuilt_when_the_source_changes(self, path: Path) -> None:
        QuestionTable.read(path)
        stat = path.stat()
        path.write_text(json.dumps(ROWS).replace('yes', 'Yes'))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
        assert columns(QuestionTable.read(path))[3][1] == 'Yes'

    @pytest.mark.parametrize('how', ['in place', 'cp -p', 'mv'])
    @pytest.mark.parametrize('tick', [0, 10**12])
    def test_is_rebuilt_when_only_the_contents_change(
        self, path: Path, how: str, tick: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of the same size and time; as old as files are, and within a tick of the clock."""
        monkeypatch.setattr(table_cache, '_TICK', tick)
        QuestionTable.read(path)
        stat = path.stat()
        other = path.with_name('other.json')
        other.write_text(path.read_text().replace('yes', 'no.'))
        time.sleep(0.05)
        if how == 'in place':
            path.write_bytes(other.read_bytes())
        os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        if how == 'cp -p':
            shutil.copy2(other, path)
        if how == 'mv':
            other.replace(path)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert (path.stat().st_size, path.stat().st_mtime_ns) == (
            stat.st_size,
            stat.st_mtime_ns,
        )
        assert columns(QuestionTable.read(path))[3][1] == 'no.'

    def test_is_used_for_a_copy(
        self, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whose contents are looked at once."""
        monkeypatch.setattr(table_cache, '_TICK', 0)
        QuestionTable.read(path)
        copy = shutil.copytree(tmp_path, tmp_path.parent / f'{tmp_path.name}-copy')
        monkeypatch.setattr(question_table, '_parse', never)
        assert len(QuestionTable.read(copy / path.name)) == 4
        monkeypatch.setattr(table_cache, '_hash', never)
        assert len(QuestionTable.read(copy / path.name)) == 4

    def test_is_of_one_file(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Files of the same name in folders where nothing can be written."""
        other = path.parent / 'other' / path.name
        other.parent.mkdir()
        other.write_text(json.dumps(ROWS[:1]))
        user = path.parent.parent / f'{path.parent.name}-user'
        monkeypatch.setenv('TORCHGEO_VQA_CACHE', str(user))
        for folder in (path.parent, other.parent):
            (folder / '.cache').write_text('')
        assert [len(QuestionTable.read(p)) for p in (path, other)] == [4, 1]
        monkeypatch.setattr(question_table, '_parse', never)
        assert [len(QuestionTable.read(p)) for p in (path, other)] == [4, 1]

    def test_is_rebuilt_when_broken(self, path: Path) -> None:
        expected = columns(QuestionTable.read(path))
        cache = path.parent / '.cache/all_train_annotation.table'
        whole = cache.read_bytes()
        cache.write_bytes(whole[: len(whole) // 2])
        assert columns(QuestionTable.read(path)) == expected
        assert cache.read_bytes() == whole

    def test_is_rebuilt_when_a_bit_is_flipped(self, path: Path) -> None:
        expected = columns(QuestionTable.read(path))
        cache = path.parent / '.cache/all_train_annotation.table'
        whole = cache.read_bytes()
        # Of a text, which Parquet would read as another
        cache.write_bytes(whole.replace(b'yes', b'yew'))
        assert cache.read_bytes() != whole
        assert columns(QuestionTable.read(path)) == expected

    @pytest.mark.parametrize('how', ['mode', 'file'])
    def test_read_only_folder(
        self, path: Path, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        user = tmp_path.parent / f'{tmp_path.name}-user'
        monkeypatch.setenv('TORCHGEO_VQA_CACHE', str(user))
        if how == 'mode':
            tmp_path.chmod(0o555)
        else:  # nothing can be written below a file
            (tmp_path / '.cache').write_text('')
        expected = columns(QuestionTable.read(path))
        tmp_path.chmod(0o755)
        assert not (tmp_path / '.cache').is_dir()
        assert len(list(user.glob('question_tables/*.table'))) == 1
        monkeypatch.setattr(question_table, '_parse', never)
        assert columns(QuestionTable.read(path)) == expected

    def test_is_written_whole_or_not(
        self, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*args: Any) -> None:
            raise OSError('disk full')

        monkeypatch.setenv('TORCHGEO_VQA_CACHE', str(tmp_path / 'user'))
        monkeypatch.setattr(table_cache.os, 'replace', full)
        assert len(QuestionTable.read(path)) == 4
        assert not [p for p in tmp_path.rglob('*') if p.is_file() and p != path]
