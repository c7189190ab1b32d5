# SPDX-License-Identifier: MIT
"""Fixtures for tests of asking."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from torchgeo_vqa.models.metadata import Metadata
from torchgeo_vqa.prediction import Predictor
from torchgeo_vqa.prediction.checkpoint import build_model

ANSWERS = ('yes', 'no', '1', '2')

STATISTICS = {
    'optical': {'mean': [100.0] * 3, 'std': [50.0] * 3},
    'sar': {'mean': [-12.0] * 2, 'std': [4.0] * 2},
}

MakePredictor = Callable[..., Predictor]


@pytest.fixture(scope='session')
def make_predictor() -> MakePredictor:
    """Function that makes a predictor with random weights."""

    def make(
        model: str = 'tgfnet_tiny', modalities: Any = ('optical', 'sar'), **args: Any
    ) -> Predictor:
        torch.manual_seed(0)
        metadata = Metadata(
            answers=ANSWERS,
            question_types=('presence',),
            groups=(),
            modalities=tuple(modalities),
            sar_channels=2,
            image_size=64,
            statistics={m: STATISTICS[m] for m in modalities},
        )
        arguments = {'model': model, 'model_args': args}
        network, metadata = build_model(arguments, metadata, to_load=True)
        return Predictor(network.eval(), metadata)

    return make


@pytest.fixture(scope='session')
def predictor(make_predictor: MakePredictor) -> Predictor:
    return make_predictor()


@pytest.fixture(scope='session')
def checkpoint(predictor: Predictor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoint of the predictor's model, with what VQATask saves."""
    path = tmp_path_factory.mktemp('checkpoint') / 'model.ckpt'
    content = {
        'vqa': asdict(predictor.metadata),
        'hyper_parameters': {'model': 'tgfnet_tiny', 'chunk_size': 3},
        'state_dict': {
            f'model.{name}': value
            for name, value in predictor.model.state_dict().items()
        },
    }
    torch.save(content, path)
    return path
