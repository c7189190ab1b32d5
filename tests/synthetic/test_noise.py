# SPDX-License-Identifier: MIT
"""Tests of smooth noise and blurring."""

import numpy as np
import pytest

from torchgeo_vqa.synthetic.noise import blur, smooth_noise


@pytest.mark.parametrize('sigma', [1.0, 4.0])
def test_smooth_noise(sigma: float) -> None:
    """The correlation over d pixels is exp(-d² / 4σ²): a Gaussian with itself."""
    fields = smooth_noise(np.random.default_rng(0), 40, 64, sigma)
    assert fields.shape == (40, 64, 64)
    assert fields.mean() == pytest.approx(0, abs=0.1)
    assert fields.std() == pytest.approx(1, abs=0.1)
    distance = round(2 * sigma)
    for near, far in (
        (fields[:, :-distance], fields[:, distance:]),
        (fields[..., :-distance], fields[..., distance:]),
    ):
        correlation = (near * far).mean() / fields.var()
        assert correlation == pytest.approx(np.exp(-1), abs=0.1)
    # Opposite edges have nothing to do with each other
    assert abs((fields[:, 0] * fields[:, -1]).mean()) < 0.3


def test_mean_is_taken_out() -> None:
    """Else it would be all there is of a field that hardly varies."""
    fields = smooth_noise(np.random.default_rng(0), 20, 64, 40.0)
    assert np.abs(fields.mean(axis=(1, 2))).max() < 1


def test_blur() -> None:
    image = np.zeros((5, 6, 2))
    image[2, 3] = 16
    expected = np.outer([0, 1, 2, 1, 0], [0, 0, 1, 2, 1, 0])
    np.testing.assert_allclose(blur(image)[..., 1], expected)
    # Edges are repeated: a flat image stays flat
    np.testing.assert_allclose(blur(np.ones((4, 4)), 0.1), 1)
