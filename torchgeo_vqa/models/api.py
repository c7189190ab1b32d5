# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Registration of our models in TorchGeo's zoo."""

from collections.abc import Callable

import torchgeo.models.api
from torch import nn

from .baselines.blind import blind
from .baselines.clip_concat import clip_concat
from .baselines.gftransformer import gftransformer
from .baselines.main import main
from .baselines.rsvqa import rsvqa
from .tgfnet import tgfnet, tgfnet_tiny
from .weights import TGFNet_Weights

_BUILDERS: dict[str, Callable[..., nn.Module]] = {
    'blind': blind,
    'clip_concat': clip_concat,
    'gftransformer': gftransformer,
    'main': main,
    'rsvqa': rsvqa,
    'tgfnet': tgfnet,
    'tgfnet_tiny': tgfnet_tiny,
}


def builder(name: str) -> Callable[..., nn.Module]:
    """Builder of one of our models.

    Args:
        name: Name of the model.

    Returns:
        The builder.

    Raises:
        ValueError: If there is no such model.
    """
    if name not in _BUILDERS:
        raise ValueError(f'model must be one of {", ".join(_BUILDERS)}, got {name!r}')
    return _BUILDERS[name]


def register() -> None:
    """Make builders and weights known to ``get_model``, ``get_weight`` and their kin.

    TorchGeo has no public way to add a model: this is the one place that touches its
    private registries.
    """
    torchgeo.models.api._model.update(_BUILDERS)
    for key in (tgfnet_tiny, 'tgfnet_tiny'):
        torchgeo.models.api._model_weights[key] = TGFNet_Weights


register()
