# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Tests of the name of a checkpoint that cannot be read."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from torchgeo_vqa.callbacks import DamagedCheckpoint


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
