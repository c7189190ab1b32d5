# SPDX-License-Identifier: MIT
"""Tiles: pairs of image files of one location."""

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from ..storage import is_inside
from .grid import Array, Grid, warp
from .image_file import ImageFile, in_large_folders
from .placement import lay_out
from .units import verify_order


@dataclass(frozen=True)
class Tile:
    """Image file of each modality of a pair, and the north-up grid of the first image."""

    name: str
    grid: Grid
    files: dict[str, ImageFile]

    def read(
        self, modality: str, num_bands: int, window: Window | None = None
    ) -> Array:
        """Read an image, (num_bands, H, W); it is warped only where its grid is not the tile's.

        A single band is repeated, and further bands are left out. A *window* of the tile can be
        read where :meth:`has_pixels_of`. Where there is no data, it is NaN.
        """
        file = self.files[modality]
        array = file.read(window)
        if len(array) == 1:
            array = np.repeat(array, num_bands, axis=0)
        array = array[:num_bands]
        if window is not None or self.has_pixels_of(modality):
            return array
        return warp(array, self._grid_of(modality), self.grid)

    def has_pixels_of(self, modality: str) -> bool:
        """Tell whether an image has the very pixels of the tile, so is never warped."""
        return self._grid_of(modality).is_same(self.grid)

    def _grid_of(self, modality: str) -> Grid:
        """Return the grid of an image; without a CRS, it has the bounds of its partner."""
        grid = self.files[modality].grid
        return grid if grid.crs else self.grid.resized(grid.height, grid.width)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.grid.height, self.grid.width


#: Bands of an optical image.
OPTICAL_BANDS = 3

# Pairs with a problem that a message names
_NUM_NAMED = 5

#: Images of a pair by modality.
Files = dict[str, ImageFile]

#: Opens the image of a pair by modality and name of the pair.
Opener = Callable[[str, str], ImageFile]


def pair_images(
    open_image: Opener,
    first_rows: Mapping[str, str],
    strip: int,
    modalities: Sequence[str],
    positions: Mapping[str, int],
    on_error: Literal['raise', 'skip'],
    optical_bands: int = OPTICAL_BANDS,
) -> tuple[dict[str, Tile], dict[str, int]]:
    """Find and open the images of a split's pairs, and check that they go together.

    *first_rows* says for each pair's name which row of which file names it first,
    *positions* where it is among those of the split; *strip* is the number of the split: no
    two are laid out on each other. Return the tile of each pair by its name, and the number
    of bands of each modality. Raise the first problem, or 'skip' the pairs that have one.
    """
    problems: dict[str, Exception] = {}
    pairs: dict[str, Files] = {}
    with in_large_folders():
        for name in first_rows:
            try:
                if not is_inside(name):
                    raise FileNotFoundError(
                        f'no image {name!r}: a name leads to an image in its folder'
                    )
                pairs[name] = {m: open_image(m, name) for m in modalities}
            except (OSError, ValueError) as error:
                problems[name] = error

    misfits, num_bands, georeferenced = find_misfits(pairs, modalities, optical_bands)
    problems |= misfits

    if problems:
        bad = [name for name in first_rows if name in problems]
        named = ', '.join(bad[:_NUM_NAMED])
        if len(bad) > _NUM_NAMED:
            named += f' and {len(bad) - _NUM_NAMED} more'
        first = problems[bad[0]]
        message = (
            f'{first_rows[bad[0]]}: {first}; {len(bad)} of {len(first_rows)} pairs have '
            f'a problem ({named})'
        )
        if on_error == 'raise':
            raise type(first)(f"{message}, on_error='skip' leaves them out") from first
        warnings.warn(f'{message} and are left out', UserWarning)

    pairs = {name: pair for name, pair in pairs.items() if name not in problems}
    return _tiles(pairs, strip, positions, georeferenced), num_bands


def find_misfits(
    pairs: Mapping[str, Files],
    modalities: Sequence[str],
    optical_bands: int = OPTICAL_BANDS,
) -> tuple[dict[str, ValueError], dict[str, int], bool]:
    """Find pairs that do not fit the others: other bands, or no CRS where others have one.

    Return what is wrong with each misfit by its name, the number of bands of each modality,
    and whether the others have a CRS.
    """
    num_bands = dict.fromkeys(modalities, optical_bands)
    if 'sar' in modalities:
        # What most have; a single band is repeated
        counts = Counter(pair['sar'].num_bands for pair in pairs.values())
        several = Counter({count: n for count, n in counts.items() if count > 1})
        num_bands['sar'] = several.most_common(1)[0][0] if several else 1
    georeferenced = any(_anchor(pair).grid.crs for pair in pairs.values())
    misfits = {}
    for name, pair in pairs.items():
        try:
            _check(pair, num_bands, georeferenced)
        except ValueError as error:
            misfits[name] = error
    return misfits, num_bands, georeferenced


def _anchor(pair: Files) -> ImageFile:
    """Return the image that tells the location of a pair: the first with a CRS."""
    files = list(pair.values())
    return next((file for file in files if file.grid.crs), files[0])


def overlap(grid: Grid, other: Grid) -> bool:
    """Tell whether two grids overlap; those without a CRS are taken to."""
    if not (grid.crs and other.crs):
        return True
    bounds = grid.bounds
    if grid.crs != other.crs:
        bounds = transform_bounds(grid.crs, other.crs, *bounds)
    west, south, east, north = other.bounds
    xmin, ymin, xmax, ymax = bounds
    return xmin < east and xmax > west and ymin < north and ymax > south


def _check(pair: Files, num_bands: Mapping[str, int], georeferenced: bool) -> None:
    """Raise a ValueError if a pair does not fit the others."""
    for modality, file in pair.items():
        wanted = num_bands[modality]
        enough = modality == 'optical' and file.num_bands > wanted
        if file.num_bands not in (1, wanted) and not enough:
            raise ValueError(
                f'{modality} images must have {wanted} bands or a single one, '
                f'got {file.num_bands} in {file.path}'
            )
    for modality, file in pair.items():
        verify_order(file.path, modality, file.names[: num_bands[modality]])
    anchor = _anchor(pair)
    for file in pair.values():
        is_other = file is not anchor and file.grid.crs
        if is_other and not overlap(file.grid, anchor.grid):
            raise ValueError(f'{file.path} shows nothing of {anchor.path}')
    if georeferenced and not anchor.grid.crs:
        raise ValueError(f'{anchor.path} has no CRS, but other images of the split do')


def _tiles(
    pairs: Mapping[str, Files],
    strip: int,
    positions: Mapping[str, int],
    georeferenced: bool,
) -> dict[str, Tile]:
    """Give each pair the grid of its first image, at the location of the pair."""
    grids = {}
    for name, pair in pairs.items():
        first, anchor = next(iter(pair.values())), _anchor(pair)
        grids[name] = first.grid
        if anchor is not first or (georeferenced and not first.grid.is_north_up):
            grids[name] = anchor.grid.resized(first.grid.height, first.grid.width)
    if pairs and not georeferenced:
        sizes = [(grid.height, grid.width) for grid in grids.values()]
        transforms = lay_out(strip, [positions[name] for name in pairs], sizes)
        for name, transform in zip(pairs, transforms, strict=True):
            grids[name] = replace(grids[name], transform=transform)
    return {name: Tile(name, grids[name], pair) for name, pair in pairs.items()}
