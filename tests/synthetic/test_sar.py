# SPDX-License-Identifier: MIT
"""Tests of SAR images of scenes."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from torchgeo_vqa.questions import Scene, SceneObject
from torchgeo_vqa.synthetic.landscape import BUILT_UP, CLASSES, WATER
from torchgeo_vqa.synthetic.sar import render_sar


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def masks(scene: Scene) -> list[tuple[SceneObject, NDArray[np.bool_]]]:
    assert scene.instances is not None
    return [(o, scene.instances == i) for i, o in enumerate(scene.objects, start=1)]


def test_sees_through_clouds_and_night(scenes: list[Scene]) -> None:
    for i, scene in enumerate(scenes[:10]):
        cloudless = replace(scene, cloud=None, quality=None)
        np.testing.assert_array_equal(
            render_sar(scene, rng(3, i)), render_sar(cloudless, rng(3, i))
        )


def test_backscatter(scenes: list[Scene]) -> None:
    vv: dict[str, list[float]] = {'water': [], 'built-up land': [], 'building': []}
    for i, scene in enumerate(scenes):
        image = render_sar(scene, rng(4, i))
        assert image.shape == (2, 64, 64)
        assert image.dtype == np.float32
        assert np.isfinite(image).all()
        ground = scene.instances == 0
        for c in (WATER, BUILT_UP):
            if c in scene.present:
                vv[CLASSES[c]] += [image[0][(scene.label == c) & ground].mean()]
        for obj, mask in masks(scene):
            if obj.category == 'building':
                vv['building'].append(image[0][mask].mean())
    # dB as published for C band: calm water near -20, towns near -5, double bounce above
    assert -24 < np.mean(vv['water']) < -16
    assert -8 < np.mean(vv['built-up land']) < -3
    assert np.mean(vv['building']) > 0


def test_speckle_has_the_looks_it_claims() -> None:
    label = np.full((96, 96), WATER, np.uint8)
    flat = Scene(label, CLASSES, instances=np.zeros_like(label))
    power = 10 ** (render_sar(flat, rng(0))[0].astype(float) / 10)
    # local estimate, since wind makes water uneven
    blocks = power.reshape(12, 8, 12, 8).transpose(0, 2, 1, 3).reshape(144, 64)
    looks = np.median(blocks.mean(axis=1) ** 2 / blocks.var(axis=1))
    assert 3.5 < looks < 6


def test_a_map_cannot_be_drawn() -> None:
    scene = Scene(np.zeros((32, 32), np.uint8), CLASSES)
    with pytest.raises(ValueError, match='make_scene'):
        render_sar(scene, rng(0))
