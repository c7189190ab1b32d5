# SPDX-License-Identifier: MIT
"""Tests of the commands on the page about one's own data: they are run in turn."""

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from torchgeo_vqa.cli import main
from torchgeo_vqa.datasets import OSVQA

PAGE = (Path(__file__).parents[1] / 'docs/user/own_data.md').read_text()


def block(language: str) -> str:
    """Return the page's first block in a language."""
    match = re.search(rf'^```{language}\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)
    assert match
    return match[1]


def test_page_runs(
    tmp_path: Path,
    maps_root: Path,
    write_image: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path('questions.csv').write_text(block('text'))
    Path('classes.yaml').write_text(block('yaml'))
    shutil.copytree(maps_root, 'maps')
    for i, name in enumerate(('field_1', 'field_2', 'field_3')):
        west = 400_000.0 + 1000 * i
        for folder, bands in (('optical', 3), ('sar', 2)):
            array = np.zeros((bands, 16, 16), np.uint8)
            write_image(Path('images', folder, f'{name}.tif'), array, west)
    commands = re.findall(r'^\$ torchgeo-vqa (.*)$', PAGE, re.MULTILINE)
    assert len(commands) == 5
    for command in commands:
        if command.endswith('--help'):
            with pytest.raises(SystemExit, match='0'):
                main(shlex.split(command))
            continue
        main(shlex.split(command))
        output = capsys.readouterr().out
        if 'convert' in command:
            assert '4 of 5 rows taken' in output
            assert 'missing image: 1, first at questions.csv:6' in output
        assert Path('data').exists() == ('--dry_run' not in command)
        assert 'missing image' in Path('rejected.csv').read_text()
    for root in ('data/fields', 'data/generated'):
        assert len(OSVQA(root).table) > 0
    found = {path.name for path in Path('data/generated').iterdir()} - {'images'}
    for name in found - {'annotations'}:
        assert f'\n{name} ' in PAGE
