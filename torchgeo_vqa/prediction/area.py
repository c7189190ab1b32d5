# SPDX-License-Identifier: MIT
"""Asking a trained model about every patch of an area."""

import itertools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import shapely
import torch
from geopandas import GeoDataFrame
from numpy.typing import NDArray
from torchgeo.datasets import RasterDataset
from torchgeo.samplers import GriddedPatchSampler
from tqdm import tqdm

from ..models.metadata import Metadata
from ..rasters.image_file import ImageFile
from ..rasters.units import convert, inspect, verify_order, verify_scales
from ..rasters.zones import find_rasters, find_zones, read_header, verify_bands
from .answer import Answer, verify_questions
from .pair import Paths, given_paths
from .predictor import Predictor

#: Side in pixels of what is looked at of a file before any question is asked.
OVERVIEW = 256

#: Side in pixels of patches, at most.
MAX_SIZE = 16_384


def ask_area(
    predictor: Predictor,
    questions: Sequence[str],
    optical: Paths | None = None,
    sar: Paths | None = None,
    patch_size: int | None = None,
    stride: int | None = None,
    optical_bands: Sequence[int] | None = None,
    max_nodata: float = 0.5,
    batch_size: int = 16,
    optical_scale: str | None = None,
    sar_scale: str | None = None,
) -> GeoDataFrame:
    """Ask every question about every patch of an area.

    The area is where there are images of all modalities: *optical* and *sar* are files or
    folders with some, None if there are none. Patches of *patch_size* pixels (defaults to
    what the model was trained on), *stride* pixels apart (defaults to *patch_size*), are cut
    along the pixels of the optical images, in the CRS of each; images in other UTM zones have
    patches of their own. *optical_bands* are red, green and blue among the optical bands,
    counted from 1 (defaults to all). Nothing is asked about a patch of which a larger share
    than *max_nodata*, in [0, 1], is without data. Scales are those of
    :meth:`Predictor.ask`.

    Returns:
        A row for each patch and question: ``question``, ``answer``, ``probability``, the
        weight of each expert, ``expert_weight_<name>``, ``note``, what is wrong with the
        images of the patch, '' if nothing was found, and ``geometry``, the outline of
        the patch, in the CRS of the images, or in degrees if they have several.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If an image has no CRS or does not fit the model, or the images do
            not overlap.
    """
    given = given_paths(predictor.metadata, optical, sar)
    size = patch_size if patch_size is not None else predictor.model.image_size
    stride = stride if stride is not None else size
    _verify_options(size, stride, batch_size, max_nodata)
    questions = list(dict.fromkeys(verify_questions(questions)))
    scales = verify_scales({'optical': optical_scale, 'sar': sar_scale})
    files = {m: [read_header(p) for p in find_rasters(x)] for m, x in given.items()}
    bands = {} if optical_bands is None else {'optical': optical_bands}
    for modality, own in files.items():
        _verify_files(own, modality, bands.get(modality), predictor.metadata, scales)
    zones = find_zones(files)
    if not zones:
        raise ValueError(
            'the optical and the SAR images have no location in common; are their '
            'coordinate reference systems right?'
        )
    layers = []
    for zone in zones:
        datasets = zone.open(bands)
        first = next(iter(datasets.values()))  # whose pixels are kept as they are
        patches = GriddedPatchSampler(first, size=size, stride=stride, roi=zone.area)
        bar = tqdm(patches, 'Asking', disable=None)
        read = (_read(datasets, patch) for patch in bar)
        known = (patch for *patch, nodata in read if nodata <= max_nodata)
        for batch in itertools.batched(known, batch_size):
            outlines, images = zip(*batch, strict=True)
            stacks = {m: np.stack([image[m] for image in images]) for m in datasets}
            answers = predictor.ask_all(
                stacks.get('optical'), stacks.get('sar'), questions, scales
            )
            rows = [_as_row(answer) for answer in answers]
            repeated = np.repeat(np.asarray(outlines), len(questions))
            layers.append(GeoDataFrame(rows, geometry=repeated, crs=first.crs))
    if not layers:
        raise ValueError(
            f'there is no patch of {size} pixels of which more than '
            f'{1 - max_nodata:.0%} is known: choose a smaller patch_size or a larger '
            'max_nodata'
        )
    if len({layer.crs for layer in layers}) > 1:
        layers = [layer.to_crs('EPSG:4326') for layer in layers]
    layer: GeoDataFrame = pd.concat(layers, ignore_index=True)
    notes = layer['note'][layer['note'] != '']
    if len(notes):
        warnings.warn(
            f'{len(notes):,} of {len(layer):,} answers have a note, such as: '
            f'{notes.iloc[0]}',
            UserWarning,
        )
    return layer


