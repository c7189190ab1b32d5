# SPDX-License-Identifier: MIT
"""Tests of caches of what frozen towers return."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor

from torchgeo_vqa.datamodules import OSVQADataModule
from torchgeo_vqa.trainers import VQATask
from torchgeo_vqa.transforms import Augmentation

STILL = Augmentation(geometry=False)


def make(root: Path, **kwargs: Any) -> OSVQADataModule:
    """Data module of the few pairs of a fixture."""
    kwargs = {'batch_size': 3, 'questions_per_sample': 4} | kwargs
    return OSVQADataModule(root=str(root), **kwargs)


def trainer(folder: Path, **kwargs: Any) -> Trainer:
    """Trainer of two steps that says little."""
    kwargs = {'max_epochs': 1, 'enable_progress_bar': False} | kwargs
    return Trainer(
        accelerator='cpu',
        default_root_dir=folder,
        log_every_n_steps=1,
        enable_model_summary=False,
        **kwargs,
    )


def test_feature_cache(release_root: Path, tmp_path: Path) -> None:
    """Training with it ends at the same weights, and no image is encoded twice."""
    states, counts = [], []
    for cache in (False, str(tmp_path / 'features'), str(tmp_path / 'features')):
        seed_everything(0)
        task = VQATask('tgfnet_tiny', freeze_clip=True, feature_cache=cache, lr=1e-2)
        runner = trainer(tmp_path, max_steps=0, num_sanity_val_steps=0)
        runner.fit(task, datamodule=make(release_root, augmentation=STILL))
        counts.append(0)
        for encoder in task.model.image_encoders.values():
            original = encoder._patches

            def count(image: Tensor, original: Any = original) -> Tensor:
                counts[-1] += len(image)
                return original(image)  # type: ignore[no-any-return]

            encoder._patches = count
        seed_everything(1)
        runner = trainer(tmp_path, max_epochs=3, num_sanity_val_steps=0)
        runner.fit(task, datamodule=make(release_root, augmentation=STILL))
        states.append(task.state_dict())
        for module in task.model.modules():
            assert getattr(module, 'cache', None) is None
    # 6 training and 2 validation pairs, 2 images each
    assert counts == [3 * 16, 16, 0]
    for state in states[1:]:
        for name, value in states[0].items():
            torch.testing.assert_close(value, state[name], msg=name)


@pytest.mark.parametrize(
    ('data', 'name'),
    [
        ({'augmentation': Augmentation()}, 'augmentation.geometry=True'),
        (
            {'augmentation': Augmentation(geometry=False, cloud=0.5)},
            'augmentation.cloud=0.5',
        ),
        ({'patch_size': 16}, 'patch_size=16'),
    ],
)
def test_feature_cache_refuses_augmentation(
    release_root: Path, tmp_path: Path, data: dict[str, Any], name: str
) -> None:
    task = VQATask('tgfnet_tiny', freeze_clip=True, feature_cache=str(tmp_path))
    dm = make(release_root, **{'augmentation': STILL, **data})
    with pytest.raises(ValueError, match=rf'augments them \({re.escape(name)}\)'):
        trainer(tmp_path).fit(task, datamodule=dm)


@pytest.mark.parametrize('freeze', [True, False])
def test_remembers_questions(release_root: Path, tmp_path: Path, freeze: bool) -> None:
    """A text is encoded once in an evaluation, or in all if the tower is frozen."""
    seed_everything(0)
    task = VQATask('tgfnet_tiny', freeze_clip=freeze)
    seen: list[tuple[bool, int]] = []
    data = {'batch_size': 1, 'augmentation': STILL}
    trainer(tmp_path, max_steps=0).fit(task, datamodule=make(release_root, **data))
    encoder = task.model.text_encoder
    original = encoder._features

    def count(tokens: Tensor) -> Tensor:
        seen.append((task.training, len(tokens)))
        return original(tokens)  # type: ignore[no-any-return]

    encoder._features = count
    runner = trainer(tmp_path, max_epochs=2, num_sanity_val_steps=0)
    runner.fit(task, datamodule=make(release_root, **data))
    evaluated = sum(n for training, n in seen if not training)
    trained = sum(n for training, n in seen if training)
    val = make(release_root).dataset_for('val')
    num_unique = len(np.unique(val.table.codes['question']))
    if freeze:
        # 7 questions in all; what the training drew before is not encoded again
        assert trained + evaluated == 7
    else:
        assert trained == 2 * 6 * 4
        assert evaluated == 2 * num_unique
