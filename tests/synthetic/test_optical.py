# SPDX-License-Identifier: MIT
"""Tests of optical images of scenes."""

import numpy as np
import pytest

from torchgeo_vqa.questions import Scene
from torchgeo_vqa.synthetic.landscape import CLASSES
from torchgeo_vqa.synthetic.optical import parcels, render_optical


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_brightness(scenes: list[Scene]) -> None:
    for i, scene in enumerate(scenes[:30]):
        image = render_optical(scene, rng(2, i)).astype(float)
        assert image.shape == (3, 64, 64)
        assert scene.quality is not None
        if scene.condition == 'dark':
            assert image.mean() < 30
        else:
            assert image[:, scene.quality == 0].mean() > 30
        if scene.condition == 'cloudy':
            assert image[:, scene.quality == 1].mean() > 150


def test_parcels() -> None:
    """Whole fields of about the size asked for, with furrows along their sides."""
    number, furrow = parcels(rng(0), 64, 8.0)
    assert (number.shape, furrow.shape) == ((64, 64), (64, 64))
    assert number.min() >= 0
    assert number.max() < 256
    # A field is 8 x 12.8 pixels
    assert 25 < len(np.unique(number)) < 80
    # One pixel further is at most one pixel further across the furrows
    assert np.abs(np.diff(furrow, axis=0)).max() <= 1 + 1e-9


def test_a_map_cannot_be_drawn() -> None:
    scene = Scene(np.zeros((32, 32), np.uint8), CLASSES)
    with pytest.raises(ValueError, match='make_scene'):
        render_optical(scene, rng(0))
