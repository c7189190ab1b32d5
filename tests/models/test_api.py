# SPDX-License-Identifier: MIT
"""Tests of the names of models."""

from typing import Any

import pytest
import torchgeo.models

from torchgeo_vqa.models import (
    TGFNet,
    VQAModel,
    api,
    builder_options,
    register_model,
    tgfnet_tiny,
)
from torchgeo_vqa.models.api import builder
from torchgeo_vqa.trainers import VQATask

#: Names, and options that make a model small.
CNN = {'backbone': 'tgfnet_tiny_conv', 'word_width': 8}
MODELS: dict[str, dict[str, Any]] = {
    'blind': {'word_width': 8},
    'clip_concat': {'clip': 'tgfnet-tiny'},
    'gftransformer': CNN | {'width': 16, 'num_layers': 1},
    'main': CNN,
    'rsvqa': CNN,
    'tgfnet': {'clip': 'tgfnet-tiny', 'grids': (4,), 'keeps': (2,)},
    'tgfnet_tiny': {},
}


@pytest.mark.parametrize('name', MODELS)
def test_registered_in_torchgeo(name: str) -> None:
    """Fails the day TorchGeo's registry moves."""
    assert name in torchgeo.models.list_models()
    model = torchgeo.models.get_model(name, num_answers=3, **MODELS[name])
    assert isinstance(model, VQAModel)


def test_all_are_tested() -> None:
    assert set(MODELS) == set(api._BUILDERS)


def test_unknown() -> None:
    with pytest.raises(ValueError, match="tgfnet_tiny, got 'resnet18'"):
        builder('resnet18')


@pytest.mark.parametrize('name', MODELS)
def test_options(name: str) -> None:
    """All models take what a task gives, and their own options in `model_args`."""
    options = builder_options(name)
    assert set(MODELS[name]) < {*options, ''}
    assert {'pretrained', 'modalities', 'sar_channels', 'image_size'} < set(options)
    assert not {'num_answers', 'options', 'image_encoder', 'text_encoder'} & set(
        options
    )
    with pytest.raises(ValueError, match=f'{name} has no argument depth.*image_size'):
        VQATask(name, model_args={'depth': 3})


def test_switches_of_tgfnet() -> None:
    switches = (
        'cfar share_cfar rqaf adaptive_fusion experts text_guidance guided_pooling'
    )
    assert set(switches.split()) < set(builder_options('tgfnet'))
    assert set(builder_options('tgfnet')) | {'weights'} == set(
        builder_options('tgfnet_tiny')
    )


class TestRegisterModel:
    @pytest.fixture(autouse=True)
    def _forget(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(api, '_BUILDERS', dict(api._BUILDERS))
        models = torchgeo.models.api._model
        monkeypatch.setattr(torchgeo.models.api, '_model', dict(models))

    def test_own_model(self) -> None:
        def flat(num_answers: int, keep: int = 4, **kwargs: Any) -> TGFNet:
            return tgfnet_tiny(num_answers, grids=(4,), keeps=(keep,), **kwargs)

        register_model('flat', flat)
        register_model('flat', flat)
        assert builder_options('flat') == ('keep',)
        VQATask('flat', model_args={'keep': 2})
        model: Any = torchgeo.models.get_model('flat', num_answers=3, keep=2)
        assert model.cfar['sar'].stages[0].krr.keep == 2

    @pytest.mark.parametrize('name', ['tgfnet', 'resnet18'])
    def test_taken(self, name: str) -> None:
        with pytest.raises(ValueError, match=f"there is a model '{name}' already"):
            register_model(name, lambda num_answers: None)  # type: ignore[arg-type,return-value]
