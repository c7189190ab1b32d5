# SPDX-License-Identifier: MIT
"""What questions are asked of: a label map, a list of objects and an image quality mask."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..rasters.dihedral import ELEMENTS, turn_array, turn_box

#: What the values of :attr:`Scene.quality` mean for the optical image.
QUALITIES = ('clear', 'cloudy', 'dark')

#: Label of pixels of which nobody knows the class.
NO_DATA = 255

#: A class covering less than this share of a scene is neither present nor absent:
#: no question may depend on it.
MIN_SHARE = 0.04

#: Quadrants in the order of :attr:`Scene.quadrants`; row 0 is the upper edge.
QUADRANTS = ('upper left', 'upper right', 'lower left', 'lower right')

#: Pixels (top, left, bottom, right) of a part of a scene, the last two exclusive.
Window = tuple[int, int, int, int]


@dataclass(frozen=True)
class Legend:
    """What a map can tell, whatever place it shows.

    Args:
        class_names: Land-cover classes, as they are named in questions and answers.
        categories: Object categories that were looked for, in the singular.
        urban_classes: Classes that make an area urban.
        quality: Whether the quality of the optical image is known.
    """

    class_names: tuple[str, ...]
    categories: tuple[str, ...] = ()
    urban_classes: tuple[str, ...] = ()
    quality: bool = False


@dataclass(frozen=True)
class SceneObject:
    """One object, known by its category and its box.

    Args:
        category: What it is, in the singular, such as ``'ship'``.
        top: Upper edge in pixels, row 0 starting at 0.
        left: Left edge in pixels.
        bottom: Lower edge in pixels (exclusive).
        right: Right edge in pixels (exclusive).
    """

    category: str
    top: float
    left: float
    bottom: float
    right: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Top, left, bottom and right edge."""
        return self.top, self.left, self.bottom, self.right

    @property
    def center(self) -> tuple[float, float]:
        """Row and column of the middle of the box."""
        return (self.top + self.bottom) / 2, (self.left + self.right) / 2

    def window(self, margin: int, shape: tuple[int, int]) -> tuple[slice, slice]:
        """Return slices of the box grown by a margin and clipped to a shape (H, W)."""
        rows, columns = (
            slice(max(math.floor(low) - margin, 0), min(math.ceil(high) + margin, size))
            for low, high, size in zip(self.box[:2], self.box[2:], shape, strict=True)
        )
        return rows, columns


@dataclass(frozen=True, eq=False)
class Scene:
    """A place as a map knows it.

    Pixels that the map does not know are :data:`NO_DATA`, and objects that the edge cuts
    are *partial*. No answer depends on either: a question is asked only if its answer
    holds whatever is there.

    Args:
        label: (H, W) uint8 raster, index into *class_names*, or :data:`NO_DATA`.
        class_names: Land-cover classes, as they are named in questions and answers.
        objects: All objects of these *categories* that are entirely inside.
        categories: Object categories that were looked for, in the singular, so that
            'none' is known too.
        quality: (H, W) uint8 raster, index into :data:`QUALITIES`; None if not known.
        urban_classes: Classes that make an area urban.
        partial: Categories of which objects lie partly inside, so that their number is
            not clear.
        instances: (H, W) uint8 raster, i + 1 where objects[i] is, 0 elsewhere (synthetic scenes only).
        cloud: (H, W) opacity of the clouds, 0 to 1 (synthetic scenes only).
    """

    label: NDArray[np.uint8]
    class_names: tuple[str, ...]
    objects: tuple[SceneObject, ...] = ()
    categories: tuple[str, ...] = ()
    quality: NDArray[np.uint8] | None = None
    urban_classes: tuple[str, ...] = ()
    partial: frozenset[str] = frozenset()
    instances: NDArray[np.uint8] | None = None
    cloud: NDArray[np.floating[Any]] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.label.shape
        return height, width

    @property
    def whole(self) -> Window:
        """Window of the whole scene."""
        return 0, 0, *self.shape

    @property
    def legend(self) -> Legend:
        """What the map of the scene can tell."""
        known = self.quality is not None
        return Legend(self.class_names, self.categories, self.urban_classes, known)

    def count(
        self, rows: slice = slice(None), columns: slice = slice(None)
    ) -> tuple[NDArray[np.intp], int]:
        """Count the pixels of each class, then the unknown ones, in rows and columns."""
        part = self.label[rows, columns].ravel()
        num_classes = len(self.class_names)
        counts = np.bincount(part, minlength=num_classes)[:num_classes]
        return counts, int(part.size - counts.sum())

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """Share of the area that each class is known to cover, in the order of *class_names*."""
        return self.count()[0] / self.label.size

    @cached_property
    def unknown(self) -> float:
        """Share of the area of which the class is not known."""
        return self.count()[1] / self.label.size

    @cached_property
    def present(self) -> tuple[int, ...]:
        """Indices of the classes that cover enough to be called present."""
        return tuple(int(i) for i in np.flatnonzero(self.shares >= MIN_SHARE))

    @cached_property
    def by_category(self) -> dict[str, tuple[SceneObject, ...]]:
        """Objects of each category that are entirely inside, empty tuples included."""
        return {
            category: tuple(o for o in self.objects if o.category == category)
            for category in self.categories
        }

    @property
    def quadrants(self) -> dict[str, tuple[slice, slice]]:
        """Rows and columns of each quadrant.

        With an odd side the middle line belongs to no quadrant, so that flips and
        rotations map quadrants onto quadrants.
        """
        height, width = self.shape
        rows = slice(0, height // 2), slice((height + 1) // 2, height)
        columns = slice(0, width // 2), slice((width + 1) // 2, width)
        return dict(zip(QUADRANTS, product(rows, columns), strict=True))

    @cached_property
    def condition(self) -> str | None:
        """Worst thing that happens to the optical image: one of :data:`QUALITIES`, None if not known."""
        return None if self.quality is None else QUALITIES[int(self.quality.max())]

    def dihedral(self, k: int) -> Self:
        """Return the scene turned by one of the eight symmetries of the square.

        These are ``k % 4`` quarter turns counter-clockwise (as :func:`numpy.rot90`), followed by
        a left-right flip if ``k >= 4``. Raise a ValueError if *k* is not in 0..7.
        """
        if k not in ELEMENTS:
            raise ValueError(f'k must be in 0..7, got {k!r}')
        rasters: dict[str, Any] = {
            name: turn_array(getattr(self, name), k)
            for name in ('label', 'quality', 'instances', 'cloud')
            if getattr(self, name) is not None
        }
        objects = tuple(
            SceneObject(o.category, *turn_box(o.box, self.shape, k))
            for o in self.objects
        )
        return replace(self, objects=objects, **rasters)


def dilate(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Grow masks (..., H, W) by a radius in pixels, diagonals included."""
    grown = mask.copy()
    for view in (grown, np.swapaxes(grown, -1, -2)):
        for _ in range(radius):
            before = view.copy()
            view[..., 1:] |= before[..., :-1]
            view[..., :-1] |= before[..., 1:]
    return grown
