# SPDX-License-Identifier: MIT
"""Asking a trained model about every patch of an area."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import shapely
from geopandas import GeoDataFrame
from numpy.typing import NDArray
from torchgeo.datasets import RasterDataset
from torchgeo.samplers import GriddedPatchSampler
from tqdm import tqdm

from ..rasters.coverage import find_gaps, has_data
from ..rasters.zones import find_rasters, find_zones, read_header, verify_bands
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

    The area is where there are images of all modalities: *optical* and *sar* are files or
    folders with some, None if there are none. Patches of *patch_size* pixels (defaults to
    what the model was trained on), *stride* pixels apart (defaults to *patch_size*), are cut
    along the pixels of the optical images, in the CRS of each; images in other UTM zones have
    patches of their own. *optical_bands* are red, green and blue among the optical bands,
    counted from 1 (defaults to all). Nothing is asked about a patch of which a larger share
    than *max_nodata*, in [0, 1], is without data.

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
    zones = find_zones(files)
    if not zones:
        raise ValueError(
            'the optical and the SAR images have no location in common; are their '
            'coordinate reference systems right?'
        )
    layers = []
    for zone in zones:
        datasets = zone.open(
            {} if optical_bands is None else {'optical': optical_bands}
        )
        first = next(iter(datasets.values()))  # whose pixels are kept as they are
        patches = GriddedPatchSampler(first, size=size, stride=stride, roi=zone.area)
        read = (_read(datasets, x) for x in tqdm(list(patches), 'Asking', disable=None))
        known = (patch for *patch, nodata in read if nodata <= max_nodata)
        for batch in itertools.batched(known, batch_size):
            outlines, images = zip(*batch, strict=True)
            stacks = {m: np.stack([image[m] for image in images]) for m in datasets}
            answers = predictor.ask(stacks.get('optical'), stacks.get('sar'), questions)
            rows = [
                {
                    **dict(
                        zip(('question', 'answer', 'probability'), words, strict=True)
                    ),
                    **{f'expert_weight_{name}': w for name, w in weights.items()},
                }
                for *words, weights in answers
            ]
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
    return layer


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
        image = dataset[query]['image'].float().numpy()
        outside, nodata = find_gaps(dataset, query, image.shape[1:])
        empty = outside | ~has_data(image, nodata)
        images[modality] = np.where(empty, np.float32(np.nan), image)
        unknown |= empty
    outline = shapely.box(x.start, y.start, x.stop, y.stop)
    return outline, images, float(unknown.mean())
