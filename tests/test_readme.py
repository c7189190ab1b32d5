# SPDX-License-Identifier: MIT
"""Tests of the commands in the README and in the documentation."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from torchgeo.main import main

from torchgeo_vqa.quickstart import QUICKSTART, with_quickstart

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md')))
BLOCK = re.compile(r'^```(\w+)\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def blocks(page: Path, *languages: str) -> list[str]:
    """Return the code blocks of a page in one of these languages."""
    found = BLOCK.findall(page.read_text())
    return [code for language, code in found if language in languages]


def commands() -> list[str]:
    """Return all commands, each once, in order."""
    lines = [
        line.removeprefix('$ ')
        for page in PAGES
        for block in blocks(page, 'sh', 'console')
        for line in block.splitlines()
    ]
    return list(dict.fromkeys(line for line in lines if line.startswith('torchgeo ')))


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that the commands name."""
    folder = tmp_path_factory.mktemp('readme')
    shutil.copytree(QUICKSTART.parent, folder / 'torchgeo_vqa' / 'configs')
    run = folder / 'lightning_logs' / 'version_0'
    run.mkdir(parents=True)
    shutil.copy(QUICKSTART, run / 'config.yaml')
    return folder


def test_there_are_commands() -> None:
    assert 'torchgeo fit --model tgfnet' in commands()
    assert len(commands()) > 5


@pytest.mark.parametrize('command', commands())
def test_commands_parse(
    command: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    args = with_quickstart(shlex.split(command, comments=True)[1:])
    if not re.search(r'--[\w.]*help\b', command):
        args.append('--print_config')
    with pytest.raises(SystemExit) as exit_info:
        main(args)
    assert exit_info.value.code == 0, capsys.readouterr().err


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_make_targets_exist(page: Path) -> None:
    targets = re.findall(r'^([a-z]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE)
    for target in re.findall(r'(?:`|\$ )make ([a-z]+)', page.read_text()):
        assert target in targets


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r'\]\(([^)#]+)\)', page.read_text()):
        if not target.startswith('https://'):
            assert (page.parent / target).exists(), target
