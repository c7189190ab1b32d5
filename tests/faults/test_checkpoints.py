# SPDX-License-Identifier: MIT
"""Checkpoints that are not what they seem."""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer

from torchgeo_vqa.datamodules import OSVQADataModule
from torchgeo_vqa.datasets import OSVQA
from torchgeo_vqa.models import tgfnet_tiny
from torchgeo_vqa.prediction import Predictor
from torchgeo_vqa.trainers import VQATask


class Evil:
    """Runs code where it is unpickled."""

    def __init__(self, path: Path) -> None:
        """Initialize a new Evil instance."""
        self.path = path

    def __reduce__(self) -> Any:
        """Make a file."""
        return Path.touch, (self.path,)


def make_trainer(folder: Path) -> Trainer:
    return Trainer(
        max_epochs=1,
        accelerator='cpu',
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


@pytest.fixture(scope='module')
def checkpoint(release_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoint of a task after a step."""
    folder = tmp_path_factory.mktemp('checkpoint')
    trainer = make_trainer(folder)
    trainer.fit(VQATask('tgfnet_tiny'), datamodule=OSVQADataModule(str(release_root)))
    trainer.save_checkpoint(folder / 'good.ckpt')
    return folder / 'good.ckpt'


def run(how: str, path: Path, root: Path, task: Any = None) -> None:
    """Read a checkpoint in one of the ways that there are."""
    if how == 'ask':
        Predictor.from_checkpoint(path)
    elif how == 'clip':
        tgfnet_tiny(5, pretrained=str(path))
    else:
        trainer = make_trainer(path.parent)
        dm = OSVQADataModule(str(root))
        getattr(trainer, how)(task or VQATask('tgfnet_tiny'), dm, ckpt_path=path)


@pytest.mark.parametrize('how', ['fit', 'validate', 'test', 'predict', 'ask', 'clip'])
def test_code_is_never_run(
    how: str, checkpoint: Path, release_root: Path, tmp_path: Path
) -> None:
    content = torch.load(checkpoint, weights_only=True)
    path, made = tmp_path / 'evil.ckpt', tmp_path / 'made'
    torch.save({**content, 'evil': Evil(made)}, path)
    with pytest.raises(Exception, match=r'(?i)weights.only'):
        run(how, path, release_root)
    assert not made.exists()
    torch.load(path, weights_only=False)
    assert made.exists(), 'it holds no code'


@pytest.mark.parametrize('how', ['fit', 'test', 'ask', 'clip'])
@pytest.mark.parametrize('size', [0, 3, 1000, -1])
def test_cut_off(
    how: str, size: int, checkpoint: Path, release_root: Path, tmp_path: Path
) -> None:
    path = tmp_path / 'short.ckpt'
    path.write_bytes(checkpoint.read_bytes()[:size])
    # Lightning reads it before any code of ours runs: its error gets a note
    kinds = (EOFError, RuntimeError, UnpicklingError)
    with pytest.raises(
        kinds if how in ('fit', 'test') else ValueError,
        match=r'short\.ckpt is cut off' if how != 'clip' else r'short\.ckpt',
    ):
        run(how, path, release_root)


@pytest.mark.parametrize('how', ['fit', 'test'])
def test_other_size(
    how: str, checkpoint: Path, release_root: Path, tmp_path: Path
) -> None:
    task = VQATask('tgfnet_tiny', model_args={'cfar': False})
    with pytest.raises(
        RuntimeError,
        match=r"saved with model_args None \(here \{'cfar': False\}\): give what they were",
    ):
        run(how, checkpoint, release_root, task)


def test_other_version(checkpoint: Path, release_root: Path, tmp_path: Path) -> None:
    """One whose weights have other names."""
    content = torch.load(checkpoint, weights_only=True)
    name, value = content['state_dict'].popitem()
    content['state_dict'][f'old.{name}'] = value
    content['torchgeo_vqa_version'] = '0.0.1'
    path = tmp_path / 'old.ckpt'
    torch.save(content, path)
    with pytest.raises(RuntimeError, match=r"saved with torchgeo-vqa '0\.0\.1' \(here"):
        run('test', path, release_root)
    with pytest.raises(ValueError, match=r"old\.ckpt .* torchgeo-vqa '0\.0\.1'"):
        run('ask', path, release_root)


@pytest.mark.parametrize('how', ['fit', 'test', 'predict', 'ask'])
def test_newer_version(
    how: str, checkpoint: Path, release_root: Path, tmp_path: Path
) -> None:
    content = torch.load(checkpoint, weights_only=True)
    content['torchgeo_vqa_version'] = '99.1'
    path = tmp_path / 'new.ckpt'
    torch.save(content, path)
    with pytest.raises(ValueError, match=r'saved with torchgeo-vqa 99\.1, and this is'):
        run(how, path, release_root)


def test_other_version_whose_weights_fit(
    checkpoint: Path, release_root: Path, tmp_path: Path
) -> None:
    """The number alone is no reason to refuse it."""
    content = torch.load(checkpoint, weights_only=True)
    del content['torchgeo_vqa_version']
    torch.save(content, tmp_path / 'old.ckpt')
    run('test', tmp_path / 'old.ckpt', release_root)


def test_other_answers(checkpoint: Path, release_root: Path, tmp_path: Path) -> None:
    """A file that says one thing of its vocabulary, and holds another."""
    content = torch.load(checkpoint, weights_only=True)
    content['vqa']['answers'] = content['vqa']['answers'][:2]
    torch.save(content, tmp_path / 'changed.ckpt')
    with pytest.raises(ValueError, match=r'changed\.ckpt .* do not fit the model'):
        run('ask', tmp_path / 'changed.ckpt', release_root)


def test_answers_that_it_cannot_give(
    checkpoint: Path, release_root: Path, tmp_path: Path
) -> None:
    content = torch.load(checkpoint, weights_only=True)
    answers, types = content['vqa']['answers'], content['vqa']['question_types']
    answers[0] = 'something else'
    types.remove('count')
    torch.save(content, tmp_path / 'changed.ckpt')
    table = OSVQA(release_root, 'test').table
    asked = table.text('answer', range(len(table)))
    share = sum(answer not in answers for answer in asked) / len(asked)
    assert share > 0
    with (
        pytest.warns(
            UserWarning, match=rf'{share:.1%} of the {len(asked)} questions for test'
        ),
        pytest.warns(UserWarning, match='not trained on questions of the types count,'),
    ):
        run('test', tmp_path / 'changed.ckpt', release_root)


def test_other_task(checkpoint: Path, release_root: Path, tmp_path: Path) -> None:
    content = torch.load(checkpoint, weights_only=True)
    del content['vqa']
    torch.save(content, tmp_path / 'other.ckpt')
    with pytest.raises(ValueError, match='it was not saved by VQATask'):
        run('test', tmp_path / 'other.ckpt', release_root)
