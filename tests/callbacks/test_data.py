# SPDX-License-Identifier: MIT
"""Tests of the data module of a run."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from torchgeo_vqa.callbacks.data import adapt_images, data_module
from torchgeo_vqa.datamodules import OSVQADataModule


def test_data_module(release_root: Path) -> None:
    dm = OSVQADataModule(root=str(release_root))
    trainer: Any = SimpleNamespace(datamodule=dm, lightning_module=None)
    assert data_module(trainer) is dm
    trainer.datamodule = object()
    with pytest.raises(ValueError, match='questions, got object; use --data OSVQAData'):
        data_module(trainer)


def test_adapt_images(release_root: Path) -> None:
    dm = OSVQADataModule(root=str(release_root))
    with pytest.raises(ValueError, match=r'of 4 channels.* have 2'):
        adapt_images(dm, 4, 64)
    adapt_images(dm, 2, 64)
    assert dm.image_size == 64
    adapt_images(dm, 2, 32)
    assert dm.image_size == 64, 'what the user has chosen stays'
    optical = OSVQADataModule(root=str(release_root), modalities=['optical'])
    adapt_images(optical, None, 64)
