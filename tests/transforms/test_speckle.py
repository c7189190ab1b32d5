# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Speckle is gamma noise that keeps the power."""

import pytest
import torch

from torchgeo_vqa.transforms import RandomSpeckle


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
