# SPDX-License-Identifier: MIT
"""Asking a trained model about a pair of image files."""

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..models.metadata import Metadata
from ..rasters.image_file import ImageFile
from ..rasters.pairing import Tile, overlap
from ..rasters.units import verify_order
from ..rasters.zones import verify_bands, verify_place
from .answer import Answer
from .predictor import Predictor

Paths = str | os.PathLike[str]

#: How much larger the pixels of one image may be than those of the other.
MAX_RATIO = 8.0


def ask_pair(
    predictor: Predictor,
    questions: Sequence[str],
    optical: Paths | None = None,
    sar: Paths | None = None,
    optical_bands: Sequence[int] | None = None,
    optical_scale: str | None = None,
    sar_scale: str | None = None,
) -> list[Answer]:
    """Ask about one pair of image files as a whole.

    *optical* and *sar* are files, None if there is none. The SAR image is warped onto the
    grid of the optical one where the two differ. *optical_bands* are red, green and blue
    among the optical bands, counted from 1 (defaults to all). Scales are those of
    :meth:`Predictor.ask`.

    Returns:
        One answer per question.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If an image does not fit the model, or the images do not overlap.
    """
    paths = given_paths(predictor.metadata, optical, sar)
    images = read_pair(paths, optical_bands)
    for modality, image in images.items():
        num_bands = predictor.metadata.channels[modality]
        if len(image) != num_bands:
            raise ValueError(
                f'{paths[modality]} has {len(image)} bands, the model looks at {modality} '
                f'images of {num_bands}'
            )
    return predictor.ask(
        images.get('optical'), images.get('sar'), questions, optical_scale, sar_scale
    )


def read_pair(
    paths: Mapping[str, Paths], optical_bands: Sequence[int] | None = None
) -> dict[str, NDArray[np.float32]]:
    """Read a pair of image files, *paths* by modality.

    The second is warped onto the grid of the first where the two differ. *optical_bands*
    are red, green and blue among the optical bands, counted from 1 (defaults to all).

    Returns:
        Image of each modality, shape (C, H, W), NaN where there is no data.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If the images do not overlap, lack a band, or have bands in another
            order, or no image has data.
    """
    files = {}
    for modality, path in paths.items():
        if Path(path).is_dir():
            raise ValueError(
                f'{path} is a folder: name a file, or ask about all of them with output, '
                'such as answers.parquet'
            )
        files[modality] = ImageFile.open(os.fspath(path))
        verify_place(files[modality])
    first = next(iter(files.values()))
    grid = first.grid
    if not grid.is_north_up:
        grid = grid.resized(grid.height, grid.width)
    tile = Tile('pair', grid, files)
    images = {}
    for modality, file in files.items():
        if not overlap(file.grid, first.grid):
            raise ValueError(f'{file.path} shows nothing of {first.path}')
        if (ratio := file.grid.coarseness(grid)) > MAX_RATIO:
            warnings.warn(
                f'the pixels of {file.path} are {ratio:.0f} times as large as those of '
                f'{first.path}',
                UserWarning,
            )
        image = tile.read(modality, file.num_bands).astype(np.float32)
        names = file.names
        if modality == 'optical' and optical_bands is not None:
            verify_bands(file.path, file.num_bands, optical_bands)
            image = image[np.subtract(optical_bands, 1)]
            names = tuple(names[band - 1] for band in optical_bands)
        verify_order(file.path, modality, names)
        images[modality] = image
    if not any(np.isfinite(image).any() for image in images.values()):
        raise ValueError(f'{" and ".join(f.path for f in files.values())}: no data')
    return images


def given_paths(
    metadata: Metadata, optical: Paths | None, sar: Paths | None
) -> dict[str, Paths]:
    """Return the path of each modality that is given, if the model takes them all."""
    paths = {'optical': optical, 'sar': sar}
    given = {m: path for m, path in paths.items() if path is not None}
    if not given or not given.keys() <= set(metadata.modalities):
        raise ValueError(
            f'the model looks at {" and ".join(metadata.modalities)}, got files of '
            f'{" and ".join(given) or "nothing"}'
        )
    return given
