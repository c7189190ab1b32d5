# SPDX-License-Identifier: MIT
"""Whatever a file holds, it is read, or rejected in our own words."""

import csv
import json
import tempfile
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from torchgeo_vqa.annotations.question_table import COLUMNS, QuestionTable
from torchgeo_vqa.annotations.rsvqa_file import RSVQAFiles
from torchgeo_vqa.conversion import SplitRule, convert
from torchgeo_vqa.rasters.image_file import ImageFile

#: `--hypothesis-profile long` tries more
fuzz = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

#: What breaks readers when it stands in the wrong place.
SCRAPS = (
    b'',
    b'\x00',
    b'"',
    b',',
    b'[',
    b']]',
    b'{"a":',
    b'}',
    b'\\',
    b'\\ud800',
    b'\xff\xfe',
    b'\xef\xbb\xbf',
    b'null',
    b'1e999',
    b'-',
    b'NaN',
    b'\r\n',
    b'\x7f\xff\xff\xff',
    b'\x80\x00\x00\x00',
    b'[' * 5000,
    b'9' * 5000,
)


@st.composite
def spoiled(draw: st.DrawFn, data: bytes) -> bytes:
    """Change a file in a few places, or cut it off.

    Args:
        draw: Draws from strategies.
        data: The file.

    Returns:
        The file with parts left out, put in, or written over.
    """
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        scrap = draw(st.sampled_from(SCRAPS) | st.binary(max_size=8))
        left_out = draw(st.just(len(scrap)) | st.integers(0, 40) | st.just(len(data)))
        data = data[:at] + scrap + data[at + left_out :]
    return data


ROWS = [
    ['train_0', 'presence', 'Is there a ship?', 'yes'],
    ['train_0.png', 'count', 'How many "ships"?\n', '2'],
    ['train_1', 'presence', 'هل 🚢 \\ ?', 'no'],
]

