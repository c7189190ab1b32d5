# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""A training that is told to end saves what it has."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch


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
    args = command(release_root, tmp_path, '--trainer.max_epochs', '10000')
    process = start_python(*args)
    # Lightning writes the first epoch's checkpoint when it trains for sure
    for _ in range(600):
        if list(tmp_path.rglob('*.ckpt')) or process.poll() is not None:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    done = process.wait(60)
    output = done.stdout + done.stderr
    (path,) = tmp_path.rglob('preempted.ckpt')
    assert f'--ckpt_path {path}' in output
    state = torch.load(path, weights_only=True)
    step = state['global_step']
    assert step > 0

    steps = '--trainer.max_steps', str(step + 2)
    goes_on = command(release_root, tmp_path, '--ckpt_path', str(path), *steps)
    done = start_python(*goes_on).wait()
    assert done.returncode == 0, done.stderr
    newest = max(tmp_path.rglob('epoch*.ckpt'), key=lambda file: file.stat().st_mtime)
    assert torch.load(newest, weights_only=True)['global_step'] == step + 2
