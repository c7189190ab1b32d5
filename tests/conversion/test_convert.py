# SPDX-License-Identifier: MIT
"""Tests of the conversion as a whole."""

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torchgeo_vqa.conversion import QuestionFormat, SplitRule, convert
from torchgeo_vqa.datamodules import OSVQADataModule

WriteImage = Callable[..., None]


def test_data_module_reads_it(
    make_questions: Any, tmp_path: Path, images: Path
) -> None:
    files, options = make_questions(tmp_path, 'csv')
    convert(
        files,
        tmp_path / 'out',
        optical=images / 'optical',
        sar=images / 'sar',
        question_format=QuestionFormat(**options),
        split_rule=SplitRule(fractions=(0.6, 0.2, 0.2)),
    )
    module = OSVQADataModule(root=str(tmp_path / 'out'), batch_size=2, num_workers=0)
    module.setup('fit')
    batch = next(iter(module.train_dataloader()))
    assert batch['image_optical'].shape[1:] == (3, 32, 32)
    assert batch['image_sar'].shape[1:] == (2, 32, 32)


def convert_flat(options: dict[str, Any]) -> None:
    """Convert by options as the command line has them."""
    for argument, group in (
        ('question_format', QuestionFormat),
        ('split_rule', SplitRule),
    ):
        names = [field.name for field in fields(group) if field.name in options]
        options[argument] = group(**{name: options.pop(name) for name in names})
    convert(**options)


@pytest.mark.parametrize(
    ('options', 'error', 'message'),
    [
        ({'optical': None}, ValueError, 'name a folder of images'),
        ({'optical': 'nowhere'}, FileNotFoundError, 'nowhere is not a folder'),
        ({'sar': 'void'}, FileNotFoundError, 'void holds no image'),
        ({'fractions': (0.5, 0.1, 0.1)}, ValueError, 'sum to 1'),
        ({'fractions': (1.5, -0.5, 0)}, ValueError, 'sum to 1'),
        ({'seed': -1}, ValueError, 'seed must not be negative, got -1'),
        ({'split': 'column'}, ValueError, '--split_column'),
        ({'split': 'file'}, ValueError, 'q.csv has no split'),
        ({'split_column': 'fold'}, ValueError, "no column 'fold'.*--split_column"),
        ({'answer_column': 'a'}, ValueError, "no column 'a'.*--answer_column"),
        ({'encoding': 'ascii'}, ValueError, 'is not encoded in ascii'),
        ({'report': 'r.txt'}, ValueError, r'must end in \.csv or \.json'),
        ({'report': 'q.csv'}, FileExistsError, 'remove it'),
        ({'report': 'out/r.csv'}, ValueError, 'lies in the output'),
        ({'report': 'q.csv/r.csv'}, OSError, 'r.csv cannot be written'),
        ({'output': 'q.csv/out'}, OSError, 'out cannot be written'),
        ({'output': 'images'}, FileExistsError, 'images exists; remove it'),
        ({'questions': []}, ValueError, 'name a question file'),
        ({'questions': ['q.xlsx']}, ValueError, 'must end in .csv'),
        ({'questions': ['no.csv']}, FileNotFoundError, 'no.csv'),
        ({'questions': ['open.csv']}, ValueError, 'line 2: .*is a quote left open'),
        ({'questions': ['o.json']}, ValueError, 'is a JSON object'),
        ({'questions': ['bad.json']}, ValueError, 'is not valid JSON'),
        (
            {'questions': ['lost.csv']},
            ValueError,
            r'none of 1 rows can be taken of .*\n.*lost',
        ),
    ],
)
def test_errors(
    make_questions: Any,
    tmp_path: Path,
    images: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    make_questions(tmp_path, 'csv')
    Path('void').mkdir()
    Path('open.csv').write_text('image,question,answer\na,"Is it?,yes\n')
    Path('o.json').write_text('{"a": {"question": "Is it?"}}')
    Path('bad.json').write_text('[["a", "t", "Is it?", "yes"]')
    Path('lost.csv').write_text('image,question,answer\nlost,Is it?,yes\n')
    before = sorted(tmp_path.iterdir())
    arguments: dict[str, Any] = {
        'questions': ['q.csv'],
        'output': 'out',
        'optical': 'images/optical',
    }
    with pytest.raises(error, match=message):
        convert_flat(arguments | options)
    # neither a half-written folder nor a temporary one
    assert sorted(tmp_path.iterdir()) == before


def test_memory_does_not_grow_with_text(
    tmp_path: Path, write_image: WriteImage
) -> None:
    write_image(tmp_path / 'i/a.png', np.zeros((1, 8, 8), np.uint8))

    def peak(num_rows: int) -> int:
        path = tmp_path / f'{num_rows}.json'
        rows = [['a', 't', f'Is it {i} {"x" * 500}?', 'yes'] for i in range(num_rows)]
        path.write_text(json.dumps(rows))
        del rows
        tracemalloc.start()
        convert([path], tmp_path / f'{num_rows}', optical=tmp_path / 'i')
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    # about 100 bytes a row, for what was seen already, of more than 500
    assert peak(8000) - peak(2000) < 6000 * 200


def test_real_pairs_convert_to_themselves(
    read_release: Any, read_osvqa: Any, tmp_path: Path, real_root: Path
) -> None:
    root = real_root / 'OSVQA_1.0'
    files = sorted((root / 'annotations').glob('all_*_annotation.json'))
    report = convert(
        files,
        tmp_path / 'out',
        optical=root / 'images/rgb',
        sar=root / 'images/sar',
        transfer='symlink',
    )
    assert report.num_taken == report.num_rows
    assert read_release(tmp_path / 'out') == sorted(
        row for path in files for row in json.loads(path.read_text())
    )
    assert read_osvqa(tmp_path / 'out') == read_osvqa(root)


def test_real_rsvqa(
    read_release: Any, read_osvqa: Any, tmp_path: Path, real_data: Callable[[str], Path]
) -> None:
    root = real_data('rsvqa_lr')
    files = sorted(root.glob('LR_split_*_questions.json'))
    report = convert(files, tmp_path / 'out', optical=root / 'Images_LR')
    expected = []
    for path in files:
        content = [
            json.loads(Path(str(path).replace('questions', noun)).read_text())[noun]
            for noun in ('questions', 'answers')
        ]
        answers = {a['question_id']: a['answer'] for a in content[1] if a['active']}
        expected += [
            [str(q['img_id']), q['type'], q['question'], answers[q['id']]]
            for q in content[0]
            if q['active']
        ]
    assert report.num_rows == len(expected)
    distinct = {
        tuple(row) for row in expected if (root / f'Images_LR/{row[0]}.tif').exists()
    }
    assert {tuple(row) for row in read_release(tmp_path / 'out')} == distinct
    assert (
        set(map(tuple, read_osvqa(tmp_path / 'out', modalities=['optical'])))
        == distinct
    )
