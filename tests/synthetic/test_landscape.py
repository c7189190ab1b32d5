# SPDX-License-Identifier: MIT
"""Landscapes: what a drawn place and its images must be like."""

import numpy as np
import pytest
from numpy.typing import NDArray

from torchgeo_vqa.questions import MIN_SHARE, QUALITIES, Scene, SceneObject
from torchgeo_vqa.questions.scene import dilate
from torchgeo_vqa.synthetic.landscape import (
    BUILT_UP,
    CATEGORIES,
    CLASSES,
    WATER,
    make_scene,
)


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


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
