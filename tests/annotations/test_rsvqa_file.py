# SPDX-License-Identifier: MIT
"""Tests of the reader of RSVQA's files."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from torchgeo_vqa.annotations.rsvqa_file import INACTIVE, RSVQAFiles


def write(folder: Path, **lists: list[Any]) -> RSVQAFiles:
    files = RSVQAFiles.of_split(folder, 'X', 'train')
    for noun, path in files._asdict().items():
        path.write_text(json.dumps({'more': [1], noun: lists.get(noun, [])}))
    return files


def question(**changes: Any) -> dict[str, Any]:
    entry = {'id': 5, 'img_id': 1, 'answers_ids': [7], 'type': 't', 'question': 'Q?'}
    return entry | changes


IMAGES = [{'id': 2, 'name': 'b'}, {'id': 1, 'name': 'a'}, {'id': 3, 'active': False}]
ANSWERS = [{'id': 7, 'answer': 'yes'}, {'id': 'x', 'answer': 'no'}, {'id': 2**70}]


def test_of_split(tmp_path: Path) -> None:
    files = RSVQAFiles.of_split(tmp_path, 'LR', 'val')
    assert files.answers == tmp_path / 'LR_split_val_answers.json'
    assert files.read('id', 'raise') is None


@pytest.mark.parametrize(
    ('changes', 'image', 'answer'),
    [
        ({}, 'a', 'yes'),
        ({'img_id': 2}, 'b', 'yes'),
        ({'answers_ids': ['x']}, 'a', 'no'),
        # the first of several counts
        ({'answers_ids': ['x', 7]}, 'a', 'no'),
        ({'answers_ids': [7, 7]}, 'a', 'yes'),
        ({'answers_ids': [99, 7]}, 'a', None),
        ({'answers_ids': []}, 'a', None),
        ({'answers_ids': 7}, 'a', None),
        ({'answers_ids': [2**70]}, 'a', None),
        ({'answers_ids': [[7]]}, 'a', None),
        ({'img_id': 3}, None, 'yes'),
        ({'img_id': '1'}, None, 'yes'),
        ({'img_id': True}, None, 'yes'),
        ({'img_id': None}, None, 'yes'),
        ({'img_id': {}}, None, 'yes'),
    ],
)
def test_join(
    tmp_path: Path, changes: dict[str, Any], image: str | None, answer: str | None
) -> None:
    files = write(
        tmp_path, images=IMAGES, answers=ANSWERS, questions=[question(**changes)]
    )
    (row,) = files.rows('name')
    assert row[:6] == (0, 5, image, 't', 'Q?', answer)
    missing = {image: 'missing image', answer: 'missing answer'}.get(None)
    assert (row.problem and row.problem[0]) == missing
    table = files.read('name', 'skip')
    assert table is not None
    assert (len(table), table.num_malformed) == ((0, 1) if missing else (1, 0))


def test_problems(tmp_path: Path) -> None:
    stub = {'id': 0, 'active': False}
    questions = [stub, 3, question(), question(img_id=4)]
    files = write(tmp_path, images=IMAGES, answers=ANSWERS, questions=questions)
    problems = [row.problem for row in files.rows('name')]
    reasons = [problem and problem[0] for problem in problems]
    assert reasons == [INACTIVE, 'malformed row', None, 'missing image']
    assert problems[3] == ('missing image', "no active image has the id 4 and a 'name'")
    with pytest.raises(ValueError, match='2 of 3 questions are malformed'):
        files.read('name', 'raise')


def test_images_of_other_splits(tmp_path: Path) -> None:
    """Their stubs have an id, which is a name where images are named by it."""
    files = write(
        tmp_path, images=IMAGES, answers=ANSWERS, questions=[question(img_id=3)]
    )
    (row,) = files.rows('id')
    assert row.image is None
    assert row.problem is not None
    assert row.problem[0] == 'missing image'


def test_id_names_an_image(tmp_path: Path) -> None:
    files = write(tmp_path, images=IMAGES, answers=ANSWERS, questions=[question()])
    table = files.read('id', 'raise')
    assert table is not None
    assert table.text('image', [0]) == ['1']


def test_first_of_two_entries_with_an_id(tmp_path: Path) -> None:
    # Among many, since few are sorted in another way
    ids = list(range(100, 0, -1))
    answers = [{'id': i, 'answer': f'{n} {i}'} for n in (1, 2, 3) for i in ids]
    questions = [question(answers_ids=[i]) for i in ids]
    files = write(tmp_path, images=IMAGES, answers=answers, questions=questions)
    assert [row.answer for row in files.rows('name')] == [f'1 {i}' for i in ids]


def test_memory(tmp_path: Path) -> None:
    """Answers are few texts, so an id must take a few bytes."""

    def peak(number: int) -> int:
        folder = tmp_path / str(number)
        folder.mkdir()
        answers = [{'id': i, 'answer': f'{i % 3} ' * 20} for i in range(number)]
        files = write(folder, answers=answers, questions=[question()])
        del answers
        tracemalloc.start()
        assert len(list(files.rows())) == 1
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    assert peak(12_000) - peak(2000) < 10_000 * 50
