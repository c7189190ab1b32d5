# SPDX-License-Identifier: MIT
"""Layers of objects: points or outlines, each of a category."""

import copy
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import geopandas as gpd
import pandas as pd
import shapely
from geopandas import GeoDataFrame
from pyproj import CRS
from torchgeo.datasets import VectorDataset

from .scene import SceneObject

type Source = GeoDataFrame | VectorDataset | str | os.PathLike[str]

# Pixels by which an outline may miss the edge by rounding
_SLACK = 1e-6


class ObjectLayer:
    """Objects on a map.

    Attributes:
        categories: Categories of objects that were looked for.
    """

    def __init__(
        self,
        source: Source,
        column: str = 'class',
        categories: Sequence[str] | None = None,
    ) -> None:
        """Initialize a new ObjectLayer instance.

        Args:
            source: The objects, a file of them, or a dataset of such files.
            column: Column with the category of each, in the singular.
            categories: Categories that were looked for; others are left out (defaults to
                those that occur).

        Raises:
            ValueError: If the layer has no CRS or no such column, or an object has no
                category or no geometry.
        """
        layer = _load(source)
        if layer.crs is None:
            raise ValueError('objects have no CRS; give them one with `set_crs`')
        if column not in layer:
            known = sorted(set(layer.columns) - {layer.geometry.name})
            raise ValueError(f'object_column must be one of {known}, got {column!r}')
        names, shapes = layer[column].astype(str), layer.geometry
        unnamed = layer[column].isna() | (names.str.strip() == '')
        empty = shapes.isna() | shapes.is_empty
        for what, bad in {'category': unnamed, 'geometry': empty}.items():
            if bad.any():
                raise ValueError(f'{bad.sum()} of {len(layer)} objects have no {what}')
        self.categories = tuple(
            sorted(set(names)) if categories is None else categories
        )
        every = GeoDataFrame(
            {'category': names.to_numpy()}, geometry=shapes.to_numpy(), crs=layer.crs
        )
        self._layer = every[every['category'].isin(self.categories)]

    def to_crs(self, crs: CRS) -> Self:
        """Return the objects, of the same categories, in another CRS."""
        layer = copy.copy(self)
        layer._layer = self._layer.to_crs(crs)
        return layer

    def find(
        self, x: slice, y: slice, shape: tuple[int, int]
    ) -> tuple[tuple[SceneObject, ...], frozenset[str]]:
        """Find the objects in a patch [xmin:xmax:xres, ymin:ymax:yres] of a shape (H, W).

        Return those entirely inside, and the categories of those that the edge cuts.
        """
        height, width = shape
        patch = shapely.box(x.start, y.start, x.stop, y.stop)
        near = self._layer.iloc[sorted(self._layer.sindex.query(patch))]
        whole: list[SceneObject] = []
        partial: set[str] = set()
        for category, geometry in zip(near['category'], near.geometry, strict=True):
            left, bottom, right, top = geometry.bounds
            left, right = (left - x.start) / x.step, (right - x.start) / x.step
            top, bottom = (y.stop - top) / y.step, (y.stop - bottom) / y.step
            if geometry.geom_type == 'Point':
                # The pixel that holds it
                top, left = math.floor(top), math.floor(left)
                if 0 <= top < height and 0 <= left < width:
                    whole.append(SceneObject(category, top, left, top + 1, left + 1))
            elif max(-top, -left, bottom - height, right - width) <= _SLACK:
                top, left = max(top, 0.0), max(left, 0.0)
                bottom, right = min(bottom, height), min(right, width)
                whole.append(SceneObject(category, top, left, bottom, right))
            elif geometry.intersects(patch) and not geometry.touches(patch):
                partial.add(category)
        return tuple(whole), frozenset(partial)


def _load(source: Source) -> GeoDataFrame:
    """Read a layer of objects."""
    if isinstance(source, GeoDataFrame):
        return source
    if not isinstance(source, VectorDataset):
        return _read(Path(source))
    crs = source.crs
    layers = [_read(Path(path), source.layer) for path in source.index['filepath']]
    layers = [x.set_crs(crs) if x.crs is None else x.to_crs(crs) for x in layers]
    return GeoDataFrame(pd.concat(layers, ignore_index=True), crs=crs)


def _read(path: Path, layer: str | int | None = None) -> GeoDataFrame:
    """Read a vector file."""
    if path.suffix.lower() == '.parquet':
        return gpd.read_parquet(path)
    return gpd.read_file(path, layer=layer)
