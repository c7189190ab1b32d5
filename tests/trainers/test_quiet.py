# SPDX-License-Identifier: MIT
"""Tests of what the screen shows."""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from torchgeo_vqa.trainers.quiet import LOGGER, hide_notes

USELESS = ('tensorboardX', 'litlogger', 'litmodels', 'LeafSpec', 'dirpath has changed')
#: Trains twice, the second time from the checkpoint of the first.
SCRIPT = """
import sys
from lightning.pytorch import Trainer
from torchgeo_vqa.datamodules import OSVQADataModule
from torchgeo_vqa.trainers import VQATask
root, folder = sys.argv[1:]
path = None
for max_epochs in (1, 2):
    task = VQATask('tgfnet_tiny', freeze_clip=True)
    dm = OSVQADataModule(root, batch_size=2, questions_per_sample=2)
    trainer = Trainer(max_epochs=max_epochs, accelerator='cpu', default_root_dir=folder,
                      enable_progress_bar=False, limit_train_batches=1)
    trainer.fit(task, datamodule=dm, ckpt_path=path)
    path = trainer.checkpoint_callback.best_model_path
"""


def warned(message: str, module: str) -> bool:
    """Whether a warning from a module is shown."""
    with warnings.catch_warnings(record=True) as caught:
        hide_notes()
        warnings.warn_explicit(message, UserWarning, 'file.py', 1, module)
    return bool(caught)


def test_only_these_notes_of_lightning() -> None:
    note = 'Starting from v1.9.0, `tensorboardX` has been removed as a dependency'
    with warnings.catch_warnings():
        warnings.simplefilter('always')
        assert not warned(note, 'lightning.pytorch.trainer')
        assert warned(note, 'torchgeo.main')
        assert warned('The number of batches is small', 'lightning.pytorch.trainer')
        eval_mode = 'Found 3 module(s) in eval mode at the start of training.'
        assert warned(eval_mode, 'lightning.pytorch.loops')


def test_logged(caplog: pytest.LogCaptureFixture) -> None:
    hide_notes()
    hide_notes()
    logger = logging.getLogger(LOGGER)
    with caplog.at_level(logging.INFO, LOGGER):
        logger.info('💡 Tip: For seamless cloud logging, try litlogger')
        logger.info('GPU available: %s', False)
    assert [record.getMessage() for record in caplog.records] == [
        'GPU available: False'
    ]
    names = [getattr(f, '__name__', '') for f in logger.filters]
    assert names.count('_is_useful') == 1


@pytest.mark.slow
def test_screen(
    run_python: Callable[..., CompletedProcess[str]], release_root: Path, tmp_path: Path
) -> None:
    """A training, and one that goes on, show none of what nobody can act on."""
    done = run_python('-c', SCRIPT, release_root, tmp_path)
    assert done.returncode == 0, done.stderr
    screen = done.stdout + done.stderr
    assert not [note for note in (*USELESS, 'in eval mode at') if note in screen]
    # What can be acted on stays
    assert 'Set a lower value for log_every_n_steps' in screen
