# SPDX-License-Identifier: MIT
"""Tests that the benchmarks fit the package; they are run by hand."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from torchgeo.main import main

from torchgeo_vqa.quickstart import QUICKSTART

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / 'benchmarks').glob('*.py'))

#: Runs every script as far as its command line, and prints its name.
HELP = """
import runpy, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
for path in sorted(Path(sys.argv[1]).glob('*.py')):
    sys.argv = [str(path), '--help']
    name = '__main__' if 'parse_args()' in path.read_text() else path.stem
    try:
        runpy.run_path(str(path), run_name=name)
    except SystemExit as end:
        assert end.code == 0, path
    print('ran', path.name)
"""


def test_every_benchmark_starts(
    run_python: Callable[..., CompletedProcess[str]],
) -> None:
    done = run_python('-c', HELP, ROOT / 'benchmarks')
    assert done.returncode == 0, done.stderr
    names = re.findall(r'^ran (\S+)$', done.stdout, re.MULTILINE)
    assert names == [path.name for path in SCRIPTS]


@pytest.mark.parametrize('path', SCRIPTS, ids=lambda path: path.stem)
def test_what_they_name_is_there(path: Path) -> None:
    """Imports of the scripts that they run, classes and tests that they name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        for line in re.findall(r'^from torchgeo_vqa.*$', node.value, re.MULTILINE):
            exec(line, {})  # noqa: S102  # our own scripts
        if re.fullmatch(r'torchgeo_vqa(\.\w+)+', node.value):
            module, _, name = node.value.rpartition('.')
            exec(f'from {module} import {name}', {})  # noqa: S102
        if re.fullmatch(r'tests/\S+\.py', node.value):
            assert (ROOT / node.value).is_file(), node.value


def test_methods_are_what_the_command_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One method of each set of options."""
    monkeypatch.syspath_prepend(ROOT / 'benchmarks')
    known = set(sys.modules)
    from experiment import as_arguments
    from methods import DEGRADATION, METHODS

    for name in set(sys.modules) - known:
        monkeypatch.delitem(sys.modules, name)
    callback: dict[str, Any] = {
        'class_path': 'torchgeo_vqa.trainers.DegradationTest',
        'init_args': DEGRADATION,
    }
    different = {tuple(method.options): method for method in METHODS.values()}
    for method in different.values():
        with pytest.raises(SystemExit) as exit_info:
            main(
                [
                    *('fit', '--config', str(QUICKSTART)),
                    *as_arguments(method.options),
                    *('--trainer.callbacks+', json.dumps(callback), '--print_config'),
                ]
            )
        assert exit_info.value.code == 0, capsys.readouterr().err


def test_some_faults_are_not_silent(tmp_path: Path) -> None:
    """A few of the table's inputs; all of them take some minutes."""
    script = ROOT / 'benchmarks' / 'fault_table.py'
    output = str(tmp_path / 'table.md')
    command = [sys.executable, str(script), '--quick', '--output', output]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r'^12 inputs: .*0 not as they must be', done.stdout, re.MULTILINE)
