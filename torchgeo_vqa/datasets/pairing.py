# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Pairing of image files into tiles."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from .layout import Layout, lay_out
from .tile import ImageFile, Tile, in_large_folders

#: Bands of an optical image.
OPTICAL_BANDS = 3

#: Images of a pair by modality.
Files = dict[str, ImageFile]


def pair_images(
    layout: Layout,
    split: str,
    modalities: Sequence[str],
    first_rows: Mapping[str, int],
    positions: Mapping[str, int],
    on_error: Literal['raise', 'skip'],
) -> tuple[dict[str, Tile], dict[str, int]]:
    """Find and open the images of a split's pairs, and check that they go together.

    Args:
        layout: Where the images are.
        split: Split of the pairs.
        modalities: Images each pair must have.
        first_rows: For the name of each pair, the row of the annotation file that names
            it first.
        positions: For the name of each pair, its position among those of the split.
        on_error: 'raise', or 'skip' to leave out pairs with a problem.

    Returns:
        The tile of each pair by its name, and the number of bands of each modality.

    Raises:
        FileNotFoundError: If an image is missing.
        OSError: If an image cannot be read.
        ValueError: If an image does not fit the others.
    """
    problems: dict[str, Exception] = {}
    pairs: dict[str, Files] = {}
    images = {modality: layout.images(modality) for modality in modalities}
    with in_large_folders():
        for name in first_rows:
            try:
                pairs[name] = {m: _open(layout, m, name, images[m]) for m in modalities}
            except OSError as error:
                problems[name] = error

    misfits, num_bands, georeferenced = find_misfits(pairs, modalities)
    problems |= misfits

    if problems:
        name = min(problems, key=lambda name: first_rows[name])
        message = (
            f'{layout.annotation(split)}, row {first_rows[name]}: {problems[name]}; '
            f'{len(problems)} of {len(first_rows)} pairs have a problem'
        )
        if on_error == 'raise':
            way_out = f"{message}, on_error='skip' leaves them out"
            raise type(problems[name])(way_out) from problems[name]
        warnings.warn(f'{message} and are left out', UserWarning)

    pairs = {name: pair for name, pair in pairs.items() if name not in problems}
    return _tiles(pairs, split, positions, georeferenced), num_bands


def find_misfits(
    pairs: Mapping[str, Files], modalities: Sequence[str]
) -> tuple[dict[str, ValueError], dict[str, int], bool]:
    """Find pairs that do not fit the others: other bands, or no CRS where others have one.

    Args:
        pairs: Images of each pair by its name.
        modalities: Images each pair has.

    Returns:
        What is wrong with each misfit, the number of bands of each modality, and whether
        the others have a CRS.
    """
    num_bands = dict.fromkeys(modalities, OPTICAL_BANDS)
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


def _open(
    layout: Layout, modality: str, name: str, images: Mapping[str, str]
) -> ImageFile:
    """Read the header of an image."""
    if name not in images:
        folder = layout.folder(modality)
        raise FileNotFoundError(f'no image {name!r} (.png, .tif or .tiff) in {folder}')
    return ImageFile.open(images[name])


def _anchor(pair: Files) -> ImageFile:
    """The image that tells where a pair is: the first with a CRS."""
    files = list(pair.values())
    return next((file for file in files if file.grid.crs), files[0])


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
    anchor = _anchor(pair)
    if georeferenced and not anchor.grid.crs:
        raise ValueError(f'{anchor.path} has no CRS, but other images of the split do')


def _tiles(
    pairs: Mapping[str, Files],
    split: str,
    positions: Mapping[str, int],
    georeferenced: bool,
) -> dict[str, Tile]:
    """Give each pair the grid of its first image, placed where the pair is."""
    grids = {}
    for name, pair in pairs.items():
        first, anchor = next(iter(pair.values())), _anchor(pair)
        grids[name] = first.grid
        if anchor is not first or (georeferenced and not first.grid.is_north_up):
            grids[name] = anchor.grid.resized(first.grid.height, first.grid.width)
    if pairs and not georeferenced:
        sizes = [(grid.height, grid.width) for grid in grids.values()]
        places = lay_out(split, [positions[name] for name in pairs], sizes)
        for (name, grid), place in zip(list(grids.items()), places, strict=True):
            grids[name] = replace(grid, transform=place)
    return {name: Tile(name, grids[name], pair) for name, pair in pairs.items()}
