# SPDX-License-Identifier: MIT
"""Tests of what the commands show: what a user can act on, and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: Notes of libraries that nobody who runs the command can act on.
USELESS = (
    'tensorboardX',
    'litlogger',
    'LeafSpec',
    'dirpath has changed',
    'DeprecationWarning',
    'FutureWarning',
)
SMALL = (
    *('--model', 'tgfnet', '--data.num_scenes', '{train: 16, val: 4, test: 4}'),
    *('--trainer.enable_progress_bar', 'false'),
)


@pytest.mark.slow
def test_commands(tmp_path: Path) -> None:
    """A training and a test, each as it is typed; the libraries are imported anew."""
    environment = {**os.environ, 'TORCHGEO_VQA_CACHE': str(tmp_path / 'cache')}

    def torchgeo(*args: str) -> str:
        done = subprocess.run(
            [sys.executable, '-m', 'torchgeo', *args, *SMALL],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert [note for note in USELESS if note in done.stdout] == []
        return done.stdout

    fit = torchgeo('fit', '--trainer.max_epochs', '1')
    assert 'this is the quickstart' in fit
    assert 'is smaller than the logging interval' in fit
    (checkpoint,) = tmp_path.rglob('best.ckpt')
    test = torchgeo('test', '--ckpt_path', str(checkpoint))
    assert 'OA, all questions' in test
