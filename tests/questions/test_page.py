# SPDX-License-Identifier: MIT
"""The user page on questions: its Python runs, and its table names every type."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from torchgeo_vqa.questions import QUESTION_TYPES

PAGE = (Path(__file__).parents[2] / 'docs/user/questions.md').read_text()


def test_python_runs(
    tmp_path: Path,
    write_image: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    cover = np.repeat(np.repeat(rng.choice([1, 2, 4, 5], (8, 8)), 20, 0), 20, 1)
    for name, array in {
        'sentinel2': rng.integers(1, 256, (3, 160, 160), np.uint8),
        'sentinel1': rng.normal(-12, 4, (2, 160, 160)).astype(np.float32),
        'land_cover': cover[None].astype(np.uint8),
    }.items():
        write_image(tmp_path / f'{name}.tif', array, 400_000.0)
    blocks = re.findall(r'^```python\n(.*?)^```', PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 6
    names: dict[str, object] = {'__name__': 'page'}
    try:
        for block in blocks:
            exec(block, names)  # noqa: S102  # our own documentation
    finally:
        QUESTION_TYPES.pop('edge', None)
    out = capsys.readouterr().out
    assert 'Is there any trees? yes (0, 0, 64, 64)' in out
    assert "('Does water reach the top?', 'yes')" in out


def test_table_names_every_type() -> None:
    listed = re.findall(r'^\| `(\w+)` \|', PAGE, re.MULTILINE)
    ours = [
        name
        for name, kind in QUESTION_TYPES.items()
        if type(kind).__module__.startswith('torchgeo_vqa.')
    ]
    assert sorted(listed) == sorted(ours)
