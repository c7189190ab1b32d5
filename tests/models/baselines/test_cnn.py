# SPDX-License-Identifier: MIT
"""Tests of the CNN encoder."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor

from torchgeo_vqa.models import cnn_encoder

BACKBONE = 'tgfnet_tiny_conv'


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file of weights for three channels, with a head."""
    torch.manual_seed(1)
    path = tmp_path / 'cnn.pt'
    torch.save(timm.create_model(BACKBONE).state_dict(), path)
    return path


def test_equals_timm(weights: Path, batch: dict[str, Tensor]) -> None:
    encoder = cnn_encoder(BACKBONE, weights, modalities=('optical',)).eval()
    cnn: Any = timm.create_model(BACKBONE).eval()
    cnn.load_state_dict(torch.load(weights))
    image = batch['image_optical']
    torch.testing.assert_close(encoder(image), cnn.forward_features(image))
    assert (encoder.width, encoder.grid) == (128, [8, 8])


def test_early_fusion(weights: Path, batch: dict[str, Tensor]) -> None:
    """Weights are repeated over the channels, optical first, and keep their size."""
    encoder: Any = cnn_encoder(BACKBONE, weights)
    stem = torch.load(weights)['stem.conv.weight']
    expected = torch.cat([stem, stem[:, :2]], dim=1) * 3 / 5
    torch.testing.assert_close(encoder.cnn.stem.conv.weight, expected)
    features = encoder.eval()(batch['image_optical'], batch['image_sar'])
    assert features.shape == (3, 128, 8, 8)
    stacked = torch.cat([batch['image_optical'], batch['image_sar']], dim=1)
    torch.testing.assert_close(features, encoder.cnn.forward_features(stacked))


def test_image_size() -> None:
    assert cnn_encoder(BACKBONE).image_size == 64
    assert cnn_encoder(BACKBONE, image_size=32).grid == [4, 4]
    with pytest.warns(UserWarning, match='resnet18 starts from random weights'):
        encoder = cnn_encoder('resnet18')
    assert (encoder.image_size, encoder.grid) == (224, [7, 7])


def test_downloaded_weights() -> None:
    """'timm' asks timm for its pretrained weights, which this network does not have."""
    with pytest.raises(ValueError, match='no pretrained weights'):
        cnn_encoder(BACKBONE, 'timm')


def test_unfit_weights(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='nowhere'):
        cnn_encoder(BACKBONE, tmp_path / 'nowhere.pt')
    path = tmp_path / 'other.pt'
    torch.save(torch.nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(ValueError, match=r'stem\.conv\.weight'):
        cnn_encoder(BACKBONE, path)
