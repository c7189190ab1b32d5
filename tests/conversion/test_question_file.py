# SPDX-License-Identifier: MIT
"""Tests of reading question files."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from torchgeo_vqa.conversion import QuestionFormat, convert

WriteImage = Callable[..., None]


@pytest.mark.parametrize(
    'kind', ['csv', 'semicolon', 'jsonl', 'lists', 'objects', 'rsvqa']
)
def test_formats(
    read_osvqa: Any,
    make_questions: Any,
    rows: Any,
    tmp_path: Path,
    images: Path,
    kind: str,
) -> None:
    files, options = make_questions(tmp_path, kind)
    report = convert(
        files,
        tmp_path / 'out',
        optical=images / 'optical',
        sar=images / 'sar',
        question_format=QuestionFormat(**options),
    )
    assert (report.num_rows, report.num_taken) == (6, 6)
    assert not report.rejected
    assert read_osvqa(tmp_path / 'out') == sorted(rows)
    # and the files hold text as it is, not escapes
    text = ''.join(p.read_text() for p in (tmp_path / 'out/annotations').glob('*.json'))
    assert '有水吗？' in text
    for modality, folder in (('optical', 'rgb'), ('sar', 'sar')):
        for path in (images / modality).rglob('*.*'):
            copy = (
                tmp_path / 'out/images' / folder / path.relative_to(images / modality)
            )
            assert copy.read_bytes() == path.read_bytes()
            assert not copy.is_symlink()
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith('.')) == []


def test_bad_json_rows(read_release: Any, tmp_path: Path, images: Path) -> None:
    lines = [
        '{"image": "a", "question": "How many?", "answer": 3}',
        '{"image": "a", "question": "How long?", "answer": 0.5}',
        '{"image": "a", "question": "Is it?", "answer": true}',
        '{"image": "a", "question": "Is it?", "answer": null}',
        '{"image": "a", "question": "Is it?"}',
        '{"image": "a", "question": ',
        '7',
        '["a", "t", "A list?", "yes"]',
        '{"image": "a", "question": "Is it?", "answer": "\\ud83d"}',
        '{"image": "a", "question": {"text": "Is it?"}, "answer": "yes"}',
    ]
    (tmp_path / 'q.jsonl').write_text('\n'.join(lines))
    convert([tmp_path / 'q.jsonl'], tmp_path / 'out', optical=images / 'optical')
    assert read_release(tmp_path / 'out') == [
        ['a', 'question', 'How long?', '0.5'],
        ['a', 'question', 'How many?', '3'],
        ['a', 't', 'A list?', 'yes'],
    ]
    with (tmp_path / 'out/rejected.csv').open(encoding='utf-8') as file:
        rejected = [(int(r['number']), r['reason']) for r in csv.DictReader(file)]
    assert rejected == [
        (3, 'not text'),
        (4, 'empty answer'),
        (5, 'missing key'),
        (6, 'malformed row'),
        (7, 'malformed row'),
        (9, 'not Unicode'),
        (10, 'not text'),
    ]


def test_bad_rsvqa_rows(read_release: Any, tmp_path: Path, images: Path) -> None:
    joins: list[dict[str, Any]] = [
        {'img_id': 'a', 'answers_ids': [0], 'active': True},
        {'img_id': 'b', 'answers_ids': [0], 'active': True},
        {'img_id': 'a', 'answers_ids': [1], 'active': True},
        {'img_id': 'a', 'answers_ids': [], 'active': True},
        {'img_id': 'a', 'answers_ids': [2, 0], 'active': True},
        {'active': False},
    ]
    content: dict[str, list[dict[str, Any]]] = {
        'images': [{'id': 'a', 'active': True}, {'id': 'b', 'active': False}],
        'answers': [
            {'id': 0, 'answer': 'yes', 'active': True},
            {'id': 1, 'active': False},
            {'id': 2, 'answer': 'no', 'active': True},
        ],
        'questions': [
            {'id': i, 'type': 't', 'question': f'Is it {i}?', **join}
            for i, join in enumerate(joins)
        ],
    }
    for noun, elements in content.items():
        (tmp_path / f'q_{noun}.json').write_text(json.dumps({noun: elements}))
    report = convert(
        [tmp_path / 'q_questions.json'], tmp_path / 'out', optical=images / 'optical'
    )
    assert read_release(tmp_path / 'out') == [
        ['a', 't', 'Is it 0?', 'yes'],
        ['a', 't', 'Is it 4?', 'no'],  # the first of two answers
    ]
    assert dict(report.rejected) == {'missing image': 1, 'missing answer': 2}
    assert report.num_rows == 5
    assert '1 inactive stubs are no questions' in report.notes
