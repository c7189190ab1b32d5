# SPDX-License-Identifier: MIT
"""Tests of weights that come with the package."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torchgeo.models import get_model, get_model_weights, get_weight

from torchgeo_vqa.datamodules import OSVQAMiniDataModule
from torchgeo_vqa.models import TGFNet, TGFNet_Weights, tgfnet_tiny, weights
from torchgeo_vqa.models.weights import pack, unpack
from torchgeo_vqa.prediction import Predictor
from torchgeo_vqa.trainers import VQATask

TINY = TGFNet_Weights.TINY_OSVQA_MINI


def test_torchgeo_knows_them() -> None:
    assert get_weight('TGFNet_Weights.TINY_OSVQA_MINI') is TINY
    assert get_model_weights('tgfnet_tiny') is TGFNet_Weights
    model = get_model('tgfnet_tiny', weights=TINY)
    assert isinstance(model, TGFNet)


def test_small_enough() -> None:
    assert Path(TINY.url.removeprefix('file://')).stat().st_size < 10e6


def test_model_has_them() -> None:
    state = TINY.get_state_dict(progress=False)
    model = tgfnet_tiny(weights=TINY)
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name])
        assert value.dtype == (
            torch.float32 if value.is_floating_point() else torch.int64
        )


def test_another_vocabulary() -> None:
    """All but the layers that give the answers start from the weights."""
    torch.manual_seed(0)
    state = TINY.get_state_dict()
    for name, value in tgfnet_tiny(5, weights=TINY).state_dict().items():
        own = '.classifier.' in name
        assert own == (value.shape != state[name].shape)
        assert own or torch.equal(value, state[name])


def test_another_model() -> None:
    with pytest.raises(RuntimeError, match='size mismatch'):
        tgfnet_tiny(weights=TINY, width=32)
    with pytest.raises(TypeError, match='needs num_answers, or weights'):
        tgfnet_tiny()


def test_pack() -> None:
    torch.manual_seed(0)
    state = tgfnet_tiny(3).state_dict()
    tokens = torch.tensor([0, 5, 49407])
    again = unpack(pack(state, tokens))
    assert list(again) == list(state)
    name = 'text_encoder.text.token_embedding.weight'
    for key, value in state.items():
        if key != name:
            torch.testing.assert_close(again[key], value, atol=1e-3, rtol=1e-3)
    assert again[name].shape == state[name].shape
    torch.testing.assert_close(
        again[name][tokens], state[name][tokens], atol=1e-3, rtol=1e-3
    )
    assert again[name].count_nonzero() <= 3 * state[name].shape[1]


def test_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(TINY.url.removeprefix('file://'))
    copy = tmp_path / source.name
    shutil.copy(source, copy)
    with copy.open('r+b') as file:
        file.seek(1000)
        file.write(b'?')
    monkeypatch.setattr(weights, '_FOLDER', tmp_path)
    weights._read.cache_clear()
    with pytest.raises(RuntimeError, match='is damaged'):
        TINY.get_state_dict()
    weights._read.cache_clear()


def test_answers_about_the_sample() -> None:
    """Data and weights go together: most answers about the test split are right."""
    predictor = Predictor.from_weights('TGFNet_Weights.TINY_OSVQA_MINI')
    dm = OSVQAMiniDataModule(num_scenes={'train': 8, 'val': 8, 'test': 8})
    dm.prepare_data()
    dm.setup('test')
    dataset: Any = dm.test_dataset
    right = total = 0
    for query in dm.test_sampler:  # type: ignore[union-attr]
        sample = dataset[query]
        ids = sample['question_id'][sample['question_id'] >= 0].numpy()
        answers = predictor.ask(
            sample['image_optical'], sample['image_sar'], dataset.question_text(ids)
        )
        truth = dataset.answer_text(ids)
        right += sum(a.answer == t for a, t in zip(answers, truth, strict=True))
        total += len(truth)
    assert right / total > 0.8


def test_transforms_are_those_of_the_metadata() -> None:
    transforms = TINY.transforms
    assert transforms.statistics == TINY.metadata.statistics
    assert transforms.image_size == TINY.metadata.image_size
    sample = {'image_optical': torch.rand(3, 80, 90) * 255, 'question': torch.zeros(1)}
    out = transforms(sample)
    assert out['image_optical'].shape == (1, 3, 64, 64)
    assert 'image_sar' not in out
    assert out['question'] is sample['question']


def test_unknown_weights() -> None:
    with pytest.raises(KeyError):
        VQATask.from_weights('TGFNet_Weights.NONE')


def test_task_has_them() -> None:
    task = VQATask.from_weights(TINY)
    assert not task.training
    assert task.metadata is not None
    assert task.metadata == TINY.metadata
    state = TINY.get_state_dict()
    for name, value in task.model.state_dict().items():
        assert torch.equal(value, state[name]), name
