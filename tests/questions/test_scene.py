# SPDX-License-Identifier: MIT
"""Scenes: symmetries against coordinates, counts by hand."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from torchgeo_vqa.questions import QUADRANTS, Scene, SceneObject
from torchgeo_vqa.synthetic.landscape import make_scene

# Where each symmetry takes the pixel (row, column) of an image of n x n, by hand.
MOVES = [
    lambda r, c, n: (r, c),
    lambda r, c, n: (n - 1 - c, r),
    lambda r, c, n: (n - 1 - r, n - 1 - c),
    lambda r, c, n: (c, n - 1 - r),
    lambda r, c, n: (r, n - 1 - c),
    lambda r, c, n: (n - 1 - c, n - 1 - r),
    lambda r, c, n: (n - 1 - r, c),
    lambda r, c, n: (c, r),
]


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope='module')
def scenes() -> list[Scene]:
    return [make_scene(rng(1, i)) for i in range(150)]


def masks(scene: Scene) -> list[tuple[SceneObject, NDArray[np.bool_]]]:
    assert scene.instances is not None
    return [(o, scene.instances == i) for i, o in enumerate(scene.objects, start=1)]


class TestDihedral:
    @pytest.mark.parametrize('k', range(8))
    def test_pixels_move(self, k: int) -> None:
        label = np.arange(36, dtype=np.uint8).reshape(6, 6)
        turned = Scene(label, ('a',) * 36).dihedral(k).label
        for row, column in np.ndindex(6, 6):
            assert turned[MOVES[k](row, column, 6)] == label[row, column]

    @pytest.mark.parametrize('k', range(8))
    def test_objects_move_with_their_pixels(self, k: int, scenes: list[Scene]) -> None:
        for scene in scenes[:30]:
            for obj, mask in masks(scene.dihedral(k)):
                rows, columns = np.nonzero(mask)
                box = [obj.top, obj.bottom - 1, obj.left, obj.right - 1]
                assert box == [f(x) for x in (rows, columns) for f in (np.min, np.max)]

    @pytest.mark.parametrize('k', range(8))
    def test_other_rasters_move_with_the_label(
        self, k: int, scenes: list[Scene]
    ) -> None:
        scene = replace(
            scenes[0], quality=scenes[0].label, cloud=scenes[0].label.astype(float)
        )
        turned = scene.dihedral(k)
        np.testing.assert_array_equal(turned.quality, turned.label)
        np.testing.assert_array_equal(turned.cloud, turned.label)

    @pytest.mark.parametrize('k', [1, 3, 5, 7])
    def test_oblong(self, k: int) -> None:
        label = np.zeros((4, 6), np.uint8)
        label[1:3, 4] = 1
        scene = Scene(label, ('a', 'b'), (SceneObject('ship', 1, 4, 3, 5),), ('ship',))
        turned = scene.dihedral(k)
        (obj,) = turned.objects
        assert turned.shape == (6, 4)
        assert turned.label[obj.window(0, turned.shape)].tolist() == [[1, 1]]
        assert turned.label.sum() == 2

    @pytest.mark.parametrize('k', [-1, 8])
    def test_invalid(self, k: int) -> None:
        with pytest.raises(ValueError, match=f'got {k}'):
            Scene(np.zeros((4, 4), np.uint8), ('a',)).dihedral(k)


def test_window_is_clipped() -> None:
    obj = SceneObject('ship', 1, 2.5, 3, 5.5)
    assert obj.center == (2, 4)
    assert obj.window(2, (10, 7)) == (slice(0, 5), slice(0, 7))
    # pixels that the box holds a part of
    assert obj.window(0, (10, 7)) == (slice(1, 3), slice(2, 6))


def test_quadrants_of_an_odd_image_leave_the_middle_out() -> None:
    scene = Scene(np.zeros((5, 5), np.uint8), ('a',))
    covered = np.zeros((5, 5), int)
    for name in QUADRANTS:
        covered[scene.quadrants[name]] += 1
    assert covered[2].sum() == covered[:, 2].sum() == 0
    assert covered.sum() == 16
    assert scene.quadrants['upper right'] == (slice(0, 2), slice(3, 5))
