# SPDX-License-Identifier: MIT
"""Synthetic scenes: land cover with natural borders, objects, clouds and night."""

import numpy as np
from numpy.typing import NDArray

from ..questions import MIN_SHARE, QUALITIES, Scene, SceneObject
from ..questions.scene import dilate
from .noise import smooth_noise

#: Land-cover classes, as named in questions.
CLASSES = ('water', 'forest', 'cropland', 'grassland', 'built-up land', 'bare soil')
WATER, FOREST, CROPLAND, GRASSLAND, BUILT_UP, BARE = range(len(CLASSES))

#: Object categories, as named in questions.
CATEGORIES = ('ship', 'bridge', 'building', 'storage tank')

#: Chance of a clear, cloudy, dark optical image, in the order of QUALITIES.
CONDITION_CHANCES = (0.45, 0.30, 0.25)

#: Clouds more opaque than this hide the ground.
CLOUD_OPACITY = 0.4

# Chance of 1, 2, ... classes in a scene, and how readily each class is chosen.
_NUM_CLASSES = (0.05, 0.15, 0.28, 0.30, 0.22)
_CLASS_WEIGHTS = (0.32, 0.11, 0.12, 0.11, 0.22, 0.12)
# Classes smaller than this are removed, so that every class is seen at a glance.
_MIN_SHARE = 2 * MIN_SHARE
# Chance of 0, 1, ... objects of a category where there is ground for it. One is the most
# frequent since many questions are about 'the' ship.
_NUM_OBJECTS = (0.18, 0.52, 0.12, 0.10, 0.08)
# Ground on which objects stand, and how often.
_GROUND = {
    'ship': ((WATER, 1.0),),
    'building': ((BUILT_UP, 0.6), (CROPLAND, 0.2), (GRASSLAND, 0.2)),
    'storage tank': ((BUILT_UP, 0.6), (BARE, 0.4)),
}
# Pixels between two objects, so that they can be counted.
_GAP = 3

type Mask = NDArray[np.bool_]


def make_scene(rng: np.random.Generator, size: int = 64) -> Scene:
    """Draw land cover, objects and the state of the optical image, pixels of 10 m."""
    label, river = _draw_land_cover(rng, size)
    instances = np.zeros((size, size), np.uint8)
    categories = [] if river is None else _build_bridges(rng, label, river, instances)
    categories += _place_objects(rng, label, instances)
    objects = tuple(
        _box(category, instances == i) for i, category in enumerate(categories, start=1)
    )
    condition = rng.choice(len(QUALITIES), p=CONDITION_CHANCES)
    cloud, quality = np.zeros((size, size)), np.full((size, size), condition, np.uint8)
    if QUALITIES[condition] == 'cloudy':
        cloud, quality = _draw_clouds(rng, size, rng.uniform(0.25, 0.95), size / 64)
    return Scene(
        label=label,
        class_names=CLASSES,
        objects=objects,
        categories=CATEGORIES,
        quality=quality,
        urban_classes=(CLASSES[BUILT_UP],),
        instances=instances,
        cloud=cloud,
    )


def make_area(rng: np.random.Generator, size: int, cloud_cover: float) -> Scene:
    """Draw a wide area of all land covers, without objects, a share of it under clouds."""
    # in one region a class is frequent, in another it is rare
    field = smooth_noise(rng, len(CLASSES), size, 60.0)
    field += smooth_noise(rng, len(CLASSES), size, 16.0)
    field += 0.2 * smooth_noise(rng, len(CLASSES), size, 2.0)
    cloud, quality = _draw_clouds(rng, size, cloud_cover, scale=3.0)
    return Scene(
        label=field.argmax(axis=0).astype(np.uint8),
        class_names=CLASSES,
        quality=quality,
        urban_classes=(CLASSES[BUILT_UP],),
        instances=np.zeros((size, size), np.uint8),
        cloud=cloud,
    )


