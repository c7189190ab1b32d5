# SPDX-License-Identifier: MIT
"""Worker processes that fail: what went wrong is told, and nothing hangs."""

import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

#: Seconds after which a run counts as hanging; it takes 2 where nothing fails.
PATIENCE = 180

SCRIPT = """
import os, signal, sys
from lightning.pytorch import Trainer
from torchgeo_vqa.datamodules import OSVQADataModule
from torchgeo_vqa.datasets import OSVQA
from torchgeo_vqa.trainers import VQATask

how, stage, root = sys.argv[1:]
main, read = os.getpid(), OSVQA.__getitem__

def fail(self, query):
    if os.getpid() != main:
        if how == 'killed':  # as by the kernel where memory is short
            os.kill(os.getpid(), signal.SIGKILL)
        if how == 'exits':
            os._exit(3)
    return read(self, query)

OSVQA.__getitem__ = fail
dm = OSVQADataModule(root, batch_size=1, num_workers=2)
trainer = Trainer(max_epochs=1, accelerator='cpu', logger=False,
                  enable_checkpointing=False, enable_progress_bar=False)
getattr(trainer, stage)(VQATask('tgfnet_tiny'), datamodule=dm)
"""


@pytest.fixture
def run(run_python: Callable[..., CompletedProcess[str]]) -> Callable[..., str]:
    """Function that trains or tests where workers fail, and returns what is said."""

    def run(how: str, stage: str, root: Path) -> str:
        done = run_python('-c', SCRIPT, how, stage, root, timeout=PATIENCE)
        assert done.returncode == 1
        return done.stderr

    return run


@pytest.mark.slow
@pytest.mark.parametrize('stage', ['fit', 'test'])
@pytest.mark.parametrize(
    ('how', 'message'),
    [('killed', r'is killed by signal: Killed'), ('exits', r'exited unexpectedly')],
)
def test_worker_that_dies(
    run: Callable[..., str], how: str, message: str, stage: str, release_root: Path
) -> None:
    said = run(how, stage, release_root)
    assert 'RuntimeError: DataLoader worker' in said
    assert message in said


@pytest.mark.slow
def test_worker_that_cannot_read(
    run: Callable[..., str], release_root: Path, tmp_path: Path
) -> None:
    """Its error is told as where it happens in the process itself."""
    root = tmp_path / 'OSVQA_1.0'
    shutil.copytree(release_root, root)
    path = root / 'images/rgb/train_0.tif'
    path.write_bytes(path.read_bytes()[:-2000])
    said = run('reads', 'fit', root)
    assert f'OSError: cannot read {path}' in said
