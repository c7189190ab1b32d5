# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Low light takes light and leaves noise."""

import pytest
import torch
from torch import Tensor

from torchgeo_vqa.transforms import RandomLowLight


@pytest.fixture
def images() -> Tensor:
    return torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_factor(images: Tensor) -> None:
    augmentation = RandomLowLight(noise=(0.0, 0.0), p=1.0)
    output = augmentation(images)
    factor = augmentation._params['factor'].view(-1, 1, 1, 1)
    assert (factor >= 0.05).all()
    assert (factor <= 0.3).all()
    torch.testing.assert_close(output, images * factor)


def test_noise() -> None:
    torch.manual_seed(0)
    augmentation = RandomLowLight((0.5, 0.5), (0.02, 0.02), p=1.0)
    output = augmentation(torch.full((4, 3, 64, 64), 0.5))
    torch.testing.assert_close(output.mean(), torch.tensor(0.25), atol=1e-3, rtol=0)
    torch.testing.assert_close(output.std(), torch.tensor(0.02), atol=1e-3, rtol=0)


def test_range(images: Tensor) -> None:
    output = RandomLowLight((0.05, 0.05), (0.5, 0.5), p=1.0)(images)
    assert output.min() >= 0
    assert output.max() <= 1
