# SPDX-License-Identifier: MIT
"""Tests of Ctrl-C: one line, exit status 130, nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import _torchgeo_vqa_autoload
from _torchgeo_vqa_autoload import running_command

ROOT = Path(_torchgeo_vqa_autoload.__file__).parent

#: A command that does as it is told.
STANDIN = """
import os, sys, time
sys.path.insert(0, sys.argv.pop(1))
code = sys.argv.pop(1)
sys.argv[0] = '/usr/bin/torchgeo-vqa'
from _torchgeo_vqa_autoload import interrupt
def wait(seconds=60):
    print('ready', flush=True)
    time.sleep(seconds)
exec(code)
"""


@contextmanager
def started(
    *command: object, ignored: bool = False, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """Start a command as a terminal does, in a process group of its own."""
    action = signal.SIG_IGN if ignored else signal.SIG_DFL
    with subprocess.Popen(
        [str(part) for part in command],
        env={**os.environ, 'PYTHONPATH': str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, action),  # noqa: PLW1509
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def interrupted(code: str, times: int = 1, **options: Any) -> tuple[int, str, str]:
    """Interrupt a stand-in when it is ready; return its exit status and what it printed."""
    with started(sys.executable, '-c', STANDIN, ROOT, code, **options) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == 'ready\n'
        for _ in range(times):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.05)
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


LINE = 'torchgeo-vqa: interrupted\n'


def test_while_modules_are_imported() -> None:
    """Nothing can take the exception for an error of its own."""
    code = """
interrupt.start('torchgeo-vqa')
try:
    wait()
except BaseException:
    print('taken')
"""
    assert interrupted(code) == (130, '', LINE)


def test_libraries_that_catch_it() -> None:
    """It is raised again, but not where something is being cleaned up."""
    code = """
import atexit
atexit.register(time.sleep, 1.2)
interrupt.start('torchgeo-vqa')
interrupt.clean_up()
try:
    try:
        wait()
    except BaseException:
        pass
    time.sleep(60)
finally:
    try:
        raise ValueError
    except ValueError:
        time.sleep(1.2)
        print('clean')
"""
    assert interrupted(code) == (130, 'clean\n', LINE)


@pytest.mark.parametrize('times', [1, 2])
def test_what_is_begun_is_cleaned_up(times: int) -> None:
    code = """
interrupt.start('torchgeo-vqa')
interrupt.clean_up()
try:
    try:
        wait()
    except (KeyboardInterrupt, Exception):
        print('taken')
finally:
    time.sleep(0.3)
    print('clean')
"""
    assert interrupted(code, times) == (130, 'clean\n', LINE)


def test_impatience() -> None:
    code = """
interrupt.start('torchgeo-vqa')
interrupt.clean_up()
try:
    wait()
finally:
    time.sleep(60)
"""
    assert interrupted(code, 3) == (130, '', LINE)


def test_forked_workers_are_silent() -> None:
    code = """
interrupt.start('torchgeo-vqa')
interrupt.clean_up()
if not os.fork():
    time.sleep(1)
    print('worker ends', flush=True)
    os._exit(0)
try:
    wait()
finally:
    os.wait()
"""
    assert interrupted(code) == (130, 'worker ends\n', LINE)


def test_other_tasks_of_torchgeo() -> None:
    """They get Python's exception; without them, its traceback is not shown."""
    code = """
sys.argv[0] = 'torchgeo'
interrupt.start('torchgeo')
interrupt.hand_back()
try:
    wait()
except KeyboardInterrupt:
    print('graceful')
    raise
"""
    assert interrupted(code) == (130, 'graceful\n', 'torchgeo: interrupted\n')


@pytest.mark.parametrize('start', ["'torchgeo'", "'torchgeo-vqa'"])
def test_only_the_commands(start: str) -> None:
    """Programs that import the package keep what Python does."""
    code = f"""
sys.argv[0] = 'mine.py'
interrupt.start({start})
interrupt.clean_up()
wait()
"""
    status, _, err = interrupted(code)
    assert status == -signal.SIGINT
    assert err.endswith('KeyboardInterrupt\n')


def test_ignored_in_the_background() -> None:
    code = "interrupt.start('torchgeo-vqa'); interrupt.clean_up(); wait(0.5)"
    assert interrupted(code, ignored=True) == (0, '', '')


@pytest.mark.parametrize(
    ('argv', 'orig', 'command'),
    [
        (['/bin/torchgeo'], [], 'torchgeo'),
        (['C:/torchgeo-vqa.exe'], [], 'torchgeo-vqa'),
        (['/x/torchgeo_vqa/__main__.py'], [], 'torchgeo-vqa'),
        (['-m'], ['python', '-m', 'torchgeo_vqa', '-m'], 'torchgeo-vqa'),
        (['-c'], ['python', '-c', '', '-m', 'torchgeo_vqa'], '-c'),
        ([], [], ''),
    ],
)
def test_running_command(
    argv: list[str], orig: list[str], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, 'argv', argv)
    monkeypatch.setattr(sys, 'orig_argv', orig)
    assert running_command() == command


# --- the commands themselves ----------------------------------------------------------


def until(process: subprocess.Popen[str], is_there: Callable[[], bool]) -> None:
    """Wait for something that a process makes."""
    while not is_there():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def test_import(tmp_path: Path) -> None:
    with started(sys.executable, '-m', 'torchgeo_vqa', 'app') as process:
        # PyTorch's library is loaded in the first third
        maps = Path(f'/proc/{process.pid}/maps')
        until(process, lambda: 'libtorch' in maps.read_text())
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, LINE)


@pytest.mark.slow
def test_generate(tmp_path: Path, maps_root: Path) -> None:
    options = [*('--labels', maps_root / 'labels'), '--optical', maps_root / 'optical']
    options += ['--classes', maps_root / 'classes.yaml', '--patch_size', '16']
    options += ['--stride', '1', '--block_size', '48', '--num_workers', '2']
    command = [sys.executable, '-m', 'torchgeo_vqa', 'generate', *options]
    with started(*command, '--output', tmp_path / 'output') as process:
        written = tmp_path / 'output.partial/questions'
        until(process, lambda: any(written.glob('*/*.json')))
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, LINE)
    assert [path.name for path in tmp_path.iterdir()] == ['output.partial']
    assert not list(tmp_path.rglob('.*'))


@pytest.mark.slow
def test_fit(tmp_path: Path, release_root: Path) -> None:
    """Not with Lightning's note, and not with the status of an error."""
    command = [sys.executable, '-m', 'torchgeo', 'fit', '--model', 'VQATask']
    command += ['--model.model', 'tgfnet_tiny', '--data', 'OSVQADataModule']
    command += ['--data.root', str(release_root), '--data.num_workers', '2']
    command += ['--trainer.max_epochs', '100000', '--trainer.accelerator', 'cpu']
    command += ['--trainer.default_root_dir', str(tmp_path)]
    with started(*command) as process:
        until(process, lambda: any(tmp_path.rglob('*.ckpt')))
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.endswith('torchgeo: interrupted\n')
    assert 'Traceback' not in err
    assert 'KeyboardInterrupt' not in err
