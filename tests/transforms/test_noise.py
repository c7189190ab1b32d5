# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Noise and clouds come back from a few stored numbers."""

from collections.abc import Callable

import kornia.augmentation as K
import pytest
import torch
from torch import Tensor

from torchgeo_vqa.transforms import RandomCloud, RandomLowLight, RandomSpeckle

MAKERS: dict[str, Callable[..., K.IntensityAugmentationBase2D]] = {
    'cloud': RandomCloud,
    'low_light': RandomLowLight,
    'speckle': RandomSpeckle,
}


@pytest.fixture
def images() -> Tensor:
    return torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('name', MAKERS)
def test_seed_and_replay(name: str, images: Tensor) -> None:
    augmentation = MAKERS[name](p=0.5)
    torch.manual_seed(0)
    output = augmentation(images)
    params = augmentation._params
    used = params['batch_prob'] > 0.5
    assert used.any()
    assert not used.all()
    assert torch.equal(output[~used], images[~used])
    assert (output[used] != images[used]).flatten(1).any(1).all()
    assert torch.equal(augmentation(images, params=params), output)
    torch.manual_seed(0)
    assert torch.equal(MAKERS[name](p=0.5)(images), output)
    assert not torch.equal(augmentation(images), output)


@pytest.mark.parametrize('name', MAKERS)
def test_samples_do_not_depend_on_their_batch(name: str, images: Tensor) -> None:
    augmentation = MAKERS[name](p=1.0)
    output = augmentation(images)
    last = {k: v[-1:] for k, v in augmentation._params.items() if len(v) == 8}
    torch.testing.assert_close(augmentation(images[-1:], params=last), output[-1:])


@pytest.mark.parametrize('name', MAKERS)
def test_same_on_batch(name: str, images: Tensor) -> None:
    output = MAKERS[name](p=1.0, same_on_batch=True)(images[:1].repeat(4, 1, 1, 1))
    assert torch.equal(output, output[:1].repeat(4, 1, 1, 1))


@pytest.mark.parametrize('name', MAKERS)
def test_small_parameters(name: str) -> None:
    augmentation = MAKERS[name](p=1.0)
    augmentation(torch.rand(2, 3, 128, 128))
    assert sum(v.numel() for v in augmentation._params.values()) < 2 * 1000
