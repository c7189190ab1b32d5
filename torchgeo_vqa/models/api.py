# SPDX-License-Identifier: MIT
"""Registration of our models in TorchGeo's zoo."""

import inspect
from collections.abc import Callable
from inspect import Parameter

import torchgeo.models.api
from torch import nn

from .baselines.blind import blind
from .baselines.clip_concat import clip_concat
from .baselines.gftransformer import gftransformer
from .baselines.main import main_vqa
from .baselines.rsvqa import rsvqa
from .tgfnet import tgfnet, tgfnet_tiny
from .weights import TGFNet_Weights

_BUILDERS: dict[str, Callable[..., nn.Module]] = {
    'blind': blind,
    'clip_concat': clip_concat,
    'gftransformer': gftransformer,
    'main': main_vqa,
    'rsvqa': rsvqa,
    'tgfnet': tgfnet,
    'tgfnet_tiny': tgfnet_tiny,
}


def builder(name: str) -> Callable[..., nn.Module]:
    """Return the builder of a model; raise a ValueError if there is no such model."""
    if name not in _BUILDERS:
        raise ValueError(f'model must be one of {", ".join(_BUILDERS)}, got {name!r}')
    return _BUILDERS[name]


def builder_options(name: str) -> tuple[str, ...]:
    """Return the names of the options that a builder takes beside ``num_answers``.

    Raise a ValueError if there is no such model.
    """
    parameters = inspect.signature(builder(name)).parameters
    return tuple(
        option
        for option, parameter in parameters.items()
        if option != 'num_answers' and parameter.kind is not Parameter.VAR_KEYWORD
    )


def register_model(name: str, builder: Callable[..., nn.Module]) -> None:
    """Add a model of your own to those that tasks and ``get_model`` know by name.

    Its builder makes a :class:`~torchgeo_vqa.models.VQAModel` of ``num_answers``,
    ``pretrained``, ``modalities``, ``sar_channels`` and ``image_size`` by keyword, and its
    own options. A name that another model has is a ValueError.
    """
    taken = name in torchgeo.models.api.list_models()
    if taken and _BUILDERS.get(name) is not builder:
        raise ValueError(f'there is a model {name!r} already: choose another name')
    _BUILDERS[name] = builder
    register()


def register() -> None:
    """Make builders and weights known to ``get_model``, ``get_weight`` and their kin.

    TorchGeo has no public way to add a model: this is the one place that touches its
    private registries.
    """
    torchgeo.models.api._model.update(_BUILDERS)
    for key in (tgfnet_tiny, 'tgfnet_tiny'):
        torchgeo.models.api._model_weights[key] = TGFNet_Weights


register()
