# SPDX-License-Identifier: MIT
"""Optical images of synthetic scenes."""

import numpy as np
from numpy.typing import NDArray

from ..questions import Scene, SceneObject
from .landscape import BARE, BUILT_UP, CLASSES, CROPLAND, FOREST, GRASSLAND, WATER
from .noise import blur, smooth_noise

# Red, green, blue of a true-colour image stretched as for display, 0..255.
_COLORS = {
    WATER: (32, 62, 88),
    FOREST: (36, 66, 40),
    CROPLAND: (150, 138, 72),
    GRASSLAND: (104, 134, 66),
    BUILT_UP: (140, 134, 132),
    BARE: (182, 146, 112),
}
# Colours of single fields, by season and crop, around which parcels vary.
_CROPS = (
    (166, 148, 82),
    (128, 140, 66),
    (150, 128, 78),
    (186, 170, 104),
    (106, 122, 58),
    (138, 112, 74),
)
_ROOFS = ((190, 78, 58), (170, 66, 50), (150, 62, 54))


def render_optical(scene: Scene, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw the optical image of a scene, (3, H, W): texture, sun, clouds, darkness, noise."""
    if scene.instances is None or scene.cloud is None:
        raise ValueError(
            'only scenes of make_scene can be drawn, got one without instances or cloud'
        )
    image = _ground(scene.label, rng)
    for i, obj in enumerate(scene.objects, start=1):
        _draw_object(image, obj, scene.instances == i, scene.label == WATER, rng)
    image = blur(image, 0.12)
    image *= rng.uniform(0.88, 1.12) * rng.uniform(0.95, 1.05, 3)
    image += rng.uniform(0, 10) * np.array([0.8, 0.9, 1.2])
    image = _clouds(image, scene.cloud, rng)
    if scene.condition == 'dark':
        image = _darkness(image, rng)
    else:
        image += 1.5 * rng.standard_normal(image.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8).transpose(2, 0, 1)


def parcels(
    rng: np.random.Generator, size: int, side: float
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Divide a scene into fields, typically of a *side* in pixels.

    Return the number of each pixel's field, 0..255, and its distance along the furrows.
    """
    angle = rng.uniform(0, np.pi)
    rows, columns = np.mgrid[:size, :size]
    u = columns * np.cos(angle) + rows * np.sin(angle) + 1000
    v = rows * np.cos(angle) - columns * np.sin(angle) + 1000
    strip = np.floor(v / side).astype(np.intp)
    # every strip is divided in its own way
    shift = rng.uniform(0, 2 * side, 512)[strip % 512]
    number = strip * 31 + np.floor((u + shift) / (1.6 * side)).astype(np.intp) * 17
    return number % 256, v


def _ground(label: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw land cover as (H, W, 3)."""
    size = len(label)
    broad = smooth_noise(rng, 3, size, 7.0)
    fine = smooth_noise(rng, 2, size, 1.0)
    white = rng.standard_normal((size, size))
    palette = np.array([_COLORS[c] for c in range(len(CLASSES))], np.float64)
    lightness = 1 + 0.06 * rng.standard_normal((len(CLASSES), 1))
    palette *= lightness + 0.02 * rng.standard_normal(palette.shape)
    # borders a pixel or two wide, as real ones are mixed
    image = blur(palette[label], 0.2)

    # brightness texture of each class: broad, fine and pixel noise
    amplitude = np.zeros((len(CLASSES), 3))
    amplitude[[WATER, FOREST, CROPLAND, GRASSLAND, BUILT_UP, BARE]] = [
        (0.05, 0.01, 0.01),
        (0.07, 0.13, 0.07),
        (0.03, 0.03, 0.03),
        (0.08, 0.05, 0.03),
        (0.04, 0.05, 0.06),
        (0.08, 0.06, 0.02),
    ]
    a = np.moveaxis(amplitude[label], -1, 0)
    image *= (1 + a[0] * broad[0] + a[1] * fine[0] + a[2] * white)[..., None]
    image += 3 * broad[1][..., None] * np.array([1.0, 0.2, -0.8])

    crop = label == CROPLAND
    if crop.any():
        number, furrow = parcels(rng, size, rng.uniform(7, 12))
        colors = np.array(_CROPS, np.float64)[rng.integers(len(_CROPS), size=256)]
        colors *= 1 + 0.06 * rng.standard_normal((256, 1))
        rows = 1 + 0.05 * np.sin(furrow * 2 * np.pi / rng.uniform(2.6, 4))
        image[crop] = (0.35 * image + 0.65 * colors[number] * rows[..., None])[crop]
    town = label == BUILT_UP
    if town.any():
        # blocks of houses between streets, all smaller than the buildings that are asked about
        number, _ = parcels(rng, size, rng.uniform(4, 5))
        block = (1 + 0.10 * rng.standard_normal(256))[number]
        street = np.zeros((size, size), bool)
        street[:, 1:] |= number[:, 1:] != number[:, :-1]
        block[street] = 0.86
        image[town] *= block[town][:, None]
    return image


def _draw_object(
    image: NDArray[np.float64],
    obj: SceneObject,
    mask: NDArray[np.bool_],
    water: NDArray[np.bool_],
    rng: np.random.Generator,
) -> None:
    """Draw an object and its shadow into (H, W, 3)."""
    # objects keep off the edge, so nothing wraps around
    shadow = np.roll(mask, (-1, -1), (0, 1)) & ~mask
    match obj.category:
        case 'ship':
            _draw_wake(image, mask, water, rng)
            image[mask] = np.array([222, 220, 212]) * rng.uniform(0.92, 1.08)
        case 'bridge':
            image[np.roll(mask, 1, 0) & ~mask] *= 0.8
            image[mask] = np.array([168, 164, 160]) * rng.uniform(0.92, 1.08)
        case 'storage tank':
            row, column = obj.center
            rows, columns = np.mgrid[: len(mask), : len(mask)]
            distance = np.hypot(rows + 0.5 - row, columns + 0.5 - column)
            image[shadow] *= 0.6
            image[mask] = np.array([246, 246, 242])
            image[mask & (distance > (obj.bottom - obj.top) / 2 - 0.9)] = (86, 86, 90)
        case _:
            image[shadow] *= 0.45
            roof = np.array(_ROOFS[rng.integers(len(_ROOFS))])
            image[mask] = roof * rng.uniform(0.92, 1.08)
            # the two sides of a ridged roof catch the sun differently
            sunny = mask.copy()
            sunny[: int(obj.center[0])] = False
            image[sunny] *= 1.22


def _draw_wake(
    image: NDArray[np.float64],
    mask: NDArray[np.bool_],
    water: NDArray[np.bool_],
    rng: np.random.Generator,
) -> None:
    """Brighten a widening band behind a ship."""
    rows, columns = np.nonzero(mask)
    center = np.array([rows.mean(), columns.mean()])
    offsets = np.stack([rows, columns]) - center[:, None]
    direction = np.linalg.eigh(offsets @ offsets.T)[1][:, 1] * rng.choice([-1.0, 1.0])
    grid = np.mgrid[: len(mask), : len(mask)] - center[:, None, None]
    behind = np.tensordot(direction, grid, 1)
    aside = np.abs(direction[0] * grid[1] - direction[1] * grid[0])
    strength = np.exp(-behind / 7) * np.clip(1.2 + 0.12 * behind - aside, 0, 1)
    strength *= (behind > 0) & water
    image += 90 * strength[..., None]


def _clouds(
    image: NDArray[np.float64], cloud: NDArray[np.floating], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw clouds and their shadows over the ground."""
    rows, columns = rng.integers(2, 7, 2)
    if not cloud.any():
        return image
    # clouds lie south-east of their shadows in the northern morning
    shadow = np.zeros_like(cloud)
    shadow[:-rows, :-columns] = cloud[rows:, columns:]
    image = image * (1 - 0.45 * shadow * (1 - cloud))[..., None]
    relief = smooth_noise(rng, 1, len(cloud), 2.5)[0]
    top = np.clip(236 + 7 * relief + 12 * (cloud - 1), 0, 255)
    alpha, tint = cloud[..., None], np.array([0.985, 0.99, 1.0])
    return (1 - alpha) * image + alpha * (top[..., None] * tint)


def _darkness(
    image: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Darken, and add what a sensor adds: pattern, stripes, glow and read noise."""
    size = len(image)
    dark = rng.uniform(0.04, 0.15) * image
    dark += 4.0 * smooth_noise(rng, 3, size, 10.0).transpose(1, 2, 0)
    dark += 2.5 * smooth_noise(rng, 3, size, 3.0).transpose(1, 2, 0)
    columns, rows = rng.standard_normal((1, size, 1)), rng.standard_normal((size, 1, 1))
    dark += 2.0 * columns + rows
    dark += 5.0 * rng.standard_normal(image.shape)
    return dark + 6