class _River:
    """A meandering band of water.

    *along* and *across* (H, W) are the distances of each pixel along its general direction
    and, signed, from its middle.
    """

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        angle = rng.uniform(0, np.pi)
        middle = (size - 1) / 2
        rows, columns = np.mgrid[:size, :size] - middle
        self.along = columns * np.cos(angle) + rows * np.sin(angle)
        across = rows * np.cos(angle) - columns * np.sin(angle)
        amplitude, wavelength = rng.uniform(1, 5), rng.uniform(40, 80)
        phase, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.25, 0.25) * size
        meander = amplitude * np.sin(2 * np.pi * self.along / wavelength + phase)
        self.across = across - meander - offset
        self.half_width = rng.uniform(3.0, 6.0)


def _draw_land_cover(
    rng: np.random.Generator, size: int
) -> tuple[NDArray[np.uint8], _River | None]:
    """Draw regions as the largest of one field per class, and perhaps a river."""
    num = 1 + rng.choice(len(_NUM_CLASSES), p=_NUM_CLASSES)
    classes = rng.choice(len(CLASSES), num, replace=False, p=_CLASS_WEIGHTS)
    river = None
    if WATER in classes and num > 1 and rng.random() < 0.6:
        river = _River(rng, size)
        if rng.random() < 0.8:
            classes = classes[classes != WATER]
    num, scale = len(classes), size / 64
    if num > 2 and rng.random() < 0.65:
        # zones: one class follows another as on a slope or from the shore inland
        slope = smooth_noise(rng, 1, size, rng.uniform(8, 16) * scale)
        slope += 0.08 * smooth_noise(rng, 1, size, 2.0)
        levels = np.quantile(slope, (np.arange(num) + rng.uniform(0.2, 0.8, num)) / num)
        field = -((slope - levels[:, None, None]) ** 2)
    else:
        # mosaic: broad shapes, ragged by finer noise; the bias makes some large and others small
        field = smooth_noise(rng, num, size, rng.uniform(6, 10) * scale)
        field += 0.2 * smooth_noise(rng, num, size, 2.0)
        field += 0.55 * rng.standard_normal(num)[:, None, None]
        if river is not None and num > 1 and rng.random() < 0.7:
            # each class keeps to its bank; at least one on either side
            bank = np.where(rng.permutation(num) % 2 == 0, 1, -1)
            field[bank[:, None, None] * river.across < 0] -= 50
    return _remove_small(field, classes.astype(np.uint8), river), river


def _remove_small(
    field: NDArray[np.float64], order: NDArray[np.uint8], river: _River | None
) -> NDArray[np.uint8]:
    """Draw the label raster from the fields, without specks and without classes that are too small.

    A class that touches another by a single pixel, or is there but hardly, makes bad questions:
    such pixels go to the runner-up.
    """
    first = field.argmax(axis=0)
    for i in range(len(order)):
        # an opening by 3 x 3 keeps what is at least three pixels wide
        mask = first == i
        core = ~dilate(~mask, 1)
        field[i][mask & ~dilate(core, 1)] -= 100
    alive = list(range(len(order)))
    while True:
        label = order[alive][field[alive].argmax(axis=0)]
        if river is not None:
            label[np.abs(river.across) <= river.half_width] = WATER
        shares = [np.mean(label == order[i]) for i in alive]
        smallest = int(np.argmin(shares))
        if shares[smallest] >= _MIN_SHARE or len(alive) == 1:
            return label
        del alive[smallest]


def _build_bridges(
    rng: np.random.Generator,
    label: NDArray[np.uint8],
    river: _River,
    instances: NDArray[np.uint8],
) -> list[str]:
    """Draw bridges across the river where both ends are on land, well apart."""
    target = rng.choice(len(_NUM_OBJECTS), p=_NUM_OBJECTS)
    built: list[float] = []
    for position in rng.uniform(river.along.min(), river.along.max(), 40):
        if len(built) == target:
            break
        if any(abs(position - other) < 12 for other in built):
            continue
        near = np.abs(river.along - position) <= 1.6
        mask = near & (np.abs(river.across) <= river.half_width + 2.5)
        ends = mask & (np.abs(river.across) > river.half_width + 1)
        whole = mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()
        sides = ends & (river.across > 0), ends & (river.across < 0)
        on_land = all(side.any() and WATER not in label[side] for side in sides)
        if whole or not on_land:
            continue
        built.append(position)
        instances[mask] = len(built)
    return ['bridge'] * len(built)


