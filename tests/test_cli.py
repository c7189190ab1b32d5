# SPDX-License-Identifier: MIT
"""Tests of the command ``torchgeo-vqa``, as it is typed."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from torchgeo_vqa.cli import main
from torchgeo_vqa.datasets import OSVQA

ROOT = Path(__file__).parents[1]


def test_installed_command_is_main() -> None:
    project = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
    assert project['scripts'] == {'torchgeo-vqa': f'{main.__module__}:main'}


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    for args in (['--help'], ['convert', '--help'], ['generate', '--help']):
        with pytest.raises(SystemExit) as exit_info:
            main(args)
        assert exit_info.value.code == 0
    output = capsys.readouterr().out
    # from the docstring
    assert 'Folder of the optical images.' in output
    assert 'Raster of class codes' in output
    assert '--transfer {copy,hardlink,symlink}' in output


def test_convert(
    tmp_path: Path,
    real_root: Path,
    capsys: pytest.CaptureFixture[str],
    run_python: Callable[..., CompletedProcess[str]],
) -> None:
    root = real_root / 'OSVQA_1.0'
    questions = sorted((root / 'annotations').glob('all_*_annotation.json'))
    args = ['convert', *map(str, questions), '--output', str(tmp_path / 'o')]
    args += ['--optical', str(root / 'images/rgb'), '--sar', str(root / 'images/sar')]
    main([*args, '--dry_run'])
    dry = capsys.readouterr().out
    assert '509 of 509 rows taken' in dry
    assert not list(tmp_path.iterdir())
    done = run_python('-m', 'torchgeo_vqa', *args)
    assert (done.returncode, done.stdout) == (0, dry), done.stderr
    assert len(OSVQA(tmp_path / 'o').table) == 346
    with pytest.raises(SystemExit) as exit_info:
        main(args)
    assert exit_info.value.code == 1
    assert capsys.readouterr().err == (
        f'torchgeo-vqa convert: error: {tmp_path / "o"} exists; remove it or choose '
        'another folder\n'
    )


def test_convert_options(
    tmp_path: Path, release_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = release_root / 'annotations/all_train_annotation.json'
    rows = json.loads(path.read_text())
    args = ['convert', str(path), '--output', str(tmp_path / 'o')]
    args += ['--optical', str(release_root / 'images/rgb')]
    main([*args, '--split', 'draw', '--fractions', '0.5', '0', '0.5', '--seed', '3'])
    assert f'{len(rows)} of {len(rows)} rows taken' in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([*args, '--split', 'cut'])
    assert "'draw'" in capsys.readouterr().err
