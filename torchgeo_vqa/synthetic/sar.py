# SPDX-License-Identifier: MIT
"""SAR images of synthetic scenes."""

import numpy as np
from numpy.typing import NDArray

from ..questions import Scene
from .landscape import BARE, BUILT_UP, CLASSES, CROPLAND, FOREST, GRASSLAND, WATER
from .noise import blur, smooth_noise
from .optical import parcels

# Backscatter in dB, VV and VH, as C-band sees these covers at mid incidence, and how much
# it differs from scene to scene (soil moisture, wind, crop), in dB.
_BACKSCATTER = {
    WATER: (-20.0, -27.5, 1.5),
    FOREST: (-8.3, -13.8, 0.5),
    CROPLAND: (-11.2, -18.0, 0.7),
    GRASSLAND: (-13.0, -20.0, 0.7),
    BUILT_UP: (-5.5, -13.0, 0.6),
    BARE: (-14.6, -23.0, 0.8),
}

# What an object sends back, VV and VH in dB: all of its pixels, and then those that far from
# its edge that faces the radar.
_ECHOES = {
    'ship': ((0, 5, -4),),
    # smooth: little of the wave is depolarised
    'bridge': ((0, 0, -16),),
    # a flat roof mirrors the beam away; the wall facing the radar is a bright arc
    'storage tank': ((0, -10, -24), (2, 10, -12)),
    # wall and ground together send the beam straight back
    'building': ((0, 3, -2), (1, 9, 2)),
}

#: Equivalent number of looks of Sentinel-1's ground-range product in IW mode.
LOOKS = 4.9

#: Decibels are rounded to this, far below speckle, so that files compress.
STEP = 1 / 32


def render_sar(scene: Scene, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw the SAR image of a scene, VV and VH in dB, (2, H, W), of a C-band radar."""
    if scene.instances is None:
        raise ValueError(
            'only scenes of make_scene can be drawn, got one without instances'
        )
    size = len(scene.label)
    table = np.array([_BACKSCATTER[c] for c in range(len(CLASSES))])
    mean, spread = table[:, :2], table[:, 2:]
    # both polarisations mostly move together
    mean += spread * (0.9 * rng.standard_normal((len(CLASSES), 1)))
    mean += spread * 0.4 * rng.standard_normal(mean.shape)
    decibel = mean[scene.label]

    broad, fine = smooth_noise(rng, 1, size, 8.0)[0], smooth_noise(rng, 1, size, 1.5)[0]
    water = scene.label == WATER
    decibel += (0.5 * broad + np.where(water, 0.1, 0.4) * fine)[..., None]
    crop = scene.label == CROPLAND
    if crop.any():
        number, _ = parcels(rng, size, rng.uniform(7, 12))
        decibel[crop] += (0.9 * rng.standard_normal((256, 1)))[number][crop]
    town = scene.label == BUILT_UP
    if town.any():
        decibel[town] += (1.6 * smooth_noise(rng, 1, size, 0.8)[0])[town][:, None]

    power = blur(10 ** (decibel / 10), 0.15)
    for i, obj in enumerate(scene.objects, start=1):
        _draw_object(power, obj.category, scene.instances == i, rng)
    power *= rng.gamma(LOOKS, 1 / LOOKS, power.shape)
    decibel = np.clip(10 * np.log10(power), -40, 25)
    return (np.rint(decibel / STEP) * STEP).astype(np.float32).transpose(2, 0, 1)


def _draw_object(
    power: NDArray[np.float64],
    category: str,
    mask: NDArray[np.bool_],
    rng: np.random.Generator,
) -> None:
    """Draw an object into (H, W, 2) linear power; the radar looks from the left."""
    bright = rng.normal(0, 0.8)
    for depth, *echo in _ECHOES[category]:
        part = mask & ~np.roll(mask, depth, axis=1) if depth else mask
        power[part] = 10 ** ((np.array(echo) + bright) / 10)
    if category == 'building':
        # behind it is shadow
        power[np.roll(mask, 1, axis=1) & ~mask] *= 0.25
