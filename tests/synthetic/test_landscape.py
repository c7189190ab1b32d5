# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Landscapes: what a drawn place and its images must be like."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from torchgeo_vqa.questions import MIN_SHARE, QUALITIES, Scene, SceneObject
from torchgeo_vqa.questions.dilation import dilate
from torchgeo_vqa.synthetic.landscape import (
    BUILT_UP,
    CLASSES,
    CATEGORIES,
    WATER,
    make_scene,
)
from torchgeo_vqa.synthetic.optical import render_optical
from torchgeo_vqa.synthetic.sar import render_sar


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope='module')
def scenes() -> list[Scene]:
    return [make_scene(rng(1, i)) for i in range(150)]


def masks(scene: Scene) -> list[tuple[SceneObject, NDArray[np.bool_]]]:
    assert scene.instances is not None
    return [(o, scene.instances == i) for i, o in enumerate(scene.objects, start=1)]


class TestMakeScene:
    def test_depends_on_the_generator_only(self) -> None:
        a, b, c = make_scene(rng(5)), make_scene(rng(5)), make_scene(rng(6))
        np.testing.assert_array_equal(a.label, b.label)
        np.testing.assert_array_equal(a.cloud, b.cloud)
        assert a.objects == b.objects
        assert (a.label != c.label).any()

    @pytest.mark.parametrize('size', [32, 48, 96])
    def test_size(self, size: int) -> None:
        assert make_scene(rng(size), size).shape == (size, size)

    def test_classes_are_present_or_absent(self, scenes: list[Scene]) -> None:
        shares = np.array([scene.shares for scene in scenes])
        assert not ((shares > 0) & (shares < MIN_SHARE)).any()
        np.testing.assert_allclose(shares.sum(axis=1), 1)
        # every class is there often, and often not
        often = (shares > 0).mean(axis=0)
        assert (often > 0.2).all()
        assert (often < 0.8).all()
        assert {len(scene.present) for scene in scenes} >= {1, 2, 3, 4, 5}

    def test_objects_stand_on_plausible_ground(self, scenes: list[Scene]) -> None:
        seen = dict.fromkeys(CATEGORIES, 0)
        built_up = 0
        for scene in scenes:
            for obj, mask in masks(scene):
                seen[obj.category] += 1
                ground = scene.label[mask]
                if obj.category == 'ship':
                    assert (ground == WATER).all()
                elif obj.category == 'bridge':
                    assert 0.2 < (ground == WATER).mean() < 0.95
                else:
                    assert len(np.unique(ground)) == 1
                    assert CLASSES[ground[0]] not in ('water', 'forest')
                    built_up += ground[0] == BUILT_UP
        assert min(seen.values()) >= 20
        assert built_up / (seen['building'] + seen['storage tank']) > 0.5

    def test_objects_can_be_seen_and_told_apart(self, scenes: list[Scene]) -> None:
        for scene in scenes:
            assert len(scene.objects) <= 4 * len(CATEGORIES)
            found = masks(scene)
            for i, (obj, mask) in enumerate(found):
                assert min(obj.bottom - obj.top, obj.right - obj.left) >= 2
                assert mask.sum() >= 12
                others = [other for j, (_, other) in enumerate(found) if j != i]
                assert not any((dilate(mask, 2) & other).any() for other in others)

    def test_conditions(self, scenes: list[Scene]) -> None:
        conditions = [str(scene.condition) for scene in scenes]
        shares = {q: conditions.count(q) / len(scenes) for q in QUALITIES}
        assert shares['clear'] == pytest.approx(0.45, abs=0.12)
        assert shares['cloudy'] == pytest.approx(0.30, abs=0.12)
        for scene in scenes:
            assert scene.quality is not None
            assert scene.cloud is not None
            if scene.condition == 'cloudy':
                assert 0.15 < (scene.quality == 1).mean() < 1
                assert scene.cloud[scene.quality == 1].min() > 0.4
                assert scene.cloud[scene.quality == 0].max() <= 0.4
            else:
                assert scene.cloud.max() == 0
                assert len(np.unique(scene.quality)) == 1


class TestImages:
    def test_optical(self, scenes: list[Scene]) -> None:
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

    def test_sar_sees_through_clouds_and_night(self, scenes: list[Scene]) -> None:
        for i, scene in enumerate(scenes[:10]):
            cloudless = replace(scene, cloud=None, quality=None)
            np.testing.assert_array_equal(
                render_sar(scene, rng(3, i)), render_sar(cloudless, rng(3, i))
            )

    def test_backscatter(self, scenes: list[Scene]) -> None:
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

    def test_speckle_has_the_looks_it_claims(self) -> None:
        label = np.full((96, 96), WATER, np.uint8)
        flat = Scene(label, CLASSES, instances=np.zeros_like(label))
        power = 10 ** (render_sar(flat, rng(0))[0].astype(float) / 10)
        # local estimate, since wind makes water uneven
        blocks = power.reshape(12, 8, 12, 8).transpose(0, 2, 1, 3).reshape(144, 64)
        looks = np.median(blocks.mean(axis=1) ** 2 / blocks.var(axis=1))
        assert 3.5 < looks < 6

    def test_a_map_cannot_be_drawn(self) -> None:
        scene = Scene(np.zeros((32, 32), np.uint8), CLASSES)
        with pytest.raises(ValueError, match='make_scene'):
            render_optical(scene, rng(0))
        with pytest.raises(ValueError, match='make_scene'):
            render_sar(scene, rng(0))
