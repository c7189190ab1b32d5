# SPDX-License-Identifier: MIT
"""Tests of low light, of speckle, and of noise that can be made again."""

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


@pytest.fixture
def ramp() -> Tensor:
    return torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_factor(ramp: Tensor) -> None:
    augmentation = RandomLowLight(noise=(0.0, 0.0), p=1.0)
    output = augmentation(ramp)
    factor = augmentation._params['factor'].view(-1, 1, 1, 1)
    assert (factor >= 0.05).all()
    assert (factor <= 0.3).all()
    torch.testing.assert_close(output, ramp * factor)


def test_noise() -> None:
    torch.manual_seed(0)
    augmentation = RandomLowLight((0.5, 0.5), (0.02, 0.02), p=1.0)
    output = augmentation(torch.full((4, 3, 64, 64), 0.5))
    torch.testing.assert_close(output.mean(), torch.tensor(0.25), atol=1e-3, rtol=0)
    torch.testing.assert_close(output.std(), torch.tensor(0.02), atol=1e-3, rtol=0)


def test_range(ramp: Tensor) -> None:
    output = RandomLowLight((0.05, 0.05), (0.5, 0.5), p=1.0)(ramp)
    assert output.min() >= 0
    assert output.max() <= 1


@pytest.mark.parametrize('looks', [3, 5, 8])
def test_is_gamma_noise(looks: int) -> None:
    torch.manual_seed(0)
    output = RandomSpeckle((looks, looks), p=1.0)(torch.full((4, 2, 128, 128), -12.0))
    gain = 10 ** ((output.double() + 12) / 10).flatten()
    torch.testing.assert_close(gain.mean().item(), 1.0, atol=0.01, rtol=0)
    torch.testing.assert_close(gain.var().item(), 1 / looks, atol=0.01, rtol=0)
    gamma = torch.distributions.Gamma(float(looks), float(looks))
    for share in (0.01, 0.1, 0.5, 0.9, 0.99):
        value = gain.quantile(share)
        drawn = gamma.sample((200_000,)).quantile(share).double()
        torch.testing.assert_close(value, drawn, atol=0.02, rtol=0.03)


def test_power_is_kept_in_every_sample() -> None:
    torch.manual_seed(0)
    sar = torch.randn(4, 2, 128, 128) * 3 - 15
    output = RandomSpeckle(p=1.0)(sar)
    power = [(10 ** (x / 10)).mean(dim=(1, 2, 3)) for x in (sar, output)]
    torch.testing.assert_close(power[1], power[0], rtol=0.02, atol=0)


def test_bands_and_samples_differ() -> None:
    output = RandomSpeckle(p=1.0)(torch.zeros(2, 2, 8, 8))
    assert not torch.equal(output[:, 0], output[:, 1])
    assert not torch.equal(output[0], output[1])


def test_invalid() -> None:
    with pytest.raises(ValueError, match='looks'):
        RandomSpeckle(looks=(0.5, 2.0))
