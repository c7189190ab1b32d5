# SPDX-License-Identifier: MIT
"""Tests of the callbacks that every task brings."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer

from torchgeo_vqa.callbacks import (
    DamagedCheckpoint,
    FiniteLoss,
    PredictionWriter,
    PreemptionCheckpoint,
)
from torchgeo_vqa.callbacks.defaults import default_callbacks


def types(*own: Any) -> list[type]:
    """Types of the callbacks that are added to the user's own."""
    trainer = Trainer(callbacks=list(own), logger=False, accelerator='cpu')
    return [type(c) for c in default_callbacks(trainer, PredictionWriter())]


def test_users_own_stay() -> None:
    common = [DamagedCheckpoint, PreemptionCheckpoint, FiniteLoss]
    assert types() == [*common, PredictionWriter]
    assert types(PredictionWriter('mine.gpkg')) == common

    class Own(FiniteLoss):
        pass

    assert FiniteLoss not in types(Own())


def notes(path: Path | None) -> list[str]:
    """Notes that an error gets while this checkpoint is read."""
    trainer: Any = SimpleNamespace(ckpt_path=path)
    error = RuntimeError('something')
    DamagedCheckpoint().on_exception(trainer, trainer, error)
    return getattr(error, '__notes__', [])


def test_note_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / 'model.ckpt'
    torch.save({}, path)
    assert notes(path) == notes(None) == []
    path.write_bytes(path.read_bytes()[:-1])
    (note,) = notes(path)
    assert f'{path} is cut off' in note


TRAINER: Any = SimpleNamespace(log_every_n_steps=2, current_epoch=3)


def end_batch(loss: float, batch_idx: int, **hparams: float) -> None:
    """Let a batch end with this loss."""
    task: Any = SimpleNamespace(hparams=hparams)
    outputs = {'loss': torch.tensor(loss)}
    FiniteLoss().on_train_batch_end(TRAINER, task, outputs, None, batch_idx)


@pytest.mark.parametrize('loss', [float('nan'), float('inf')])
def test_not_finite(loss: float) -> None:
    match = rf'loss is {loss} in epoch 3, batch 4: lower lr=0\.1 and clip_lr=0\.2, or'
    with pytest.raises(FloatingPointError, match=match):
        end_batch(loss, 4, lr=0.1, clip_lr=0.2)
    with pytest.raises(FloatingPointError, match=r'lower lr=0\.1, or'):
        end_batch(loss, 4, lr=0.1)


def test_finite_or_not_looked_at() -> None:
    end_batch(1e30, 4, lr=0.1)
    end_batch(float('nan'), 5, lr=0.1)


def command(root: Path, folder: Path, *options: str) -> list[str]:
    """Train for long."""
    return [
        *('-m', 'torchgeo', 'fit', '--model', 'VQATask'),
        *('--model.model', 'tgfnet_tiny', '--data', 'OSVQADataModule'),
        *('--data.root', str(root), '--data.batch_size', '2'),
        *('--trainer.accelerator', 'cpu', '--trainer.enable_progress_bar', 'false'),
        *(
            '--trainer.default_root_dir',
            str(folder),
            '--trainer.log_every_n_steps',
            '1',
        ),
        *options,
    ]


@pytest.mark.slow
def test_sigterm_saves_a_checkpoint(
    start_python: Callable[..., Any], release_root: Path, tmp_path: Path
) -> None:
    """Training with two workers goes on in the middle of an epoch, as if undisturbed."""
    save = {'every_n_train_steps': 5, 'filename': '{step}'}
    callback = {
        'class_path': 'lightning.pytorch.callbacks.ModelCheckpoint',
        'init_args': save,
    }
    options = (
        *('--data.length', '40', '--data.num_workers', '2'),
        *('--trainer.max_steps', '30', '--seed_everything', '0'),
        *('--trainer.callbacks+', json.dumps(callback)),
    )
    whole = start_python(*command(release_root, tmp_path / 'whole', *options))
    process = start_python(*command(release_root, tmp_path / 'first', *options))
    for _ in range(600):
        if list(tmp_path.glob('first/**/step=*.ckpt')) or process.poll() is not None:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    done = process.wait(60)
    output = done.stdout + done.stderr
    (path,) = tmp_path.rglob('preempted.ckpt')
    assert f'--ckpt_path {path}' in output
    step = torch.load(path, weights_only=True)['global_step']
    assert 0 < step < 30
    assert step != 20

    goes_on = command(
        release_root, tmp_path / 'rest', *options, '--ckpt_path', str(path)
    )
    done = start_python(*goes_on).wait()
    assert done.returncode == 0, done.stderr
    assert 'not resumable' not in done.stderr
    assert whole.wait().returncode == 0
    states = []
    for name in ('whole', 'rest'):
        (path,) = tmp_path.glob(f'{name}/**/step=30.ckpt')
        states.append(torch.load(path, weights_only=True)['state_dict'])
    differ = [k for k, v in states[0].items() if not torch.equal(v, states[1][k])]
    assert not differ