def _verify_options(size: int, stride: int, batch_size: int, max_nodata: float) -> None:
    """Raise a ValueError if an option is out of its range."""
    for name, value in {
        'patch_size': size,
        'stride': stride,
        'batch_size': batch_size,
    }.items():
        if value < 1:
            raise ValueError(f'{name} must be at least 1, got {value}')
    if size > MAX_SIZE:
        raise ValueError(f'patch_size is at most {MAX_SIZE:,} pixels, got {size:,}')
    if not 0 <= max_nodata <= 1:
        raise ValueError(f'max_nodata is a share in [0, 1], got {max_nodata}')


def _as_row(answer: Answer) -> dict[str, Any]:
    """Return the columns of an answer."""
    weights = answer.expert_weights.items()
    return {
        'question': answer.question,
        'answer': answer.answer,
        'probability': answer.probability,
        **{f'expert_weight_{name}': weight for name, weight in weights},
        'note': answer.note,
    }


def _verify_files(
    files: Sequence[ImageFile],
    modality: str,
    bands: Sequence[int] | None,
    metadata: Metadata,
    scales: Mapping[str, str],
) -> None:
    """Raise a ValueError if a file lacks bands, or its values do not fit the model.

    Of each file, few pixels are looked at, so that this takes no time.
    """
    num_bands = metadata.channels[modality]
    spec, numbers = metadata.images[modality], metadata.statistics[modality]
    for file in files:
        if bands is not None:
            verify_bands(file.path, file.count, bands)
            names = tuple(file.names[b - 1] for b in bands if b <= len(file.names))
            file = replace(file, bands=tuple(bands), num_bands=len(bands), names=names)
        if file.num_bands != num_bands:
            raise ValueError(
                f'{file.path} has {file.num_bands} bands, the model looks at {modality} '
                f'images of {num_bands}'
            )
        verify_order(file.path, modality, file.names)
        shape = min(file.grid.height, OVERVIEW), min(file.grid.width, OVERVIEW)
        image = torch.from_numpy(file.read(shape=shape).astype(np.float32))
        image = convert(image, scales.get(modality), spec.unit)
        for finding in inspect(image, modality, spec, numbers):
            if finding.refused:
                raise ValueError(f'{file.path}: {finding.text}')


def _read(
    datasets: Mapping[str, RasterDataset], patch: tuple[slice, slice]
) -> tuple[shapely.Polygon, dict[str, NDArray[np.float32]], float]:
    """Read a patch of the first dataset's pixels.

    Return its outline, its images (C, H, W), NaN where there is no data, and the share of
    the patch that some modality does not know.
    """
    x, y = patch
    width, height = next(iter(datasets.values())).res
    time = slice(pd.Timestamp.min, pd.Timestamp.max, 1)
    query = slice(x.start, x.stop, width), slice(y.start, y.stop, height), time
    images = {}
    unknown: Any = False
    for modality, dataset in datasets.items():
        images[modality] = image = dataset[query]['image'].numpy()
        unknown |= np.isnan(image).any(axis=0)
    outline = shapely.box(x.start, y.start, x.stop, y.stop)
    return outline, images, float(unknown.mean())
