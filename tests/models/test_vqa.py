# SPDX-License-Identifier: MIT
"""Tests of what all models have in common."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import Tensor

from torchgeo_vqa.models import VQAModel, VQAOutput
from torchgeo_vqa.models.api import builder
from torchgeo_vqa.models.vqa import suitable_chunk

NUM_ANSWERS = 7
BACKBONE = {'backbone': 'tgfnet_tiny_conv', 'word_width': 16}

#: Arguments that make a model small, by its name.
MODELS: dict[str, dict[str, Any]] = {
    'blind': {'word_width': 16, 'question_width': 16},
    'clip_concat': {'clip': 'tgfnet-tiny'},
    'gftransformer': BACKBONE | {'width': 32, 'num_layers': 2, 'fusion_width': 48},
    'main': BACKBONE | {'question_width': 16, 'width': 24},
    'rsvqa': BACKBONE | {'question_width': 16, 'width': 32},
    'tgfnet_tiny': {},
}
LOOKING = sorted(set(MODELS) - {'blind'})
#: Those for which an absent image is one of zeros.
FILLING = sorted(set(LOOKING) - {'tgfnet_tiny'})
WITH_CNN = ['gftransformer', 'main', 'rsvqa']


def build(name: str, **kwargs: Any) -> Any:
    """Build a small model with weights that nothing has in common with where it starts."""
    torch.manual_seed(0)
    model = builder(name)(NUM_ANSWERS, **(MODELS[name] | kwargs)).eval()
    with torch.no_grad():  # some parts start at 0, as if they were not there
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


@pytest.fixture(scope='module')
def models() -> dict[str, Any]:
    """Small models by name."""
    return {name: build(name) for name in MODELS}


@pytest.fixture(params=sorted(MODELS))
def model(request: pytest.FixtureRequest, models: dict[str, Any]) -> Any:
    return models[request.param]


def one_at_a_time(model: VQAModel, batch: dict[str, Tensor]) -> Iterator[Tensor]:
    """The slow reference: one image pair and one question per pass."""
    for pair, questions in enumerate(batch['question']):
        for question in questions:
            if question[0] != 0:
                single = {k: v[pair : pair + 1] for k, v in batch.items()}
                yield model({**single, 'question': question[None, None]}).logits[0]


def assert_same(logits: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)


def test_shapes(model: VQAModel, batch: dict[str, Tensor]) -> None:
    output = model(batch)
    experts = len(model.expert_names)
    assert model.num_answers == NUM_ANSWERS
    assert model.image_size == 64
    assert output.logits.shape == (5, NUM_ANSWERS)
    assert output.expert_logits.shape == (5, experts, NUM_ANSWERS)
    assert output.expert_weights.shape == (5, experts)
    blend = (output.expert_logits * output.expert_weights[..., None]).sum(1)
    torch.testing.assert_close(output.logits, blend)
    assert output._fields[: len(VQAOutput._fields)] == VQAOutput._fields


def test_image_major_equals_one_at_a_time(
    model: VQAModel, batch: dict[str, Tensor]
) -> None:
    expected = torch.stack(list(one_at_a_time(model, batch)))
    assert_same(model(batch).logits, expected)
    assert_same(model(batch, chunk_size=2).logits, expected)
    assert_same(model(batch, chunk_size='auto').logits, expected)
    with torch.no_grad():  # where PyTorch takes shortcuts
        assert_same(model(batch).logits, expected)


def test_padding_changes_nothing(model: VQAModel, batch: dict[str, Tensor]) -> None:
    expected = model(batch).logits
    padded = F.pad(batch['question'], (0, 0, 0, 4))
    assert_same(model({**batch, 'question': padded}).logits, expected)
    # nor does a longer question elsewhere in the batch, or one pair less
    alone = {k: v[:1, :1] if k == 'question' else v[:1] for k, v in batch.items()}
    assert_same(model(alone).logits, expected[:1])


def test_order_changes_nothing(model: VQAModel, batch: dict[str, Tensor]) -> None:
    expected = model(batch).logits
    reverse = {k: v.flip(0) for k, v in batch.items()}
    assert_same(model(reverse).logits, expected[[3, 4, 0, 1, 2]])


def test_no_question(model: VQAModel, batch: dict[str, Tensor]) -> None:
    empty = {**batch, 'question': torch.zeros_like(batch['question'])}
    assert model(empty).logits.shape == (0, NUM_ANSWERS)


def test_question_matters(model: VQAModel, batch: dict[str, Tensor]) -> None:
    logits = model(batch).logits
    assert (logits[0] - logits[1]).abs().max() > 1e-4
    assert (logits[0] - logits[2]).abs().max() > 1e-4


@pytest.mark.parametrize('modality', ['optical', 'sar'])
@pytest.mark.parametrize('name', LOOKING)
def test_image_matters(
    models: dict[str, Any], batch: dict[str, Tensor], name: str, modality: str
) -> None:
    key = f'image_{modality}'
    other = {**batch, key: batch[key].roll(1, 0)}
    change = models[name](batch).logits - models[name](other).logits
    assert change.abs().amax(-1).min() > 1e-4


@pytest.mark.parametrize('modality', ['optical', 'sar'])
@pytest.mark.parametrize('name', LOOKING)
def test_single_modality(batch: dict[str, Tensor], name: str, modality: str) -> None:
    model = build(name, modalities=(modality,))
    logits = model(batch).logits
    assert model.modalities == (modality,)
    absent = 'sar' if modality == 'optical' else 'optical'
    other = batch.pop(f'image_{absent}')
    assert torch.equal(model(batch).logits, logits)
    only = {'question': batch['question'], f'image_{absent}': other}
    with pytest.raises(ValueError, match=f'image_{absent}'):
        model(only)


@pytest.mark.parametrize('name', LOOKING)
def test_no_image(models: dict[str, Any], batch: dict[str, Tensor], name: str) -> None:
    with pytest.raises(ValueError, match='no image'):
        models[name]({'question': batch['question']})


@pytest.mark.parametrize('absent', ['optical', 'sar'])
@pytest.mark.parametrize('name', FILLING)
def test_absent_image_is_zeros(
    models: dict[str, Any], batch: dict[str, Tensor], name: str, absent: str
) -> None:
    key = f'image_{absent}'
    zeros = {**batch, key: torch.zeros_like(batch[key])}
    expected = models[name](zeros).logits
    del batch[key]
    assert torch.equal(models[name](batch).logits, expected)


@pytest.mark.parametrize(
    ('name', 'kwargs'),
    [
        *((name, {}) for name in sorted(MODELS)),
        ('tgfnet_tiny', {'text_guidance': False}),
    ],
)
def test_gradients(batch: dict[str, Tensor], name: str, kwargs: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = builder(name)(NUM_ANSWERS, **(MODELS[name] | kwargs))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    target = torch.arange(5)
    for _ in range(2):  # residual branches start at 0: the first step opens them
        optimizer.zero_grad()
        output = model(batch)
        loss = F.cross_entropy(output.logits, target)
        for logits in output.expert_logits.unbind(1):
            loss = loss + F.cross_entropy(logits, target)
        loss.backward()
        optimizer.step()
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, key
            # Which softmax cancels
            if not key.endswith(('key.bias', 'ie.patch.bias', 'score.fc2.bias')):
                assert parameter.grad.abs().sum() > 0, key


@pytest.mark.parametrize('name', LOOKING)
def test_invalid_modalities(name: str) -> None:
    for modalities in (('radar',), ()):
        with pytest.raises(ValueError, match='modalities'):
            build(name, modalities=modalities)


@pytest.mark.parametrize('name', WITH_CNN)
def test_unknown_backbone(name: str) -> None:
    with pytest.raises(ValueError, match="'resnet0'"):
        build(name, backbone='resnet0')


@pytest.mark.parametrize('name', WITH_CNN)
def test_pretrained(tmp_path: Path, name: str) -> None:
    """The CNN starts from the weights of a file."""
    torch.manual_seed(1)
    weights = timm.create_model('tgfnet_tiny_conv').state_dict()
    path = tmp_path / 'cnn.pt'
    torch.save(weights, path)
    model: Any = builder(name)(
        NUM_ANSWERS, pretrained=path, modalities=('optical',), **MODELS[name]
    )
    for key, value in model.image_encoder.cnn.state_dict().items():
        assert torch.equal(value, weights[key]), key


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore:.*random weights:UserWarning')
def test_published_size(batch: dict[str, Tensor]) -> None:
    model = builder('rsvqa')(NUM_ANSWERS).eval()
    assert model.image_size == 224
    one = {k: v[:1] for k, v in batch.items()}
    one |= {k: F.interpolate(v, 224) for k, v in one.items() if k != 'question'}
    with torch.no_grad():
        assert model(one).logits.shape == (3, NUM_ANSWERS)


def test_suitable_chunk() -> None:
    """So many questions that copies of the features of their images are 8 MiB."""
    one = torch.zeros(3, 2**10, 2**8)  # 1 MiB a pair
    assert suitable_chunk(one) == 7
    assert suitable_chunk({'optical': one, 'sar': one}) == 3
    assert suitable_chunk([one.half(), (one.half(),)]) == 7
    # never none, however large
    assert suitable_chunk(torch.zeros(1, 2**23)) == 1
    assert suitable_chunk(None) > 10**6
    # of no pair
    assert suitable_chunk(one[:0]) >= 1
