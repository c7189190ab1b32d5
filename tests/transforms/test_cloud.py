# SPDX-License-Identifier: MIT
"""Clouds cover what they say, softly."""

import pytest
import torch
from torch import Tensor

from torchgeo_vqa.transforms import RandomCloud


@pytest.fixture
def images() -> Tensor:
    return torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('size', [(64, 64), (48, 96), (17, 17)])
def test_realised_cover(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    augmentation = RandomCloud(cover=(0.0, 1.0), brightness=(1.0, 1.0), p=1.0)
    # Over black, brightness is opacity times a colour of 0.9 at the edge.
    opacity = augmentation(torch.zeros(64, 1, *size)) / 0.9
    realised = (opacity > 0.5).float().mean(dim=(1, 2, 3))
    requested = augmentation._params['cover']
    assert requested.min() < 0.1
    assert requested.max() > 0.9
    torch.testing.assert_close(realised, requested, atol=0.01, rtol=0)


@pytest.mark.parametrize(('cover', 'opacity'), [(0.0, 0.0), (1.0, 1.0)])
def test_extremes(cover: float, opacity: float) -> None:
    augmentation = RandomCloud((cover, cover), (1.0, 1.0), p=1.0)
    output = augmentation(torch.zeros(2, 1, 16, 16))
    torch.testing.assert_close(
        output, torch.full_like(output, opacity), atol=0.11, rtol=0
    )


def test_every_image_has_its_own_clouds() -> None:
    clouds = RandomCloud((0.5, 0.5), (1.0, 1.0), p=1.0)(torch.zeros(8, 1, 32, 32))
    assert len(torch.unique(clouds > 0.45, dim=0)) == 8


def test_smooth_with_soft_edges() -> None:
    torch.manual_seed(0)
    clouds = RandomCloud((0.5, 0.5), p=1.0)(torch.zeros(8, 1, 128, 128))
    steps = clouds.diff(dim=-1).abs()
    assert steps.max() < 0.4  # a hard edge would be 0.9
    half = ((clouds > 0.2) & (clouds < 0.7)).float().mean()
    assert 0.02 < half < 0.5


def test_clouds_hide_and_stay_in_range(images: Tensor) -> None:
    torch.manual_seed(0)
    output = RandomCloud((0.9, 0.9), p=1.0)(images)
    assert output.min() >= 0
    assert output.max() <= 1
    thick = RandomCloud((1.0, 1.0), (0.9, 0.9), p=1.0)(images)
    assert thick.std() < 0.05 < images.std()


@pytest.mark.parametrize('cover', [(-0.1, 0.5), (0.5, 1.5)])
def test_invalid(cover: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match='cover'):
        RandomCloud(cover=cover)