#: Cells as somebody's script may write them.
CELLS = st.text(max_size=6) | st.sampled_from(
    ['train_0', '', ' ', '\ud800', 'x' * 10**5]
)
VALUES = st.recursive(
    CELLS | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
TABLES = st.lists(st.lists(CELLS, min_size=4, max_size=4) | VALUES, max_size=4)


def peak() -> int:
    """Most memory that the process has had since it was last asked to forget, in kB."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return int(next(line for line in lines if line.startswith('VmHWM')).split()[1])


@pytest.fixture(autouse=True)
def bounded_memory() -> Iterator[None]:
    """No file of some kilobytes may take a gigabyte, where the system tells."""
    forget = Path('/proc/self/clear_refs')
    if not forget.exists():
        yield
        return
    forget.write_text('5')  # what other tests took
    before = peak()
    yield
    assert peak() - before < 2**20, f'{(peak() - before) / 2**20:.1f} GiB more'


def outcome(function: Callable[[], Any]) -> tuple[Any, str]:
    """What a function returns, or its error in words if it is one of our own."""
    try:
        return function(), ''
    except (OSError, ValueError) as error:
        return None, str(error)


# --- the annotation reader ----------------------------------------------------------------


def reference(data: bytes) -> list[Any] | None:
    """What Python's own reader makes of a file; None if it is no list."""
    try:
        rows = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return rows if isinstance(rows, list) else None


def is_good(row: Any) -> bool:
    """Whether a row is four strings that say something."""
    if not isinstance(row, list) or len(row) != 4:
        return False
    return all(
        isinstance(cell, str)
        and cell.strip()
        and not any('\ud800' <= c <= '\udfff' for c in cell)
        for cell in row
    )


def read_annotations(data: bytes, skip: bool) -> None:
    """Compare the reader with the reference."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'all_train_annotation.json'
        path.write_bytes(data)
        rows = reference(data)
        good = [row for row in rows or [] if is_good(row)]
        table, error = outcome(
            lambda: QuestionTable.read(path, 'skip' if skip else 'raise')
        )
        if error:
            assert str(path) in error
            assert rows is None or not (skip or len(good) == len(rows))
            return
        assert rows is not None
        assert table.num_malformed == len(rows) - len(good)
        ids = range(len(table))
        for i, column in enumerate(COLUMNS[1:], 1):
            assert table.text(column, ids) == [row[i].strip() for row in good]


@fuzz
@given(data=spoiled(json.dumps(ROWS, ensure_ascii=False).encode()), skip=st.booleans())
def test_spoiled_annotations(data: bytes, skip: bool) -> None:
    read_annotations(data, skip)


@fuzz
@given(rows=TABLES | VALUES, skip=st.booleans())
def test_other_annotations(rows: Any, skip: bool) -> None:
    read_annotations(json.dumps(rows).encode(), skip)


@fuzz
@given(data=st.data())
def test_spoiled_cache(data: st.DataObject, tmp_path: Path) -> None:
    """A cache that was damaged is made anew: never is anything else read from it."""
    path = tmp_path / 'all_train_annotation.json'
    path.write_text(json.dumps(ROWS * 50))
    expected = QuestionTable.read(path)
    (cache,) = tmp_path.glob('.cache/*.table')
    good = cache.read_bytes()
    cache.write_bytes(data.draw(spoiled(good)))
    found = QuestionTable.read(path)
    for column in COLUMNS:
        ids = range(len(expected))
        assert found.text(column, ids) == expected.text(column, ids)
    cache.write_bytes(good)


RSVQA = {
    'questions': [
        {
            'id': 0,
            'img_id': 0,
            'type': 'count',
            'question': 'How many?',
            'answers_ids': [0],
            'active': True,
        },
        {'id': 1, 'active': False},
    ],
    'answers': [{'id': 0, 'answer': '2', 'question_id': 0, 'active': True}],
    'images': [{'id': 0, 'original_name': 'a.tif', 'active': True}],
}


@fuzz
@given(kind=st.sampled_from(sorted(RSVQA)), data=st.data(), skip=st.booleans())
def test_spoiled_rsvqa(kind: str, data: st.DataObject, skip: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f'{name}.json' for name in RSVQA]
        for file in files:
            content = json.dumps({file.stem: RSVQA[file.stem]}).encode()
            if file.stem == kind:
                content = data.draw(spoiled(content))
            file.write_bytes(content)
        found, error = outcome(
            lambda: RSVQAFiles(*files).read('id', 'skip' if skip else 'raise')
        )
        if error:
            assert folder in error
        else:
            assert not any(values.null_count for values in found.values.values())
            assert skip or not found.num_malformed


# --- the converter ------------------------------------------------------------------------

HEADER = ('image', 'question_type', 'question', 'answer')


def as_csv(delimiter: str) -> bytes:
    """Write the rows as comma-separated values."""
    file = StringIO()
    csv.writer(file, delimiter=delimiter).writerows([HEADER, *ROWS])
    return file.getvalue().encode()


OBJECTS = [dict(zip(HEADER, row, strict=True)) for row in ROWS]

#: A good file of each format.
FORMATS = {
    'a.csv': as_csv(','),
    'a.tsv': as_csv('\t'),
    'a.jsonl': '\n'.join(map(json.dumps, OBJECTS)).encode(),
    'a.json': json.dumps(OBJECTS).encode(),
    'rows.json': json.dumps(ROWS).encode(),
    **{
        f'x_{kind}.json': json.dumps({kind: content}).encode()
        for kind, content in RSVQA.items()
    },
}


@pytest.fixture(scope='module')
def image_folder(tmp_path_factory: pytest.TempPathFactory, write_image: Any) -> Path:
    folder = tmp_path_factory.mktemp('images')
    for name in ('train_0', 'train_1', '0'):
        write_image(folder / f'{name}.png', np.zeros((3, 8, 8), np.uint8))
    return folder


def convert_and_count(folder: Path, questions: Path, images: Path) -> None:
    """Convert a file: every row is taken or rejected, and both can be read."""
    output, report = folder / 'output', folder / 'report.csv'
    result, error = outcome(
        lambda: convert(
            [questions],
            output,
            optical=images,
            report=report,
            split_rule=SplitRule(fractions=(1, 0, 0)),
        )
    )
    if error:
        assert str(folder) in error
        assert not output.exists()
        assert not [path for path in folder.iterdir() if path.name.startswith('.')]
        return
    with report.open(encoding='utf-8', newline='') as file:
        rejected = list(csv.reader(file))[1:]
    assert len(rejected) == result.rejected.total()
    assert result.num_taken + len(rejected) == result.num_rows
    table = QuestionTable.read(output / 'annotations/all_train_annotation.json')
    assert len(table) == result.num_taken


@fuzz
@given(name=st.sampled_from(sorted(FORMATS)), data=st.data())
def test_spoiled_question_files(
    name: str, data: st.DataObject, image_folder: Path
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for other, content in FORMATS.items():
            path = Path(folder) / other
            path.write_bytes(data.draw(spoiled(content)) if other == name else content)
        asked = 'x_questions.json' if name.startswith('x_') else name
        convert_and_count(Path(folder), Path(folder) / asked, image_folder)


@fuzz
@given(
    rows=TABLES | VALUES | st.lists(st.dictionaries(st.sampled_from(HEADER), VALUES))
)
def test_other_question_files(rows: Any, image_folder: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'a.json'
        path.write_text(json.dumps(rows))
        convert_and_count(Path(folder), path, image_folder)


# --- the decoder --------------------------------------------------------------------------


@pytest.fixture(
    scope='module', params=['deflate.tif', 'tiled.tif', 'jpeg.tif', 'a.png']
)
def image(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    write_image: Any,
) -> bytes:
    """A good image."""
    path = tmp_path_factory.mktemp('image') / request.param
    profiles: dict[str, dict[str, Any]] = {
        'deflate.tif': {'compress': 'deflate'},
        'tiled.tif': {'tiled': True, 'blockxsize': 16, 'blockysize': 16},
        'jpeg.tif': {'compress': 'jpeg', 'photometric': 'ycbcr'},
        'a.png': {},
    }
    array = np.random.default_rng(0).integers(0, 99, (3, 32, 32)).astype(np.uint8)
    place = {} if path.suffix == '.png' else {'west': 400_000.0}
    write_image(path, array, **place, **profiles[request.param])
    return path.read_bytes()


@fuzz
@given(data=st.data(), suffix=st.sampled_from(['.tif', '.png']))
def test_spoiled_images(image: bytes, data: st.DataObject, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f'image{suffix}'
        path.write_bytes(data.draw(spoiled(image)))
        file, error = outcome(lambda: ImageFile.open(str(path)))
        if not error:
            array, error = outcome(file.read)
        if error:
            assert str(path) in error
        else:
            assert array.shape == (file.num_bands, file.grid.height, file.grid.width)