def _draw_stamp(rng: np.random.Generator, category: str) -> NDArray[np.intp]:
    """Draw an object's size and direction; return its pixels' row and column offsets, (2, N)."""
    rows, columns = np.mgrid[-8:9, -8:9]
    match category:
        case 'ship':
            angle = np.radians(rng.integers(8) * 45 // 2)
            length = rng.integers(11, 14)
            along = columns * np.cos(angle) + rows * np.sin(angle)
            across = rows * np.cos(angle) - columns * np.sin(angle)
            # pointed at both ends
            half_width = 2 * np.sqrt(np.clip(1 - (2 * along / length) ** 2, 0, 1))
            mask = np.abs(across) <= half_width + 1e-9
            mask &= np.abs(along) <= length / 2
        case 'storage tank':
            # a little more than the radius, or the circle gets four pointed ends
            mask = rows**2 + columns**2 <= (rng.integers(7, 9) / 2 + 0.2) ** 2
        case _:
            length = rng.integers(6, 10)
            mask = (rows >= 0) & (rows < length) & (columns >= 0)
            mask &= columns < 15 - length
    return np.argwhere(mask).T - 8


def _place_objects(
    rng: np.random.Generator, label: NDArray[np.uint8], instances: NDArray[np.uint8]
) -> list[str]:
    """Draw ships on water, buildings and storage tanks mostly on built-up land."""
    size = len(label)
    free = ~dilate(instances > 0, _GAP)
    # objects keep off the border of their ground
    ground_of = {c: ~dilate(label != c, 1) for c in np.unique(label).tolist()}
    placed: list[str] = []
    offset = int(instances.max())
    jobs: list[str] = []
    for category in ('ship', 'building', 'storage tank'):
        jobs += [category] * int(rng.choice(len(_NUM_OBJECTS), p=_NUM_OBJECTS))
    rng.shuffle(jobs)
    for category in jobs:
        # a ship's ground is drawn even where there is none: that is part of the sample
        options = [
            (c, p) for c, p in _GROUND[category] if c in ground_of or category == 'ship'
        ]
        if not options:
            continue
        grounds, weights = zip(*options, strict=True)
        ground = int(rng.choice(grounds, p=np.divide(weights, np.sum(weights))))
        allowed = ground_of.get(ground, np.False_) & free
        spots = np.argwhere(allowed)
        if not len(spots):
            continue
        rows, columns = _draw_stamp(rng, category)
        tries = spots[rng.integers(len(spots), size=40)]
        r, c = tries[:, :1] + rows, tries[:, 1:] + columns
        inside = (np.minimum(r, c) >= 1) & (np.maximum(r, c) < size - 1)
        fits = (inside & allowed[r % size, c % size]).all(axis=1)
        if not fits.any():
            continue
        best = int(fits.argmax())
        placed.append(category)
        number = offset + len(placed)
        instances[r[best], c[best]] = number
        free &= ~dilate(instances == number, _GAP)
    return placed


def _box(category: str, mask: Mask) -> SceneObject:
    """Return the bounding box of an object's pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    edges = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    return SceneObject(category, *map(float, edges))


def _draw_clouds(
    rng: np.random.Generator, size: int, cover: float, scale: float
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Draw clouds over a share of the scene, and what they hide."""
    field = smooth_noise(rng, 1, size, rng.uniform(6, 12) * scale)[0]
    field += 0.45 * smooth_noise(rng, 1, size, 3.0)[0]
    field += 0.15 * smooth_noise(rng, 1, size, 1.2)[0]
    edge = np.quantile(field, 1 - cover)
    # opacity rises over a rim and stays a little uneven inside
    rise = np.clip((field - edge) / 0.7 + 0.5, 0, 1)
    thickness = rng.uniform(0.9, 1.0)
    cloud = thickness * rise * rise * (3 - 2 * rise)
    quality = np.zeros((size, size), np.uint8)
    quality[cloud > CLOUD_OPACITY] = QUALITIES.index('cloudy')
    return cloud, quality
