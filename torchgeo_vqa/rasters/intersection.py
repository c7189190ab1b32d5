# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Datasets of rasters that are read together."""

from collections.abc import Mapping
from functools import reduce
from typing import Any

import numpy as np
from pyproj import CRS
from torchgeo.datasets import GeoDataset, IntersectionDataset


def intersect(datasets: Mapping[str, GeoDataset], spatial_only: bool) -> GeoDataset:
    """Bring named datasets to the CRS and the resolution of the first, and intersect them.

    Raise a TypeError for what is no GeoDataset, a ValueError for a CRS that is missing or
    cannot be expressed in the first's, a RuntimeError if they have no location or time in
    common; *spatial_only* ignores times.
    """
    for name, dataset in datasets.items():
        if not isinstance(dataset, GeoDataset):
            raise TypeError(
                f'{name} must be a GeoDataset, got {type(dataset).__name__}'
            )
        crs: Any = dataset.crs
        if crs is None or CRS.from_user_input(crs).is_engineering:
            raise ValueError(
                f'{name} has no CRS, so it is nowhere on Earth; georeference its files'
            )
    first, *others = datasets
    crs = datasets[first].crs

    def combine(left: GeoDataset, name: str) -> GeoDataset:
        right = datasets[name]
        own, before = right.crs, right.index.total_bounds.round(6).tolist()
        right.crs = crs
        bounds = right.index.total_bounds
        if not np.isfinite(bounds).all():
            raise ValueError(
                f'{name} lies at {before} in {own.name}, which cannot be expressed in '
                f'{crs.name}, the CRS of {first}: is either CRS wrong? Else give {first} '
                'a CRS that fits both, such as EPSG:3857'
            )
        try:
            return IntersectionDataset(left, right, spatial_only)
        except RuntimeError as error:
            if 'temporal' in str(error):
                raise RuntimeError(
                    f'{name} was taken at another time than the images; use '
                    'spatial_only=True if that does not matter'
                ) from error
            raise RuntimeError(
                f'{name} does not overlap with the datasets before it: it lies at '
                f'{bounds.round(6).tolist()}, they lie at '
                f'{left.index.total_bounds.round(6).tolist()} in {crs.name}; its own CRS '
                f'is {own.name}, is that right?'
            ) from error

    return reduce(combine, others, datasets[first])
