# SPDX-License-Identifier: MIT
"""Tests of the autoload, most on small stand-ins for the two packages it joins."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import torchgeo.tasks

import _torchgeo_vqa_autoload
from _torchgeo_vqa_autoload import HostFinder, autoload

FOREIGN = (
    *('fit', '--model', 'Classification'),
    *('--data', 'EuroSAT100DataModule', '--print_config'),
)
NEVER_WORKS = "raise RuntimeError('out of order')"

Run = Callable[..., subprocess.CompletedProcess[str]]


def run_python(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run this Python in a new process with extra environment variables."""
    result = subprocess.run(
        # -P: not the checkout in the current folder, but what is on the path
        [sys.executable, '-P', *args],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run code that has called `autoload`, with stand-ins for torchgeo and for us."""
    files = {
        'torchgeo/__init__.py': '',
        'torchgeo/tasks.py': 'print("tasks")',
        'torchgeo/main.py': 'print("main"); import torchgeo.tasks',
        'torchgeo_vqa/__init__.py': 'print("plugin")',
        'torchgeo_vqa/quickstart.py': 'def start_quickstart(): print("quickstart")',
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def run_with_standins(code: str, **env: str) -> subprocess.CompletedProcess[str]:
        code = f'import sys\n{autoload_code}\n{code}'
        return run_python('-c', code, PYTHONPATH=str(tmp_path), **env)

    folder = str(Path(_torchgeo_vqa_autoload.__file__).parent)
    autoload_code = (
        f'sys.path.append({folder!r}); import _torchgeo_vqa_autoload as ours; '
        'ours.autoload()'
    )
    return run_with_standins


def test_plugin_follows_tasks(run: Run) -> None:
    code = """
before = sys.meta_path[1:]
import torchgeo
print('torchgeo_vqa' in sys.modules)
import torchgeo.tasks
assert sys.meta_path == before
assert 'exec_module' not in vars(torchgeo.tasks.__loader__)
import torchgeo.main
"""
    assert run(code).stdout.split() == [
        'False',
        'tasks',
        'plugin',
        'quickstart',
        'main',
    ]


def test_plugin_follows_tasks_inside_main(run: Run) -> None:
    result = run('import torchgeo.main, torchgeo.tasks')
    assert result.stdout.split() == ['main', 'tasks', 'plugin', 'quickstart']


def test_plugin_follows_main_if_tasks_came_first(run: Run, tmp_path: Path) -> None:
    # as when torchgeo.tasks is the first to import torch
    (tmp_path / 'torchgeo/tasks.py').write_text('ours.autoload(); print("tasks")')
    code = """
sys.meta_path.pop(0)
import builtins
builtins.ours = ours
import torchgeo.tasks
import torchgeo.main
"""
    assert run(code).stdout.split() == ['tasks', 'main', 'plugin', 'quickstart']


@pytest.mark.parametrize(
    'broken', ['torchgeo_vqa/__init__.py', 'torchgeo_vqa/quickstart.py']
)
def test_broken_plugin_warns_once(run: Run, tmp_path: Path, broken: str) -> None:
    (tmp_path / broken).write_text(NEVER_WORKS)
    result = run('import torchgeo.tasks, torchgeo.main; print("goes on")')
    assert result.stdout.split()[-2:] == ['goes', 'on']
    assert result.stderr.count('Warning') == 1
    assert '(RuntimeError: out of order)' in result.stderr
    assert 'TORCHGEO_VQA_AUTOLOAD=0' in result.stderr


def test_broken_host_is_not_hidden(run: Run, tmp_path: Path) -> None:
    (tmp_path / 'torchgeo/tasks.py').write_text(NEVER_WORKS)
    code = """
try:
    import torchgeo.tasks
except RuntimeError as error:
    print(error)
"""
    assert run(code).stdout.split() == ['out', 'of', 'order']


def test_off_switch(run: Run) -> None:
    result = run('import torchgeo.main', TORCHGEO_VQA_AUTOLOAD='0')
    assert result.stdout.split() == ['main', 'tasks']


def test_called_twice(run: Run) -> None:
    result = run('ours.autoload(); import torchgeo.main')
    assert result.stdout.split() == ['main', 'tasks', 'plugin', 'quickstart']


def test_other_modules_are_left_alone() -> None:
    assert HostFinder().find_spec('json', None) is None


def test_host_is_found_as_python_finds_it() -> None:
    spec = torchgeo.tasks.__spec__
    found = HostFinder().find_spec('torchgeo.tasks', torchgeo.__path__)
    assert found is not None
    assert spec is not None
    assert found.origin == spec.origin


def test_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    finders = [x for x in sys.meta_path if not isinstance(x, HostFinder)]
    monkeypatch.setattr(sys, 'meta_path', finders)
    name = _torchgeo_vqa_autoload.__name__
    seconds = []
    for _ in range(5):
        monkeypatch.delitem(sys.modules, name)
        known = set(sys.modules)
        # what torch does for us on top of what it does for itself
        (entry_point,) = entry_points(group='torch.backends', name='torchgeo_vqa')
        start = time.perf_counter()
        entry_point.load()()
        seconds.append(time.perf_counter() - start)
        assert set(sys.modules) - known == {name}
        assert type(sys.meta_path.pop(0)).__name__ == 'HostFinder'
    assert min(seconds) < 0.005


def test_off_switch_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, 'meta_path', [])
    for value, finders in [('0', 0), ('1', 1)]:
        monkeypatch.setenv('TORCHGEO_VQA_AUTOLOAD', value)
        autoload()
        assert len(sys.meta_path) == finders


#: Runs TorchGeo's command, which imports us. ``import torch`` must leave us out, and
#: ``import torchgeo_vqa`` what only some of its users need.
IMPORTS = """
import sys, torch
assert 'torchgeo_vqa' not in sys.modules
assert 'torchgeo' not in sys.modules
import torchgeo.tasks
assert 'torchgeo_vqa.trainers' in sys.modules
for name in ('cli', 'conversion', 'generation', 'page'):
    assert f'torchgeo_vqa.{name}' not in sys.modules, name
import torchgeo_vqa.questions
for name in ('distributed', 'gradio', 'inflect'):
    assert name not in sys.modules, name
from torchgeo.main import main
main()
"""


@pytest.mark.slow
def test_torchgeo_parses_as_without_us(tmp_path: Path) -> None:
    """A plugin that cannot be imported is as good as none, but for the warning."""
    package = tmp_path / 'torchgeo_vqa' / '__init__.py'
    package.parent.mkdir()
    package.write_text(NEVER_WORKS)
    without = run_python('-m', 'torchgeo', *FOREIGN, PYTHONPATH=str(tmp_path))
    assert without.stderr.count('torchgeo-vqa could not be imported') == 1
    assert 'EuroSAT100DataModule' in without.stdout
    result = run_python('-c', IMPORTS, *FOREIGN)
    assert 'torchgeo-vqa' not in result.stderr
    assert result.stdout == without.stdout
