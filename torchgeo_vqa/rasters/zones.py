# SPDX-License-Identifier: MIT
"""Rasters that a user names, by UTM zone or any other CRS."""

import os
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, override

import numpy as np
import shapely
import torch
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.crs import CRS as RIO_CRS
from rasterio.transform import from_origin
from rasterio.warp import transform_bounds
from shapely.geometry.base import BaseGeometry
from torch import Tensor
from torchgeo.datasets import RasterDataset
from torchgeo.datasets.utils import GeoSlice

from .grid import Grid
from .image_file import RASTER_EXTENSIONS, ImageFile

_WGS84 = 'EPSG:4326'

#: Files of each layer, by its name.
Layers = Mapping[str, Sequence[ImageFile]]


class ImageRaster(RasterDataset):
    """An image whose pixels without data are NaN, wherever its files lie."""

    @override
    def _merge_or_stack(
        self,
        filepaths: Sequence[str],
        index: GeoSlice,
        band_indexes: Sequence[int] | None = None,
        out_crs: CRS | None = None,
    ) -> Tensor:
        """Read files through :class:`ImageFile`, the first on top, (C, H, W)."""
        x, y, _ = self._disambiguate_slice(index)
        height = max(1, round((y.stop - y.start) / y.step))
        width = max(1, round((x.stop - x.start) / x.step))
        crs = RIO_CRS.from_user_input(out_crs or self.crs)
        grid = Grid(crs, from_origin(x.start, y.stop, x.step, y.step), height, width)
        merged: NDArray[np.float32] | None = None
        for path in filepaths:
            file = _header(path)
            if band_indexes is not None:
                file = replace(
                    file, bands=tuple(band_indexes), num_bands=len(band_indexes)
                )
            image = file.read_on(grid)
            if merged is None:
                merged = image
            elif merged.shape == image.shape:
                np.copyto(merged, image, where=np.isnan(merged))
            else:
                raise ValueError(
                    f'{path} has {len(image)} bands, but other images of the folder have '
                    f'{len(merged)}; all need the same bands'
                )
        assert merged is not None
        return torch.from_numpy(merged)


class LabelRaster(RasterDataset):
    """A raster of codes."""

    is_image = False

    @override
    def _merge_or_stack(self, *args: Any, **kwargs: Any) -> Tensor:
        """Read files as TorchGeo does, but let no code be rounded."""
        codes = super()._merge_or_stack(*args, **kwargs)
        if codes.is_floating_point():
            odd = codes[codes.isfinite() & (codes != codes.round())]
            if len(odd):
                raise ValueError(
                    f'codes must be whole numbers, got {float(odd[0]):g} in a raster of '
                    f'{", ".join(map(str, self.index["filepath"][:3]))}'
                )
        return codes


@dataclass(frozen=True)
class Zone:
    """Files that lie where those of one layer and one CRS do.

    A dataset of TorchGeo has one CRS. Warping all images to that of the first would
    spoil the pixels of every other UTM zone. Files of the first layer are in the zone's
    CRS, so that their pixels stay as they are; *area* is where all layers have files.
    """

    crs: CRS
    files: dict[str, list[ImageFile]]
    area: BaseGeometry

    def open(
        self,
        bands: Mapping[str, Sequence[int]] | None = None,
        labels: Collection[str] = (),
    ) -> dict[str, RasterDataset]:
        """Open the files of each layer as datasets in the zone's CRS.

        *bands* counts the bands to read of a layer from 1; *labels* names layers of codes.
        """
        datasets: dict[str, RasterDataset] = {}
        for name, files in self.files.items():
            dataset_class = LabelRaster if name in labels else ImageRaster
            datasets[name] = dataset_class([file.path for file in files], crs=self.crs)
            if bands and name in bands:
                datasets[name].band_indexes = list(bands[name])
        return datasets


@lru_cache(maxsize=4096)
def _header(path: str) -> ImageFile:
    """Read the header of a file once."""
    return ImageFile.open(path)


def find_zones(layers: Layers) -> list[Zone]:
    """Return a zone for each CRS of the first layer in which all layers have a common area.

    Layers hold the files that :func:`read_header` returns; empty ones are left out.
    """
    layers = {name: files for name, files in layers.items() if files}
    first, *others = layers
    outlines = {
        name: [_outline(file, _WGS84) for file in layers[name]] for name in others
    }
    by_crs: dict[str, list[ImageFile]] = defaultdict(list)
    for file in layers[first]:
        assert file.grid.crs is not None
        by_crs[file.grid.crs.to_wkt(version='WKT2_2018')].append(file)
    zones = []
    for wkt, own in sorted(by_crs.items()):
        location = shapely.union_all([_outline(file, _WGS84) for file in own])
        files = {first: own}
        for name in others:
            near = shapely.intersects(outlines[name], location)
            files[name] = [layers[name][i] for i in np.flatnonzero(near).tolist()]
        crs = own[0].grid.crs
        areas = [
            shapely.union_all([_footprint(file, crs) for file in some])
            for some in files.values()
        ]
        area = shapely.intersection_all(areas)
        if area.area > 0:
            zones.append(Zone(CRS.from_wkt(wkt), files, area))
    return zones


def find_rasters(path: str | os.PathLike[str] | None) -> tuple[str, ...]:
    """List the absolute paths of a raster, or of those in a folder; none for None.

    Raise a FileNotFoundError if there is none.
    """
    if path is None:
        return ()
    root = Path(path)
    files = [root] if root.exists() else []
    if root.is_dir():
        files = [p for p in root.rglob('*') if p.suffix.lower() in RASTER_EXTENSIONS]
    if not files:
        known = ', '.join(RASTER_EXTENSIONS)
        raise FileNotFoundError(f'{path} is neither a raster nor a folder of {known}')
    return tuple(str(file.resolve()) for file in sorted(files))


def read_header(path: str) -> ImageFile:
    """Read the header of a raster; raise a ValueError if it has no CRS."""
    file = ImageFile.open(path)
    if file.grid.crs is None:
        raise ValueError(f'{path} has no CRS; give it one, as with `rio edit-info`')
    verify_place(file)
    return file


def verify_place(file: ImageFile) -> None:
    """Raise a ValueError if a file lies nowhere on Earth, or its pixels have no size."""
    grid = file.grid
    bounds = grid.bounds
    if grid.transform.determinant == 0 or not np.isfinite(bounds).all():
        raise ValueError(f'{file.path} has pixels of no size: {grid.transform[:6]}')
    if grid.crs and grid.crs.is_geographic and max(map(abs, bounds[1::2])) > 90.01:
        raise ValueError(
            f'{file.path} lies at latitude {bounds[1]:g} to {bounds[3]:g}; is its '
            'coordinate reference system right?'
        )


def verify_bands(path: str, num_bands: int, bands: Sequence[int]) -> None:
    """Raise a ValueError unless the bands, counted from 1, are three that the file has."""
    if len(bands) != 3 or not all(1 <= band <= num_bands for band in bands):
        raise ValueError(
            f'optical_bands must be three of 1 to {num_bands}, the bands of {path}, got '
            f'{list(bands)}'
        )


def _outline(file: ImageFile, crs: str) -> shapely.Polygon:
    """Return the bounds of a file in a CRS."""
    return shapely.box(*transform_bounds(file.grid.crs, crs, *file.grid.bounds))


def _footprint(file: ImageFile, crs: RIO_CRS | None) -> shapely.Polygon:
    """Return the bounds of a file as TorchGeo warps it to a CRS."""
    grid = file.grid if crs is None or crs == file.grid.crs else file.grid.to_crs(crs)
    return shapely.box(*grid.bounds)
