# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Asking a trained model about every patch of an area."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import shapely
from geopandas import GeoDataFrame
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry.base import BaseGeometry
from torchgeo.datasets import RasterDataset
from torchgeo.samplers import GriddedPatchSampler
from tqdm import tqdm

from ..rasters.coverage import find_gaps, has_data
from ..rasters.zones import Layers, find_rasters, find_zones, read_header, verify_bands
from .pair import Paths, given_paths
from .predictor import Predictor


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
) -> GeoDataFrame:
    """Ask every question about every patch of an area.

    The area is where there are images of all modalities. Patches are cut along the pixels
    of the optical images, in the CRS of each; images in other UTM zones have patches of
    their own.

    Args:
        predictor: Trained model.
        questions: The questions.
        optical: Optical image or a folder with some, or None if there is none.
        sar: SAR image or a folder with some, or None if there is none.
        patch_size: Side of a patch in pixels (defaults to what the model was trained on).
        stride: Distance of the patches in pixels (defaults to *patch_size*).
        optical_bands: Red, green and blue among the bands of the optical images, counted
            from 1 (defaults to all bands).
        max_nodata: Share of a patch without data beyond which nothing is asked about it,
            in [0, 1].
        batch_size: Number of patches that are looked at together.

    Returns:
        A row for each patch and question: ``question``, ``answer``, ``probability``, the
        weight of each expert, ``expert_weight_<name>``, and ``geometry``, the outline of
        the patch, in the CRS of the images, or in degrees if they have several.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If an image has no CRS or does not fit the model, or the images do
            not overlap.
    """
    given = given_paths(predictor.metadata, optical, sar)
    size = patch_size if patch_size is not None else predictor.model.image_size
    stride = stride if stride is not None else size
    for name, value in {'patch_size': size, 'stride': stride}.items():
        if value < 1:
            raise ValueError(f'{name} must be at least 1, got {value}')
    files = {m: [read_header(p) for p in find_rasters(x)] for m, x in given.items()}
    if optical_bands is not None:
        for file in files.get('optical', []):
            verify_bands(file.path, file.count, optical_bands)
    layers = []
    for zone in _zones(files, optical_bands):
        patches = list(zone.patches(size, stride))
        read = (zone.read(patch) for patch in tqdm(patches, 'Asking', disable=None))
        known = (patch for patch in read if patch.nodata <= max_nodata)
        for batch in itertools.batched(known, batch_size):
            layers.append(_ask_patches(predictor, questions, batch, zone.first.crs))
    if not layers:
        raise ValueError(
            f'there is no patch of {size} pixels of which more than '
            f'{1 - max_nodata:.0%} is known: choose a smaller patch_size or a larger '
            'max_nodata'
        )
    if len({layer.crs for layer in layers}) > 1:
        layers = [layer.to_crs('EPSG:4326') for layer in layers]
    layer: GeoDataFrame = pd.concat(layers, ignore_index=True)
    return layer


class _Patch(NamedTuple):
    """Images of a patch, (C, H, W), NaN where there is no data.

    *nodata* is the share of the patch that some modality does not know.
    """

    outline: shapely.Polygon
    images: dict[str, NDArray[np.float32]]
    nodata: float


@dataclass
class _Zone:
    """Images of one CRS, that of the first modality.

    Attributes:
        datasets: Dataset of each modality.
        area: Where all of them have files.
    """

    datasets: dict[str, RasterDataset]
    area: BaseGeometry

    @property
    def first(self) -> RasterDataset:
        """Dataset whose pixels are kept as they are."""
        return next(iter(self.datasets.values()))

    def patches(self, size: int, stride: int) -> Iterator[tuple[slice, slice]]:
        """List the patches: what to ask the first dataset for."""
        yield from GriddedPatchSampler(
            self.first, size=size, stride=stride, roi=self.area
        )

    def read(self, patch: tuple[slice, slice]) -> _Patch:
        """Read a patch."""
        x, y = patch
        width, height = self.first.res
        time = slice(pd.Timestamp.min, pd.Timestamp.max, 1)
        query = slice(x.start, x.stop, width), slice(y.start, y.stop, height), time
        images = {}
        unknown: Any = False
        for modality, dataset in self.datasets.items():
            image = dataset[query]['image'].float().numpy()
            outside, nodata = find_gaps(dataset, query, image.shape[1:])
            empty = outside | ~has_data(image, nodata)
            images[modality] = np.where(empty, np.float32(np.nan), image)
            unknown |= empty
        outline = shapely.box(x.start, y.start, x.stop, y.stop)
        return _Patch(outline, images, float(unknown.mean()))


def _zones(files: Layers, optical_bands: Sequence[int] | None) -> list[_Zone]:
    """Open the images: those of each CRS of the first modality together."""
    bands = {} if optical_bands is None else {'optical': optical_bands}
    zones = [_Zone(zone.open(bands), zone.area) for zone in find_zones(files)]
    if not zones:
        raise ValueError(
            'the optical and the SAR images have no place in common; are their '
            'coordinate reference systems right?'
        )
    return zones


def _ask_patches(
    predictor: Predictor, questions: Sequence[str], patches: Sequence[_Patch], crs: CRS
) -> GeoDataFrame:
    """Ask about some patches."""
    images = {
        modality: np.stack([patch.images[modality] for patch in patches])
        for modality in patches[0].images
    }
    rows = [
        {
            'question': answer.question,
            'answer': answer.answer,
            'probability': answer.probability,
            **{f'expert_weight_{n}': w for n, w in answer.expert_weights.items()},
        }
        for answer in predictor.ask(images.get('optical'), images.get('sar'), questions)
    ]
    outlines = [patch.outline for patch in patches for _ in questions]
    return GeoDataFrame(rows, geometry=outlines, crs=crs)
