# SPDX-License-Identifier: MIT
"""Caches that are stale, of another version, or in somebody else's hands."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from torchgeo_vqa.annotations import table_cache
from torchgeo_vqa.annotations.question_table import QuestionTable

#: Opens a table again and again, removing the cache now and then.
OPEN = """
import sys
from pathlib import Path
from torchgeo_vqa.annotations.question_table import QuestionTable
path = Path(sys.argv[1])
for number in range(30):
    table = QuestionTable.read(path)
    assert len(table) == 3000
    assert table.text('question', [2999]) == ['question 2999']
    if number % 7 == int(sys.argv[2]):
        for cache in path.parent.glob('.cache/[!.]*.table'):
            cache.unlink(missing_ok=True)
"""


@pytest.fixture
def annotation(tmp_path: Path) -> Path:
    path = tmp_path / 'all_train_annotation.json'
    rows = [[f'train_{i}', 'count', f'question {i}', 'yes'] for i in range(3000)]
    path.write_text(json.dumps(rows))
    return path


def cache_of(annotation: Path) -> Path:
    (path,) = annotation.parent.glob('.cache/*')
    return path


@pytest.mark.slow
def test_other_processes_write_it(
    annotation: Path, start_python: Callable[..., Any]
) -> None:
    """None ever reads half of a file, and nothing but the cache stays."""
    processes = [start_python('-c', OPEN, annotation, i) for i in range(4)]
    for process in processes:
        done = process.wait()
        assert done.returncode == 0, done.stderr
    assert len(QuestionTable.read(annotation)) == 3000
    assert cache_of(annotation).suffix == '.table'


def test_of_another_version(annotation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(table_cache, '_VERSION', b'0')
        QuestionTable.read(annotation)
    before = cache_of(annotation).read_bytes()
    assert len(QuestionTable.read(annotation)) == 3000
    assert cache_of(annotation).read_bytes() != before


def test_stale(annotation: Path) -> None:
    """Of the same size, and changed within the same second."""
    QuestionTable.read(annotation)
    stat = annotation.stat()
    annotation.write_text(annotation.read_text().replace('yes', 'no.'))
    os.utime(annotation, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1000))
    assert set(QuestionTable.read(annotation).text('answer', range(3000))) == {'no.'}


def test_something_else_in_its_place(annotation: Path) -> None:
    QuestionTable.read(annotation)
    path = cache_of(annotation)
    path.unlink()
    path.mkdir()
    assert len(QuestionTable.read(annotation)) == 3000


def test_nowhere_to_write(
    annotation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither beside the data nor in the user's cache folder."""
    (tmp_path / 'file').write_text('')
    (tmp_path / '.cache').write_text('')
    monkeypatch.setenv('TORCHGEO_VQA_CACHE', str(tmp_path / 'file'))
    for _ in range(2):
        assert len(QuestionTable.read(annotation)) == 3000
