# SPDX-License-Identifier: MIT
"""Base class for datasets of image pairs."""

import abc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast, override

import numpy as np
import pandas as pd
import rasterio
import shapely
import torch
from geopandas import GeoDataFrame, GeoSeries
from pyproj import CRS
from rasterio.crs import CRS as RIO_CRS
from rasterio.transform import from_bounds, from_origin
from rasterio.warp import calculate_default_transform
from torchgeo.datasets.utils import GeoSlice, Sample

from ..rasters.extent import verify_extent
from ..rasters.footprint_index import FootprintIndex, Rows
from ..rasters.grid import Grid
from ..rasters.pairing import Tile
from ..rasters.placement import acquisition_time, engineering_crs
from .pair_union import TileDataset
from .tile_reader import TileReader


class PairDataset(TileDataset):
    """Base class for datasets of pairs of images.

    A query for a whole tile returns the pixels of its files as they are, others are warped
    and merged as in :class:`~torchgeo.datasets.RasterDataset`. What else is known of a
    tile belongs to a query only if the tile lies entirely inside.
    """

    #: Bytes of decoded images to keep in memory.
    cache_size = 256 * 2**20

    def __init__(
        self,
        root: Path,
        tiles: Mapping[str, Tile],
        num_bands: Mapping[str, int],
        groups: Mapping[str, str],
        times: Mapping[str, str] | None = None,
        crs: CRS | str | None = None,
        res: float | tuple[float, float] | None = None,
        transforms: Callable[[Sample], Sample] | None = None,
        cache: bool = True,
    ) -> None:
        """Initialize a new PairDataset instance.

        *tiles* and *groups* are by the name of their pair, *times* are texts that hold the time
        of acquisition of a pair if its name does not. Further options are :class:`PairVQA`'s.
        """
        self.transforms = transforms
        self.cache = cache
        self.tiles = tiles
        self.num_bands = num_bands
        #: Names of the groups of pairs, such as clear and cloudy.
        self.groups = tuple(sorted(set(groups.values())))
        self._reader = TileReader(num_bands, self.cache_size if cache else 0)

        names = sorted(tiles)
        first = tiles[names[0]].grid
        #: Whether the images have a CRS of their own.
        self.georeferenced = first.crs is not None
        if not self.georeferenced:
            if crs is not None:
                raise self._no_crs_error(crs)
            crs = engineering_crs(root)
        elif crs is None:
            with rasterio.Env(OSR_WKT_FORMAT='WKT2_2018'):
                crs = CRS.from_user_input(first.crs)
        crs = CRS.from_user_input(crs)

        self._native_res = _resolution(first, crs)
        if isinstance(res, int | float):
            res = (float(res), float(res))
        self._res = res or self._native_res

        files = [tiles[name].files for name in names]
        data: dict[str, list[str | None]] = {
            'filepath': [next(iter(pair.values())).path for pair in files],
            'image': list(names),
            'group': [groups.get(name) for name in names],
        }
        if 'sar' in num_bands:
            data['filepath_sar'] = [pair['sar'].path for pair in files]
        spans = [acquisition_time((times or {}).get(name, name)) for name in names]
        index = pd.IntervalIndex.from_tuples(spans, closed='both', name='datetime')
        # Without an index of its own, which pandas would align
        geometry = self._footprints(names, crs).array
        self.index = GeoDataFrame(data, index=index, geometry=geometry, crs=crs)
        self._footprint_index: FootprintIndex | None = None

    @abc.abstractmethod
    def _annotate(self, rows: Rows) -> Sample:
        """Return further entries of a sample, given the rows of the tiles inside its query."""

    def __getstate__(self) -> dict[str, Any]:
        """Leave out of a pickle what is quickly made again."""
        return self.__dict__ | {'_footprint_index': None}

    @property
    def crs(self) -> CRS:
        """:term:`coordinate reference system (CRS)` of the dataset."""
        return cast(CRS, self.index.crs)

    @crs.setter
    def crs(self, new_crs: CRS) -> None:
        if new_crs == self.crs:
            return
        if not self.georeferenced or CRS.from_user_input(new_crs).is_engineering:
            raise self._no_crs_error(new_crs)
        print(f'Converting {self.__class__.__name__} CRS from {self.crs} to {new_crs}')
        self.index.to_crs(new_crs, inplace=True)
        self._footprint_index = None

    def _no_crs_error(self, crs: CRS | str) -> ValueError:
        """Return the error of images without a CRS that are asked for another."""
        return ValueError(
            f'cannot bring the images of {self.__class__.__name__} to the CRS '
            f'{CRS.from_user_input(crs).name!r}: images without a CRS cannot be combined '
            'with georeferenced ones or those of another folder; georeference them'
        )

    @property
    def bounds(self) -> tuple[slice, slice, slice]:
        """Bounds of the index: xmin:xmax:xres, ymin:ymax:yres, tmin:tmax:tres."""
        x, y, t = self._find().extent
        return slice(*x, self.res[0]), slice(*y, self.res[1]), slice(*t, 1)

    def _footprints(self, names: Sequence[str], crs: CRS) -> GeoSeries:
        """Return the outlines of tiles in a CRS."""
        grids = [self.tiles[name].grid for name in names]
        boxes = shapely.box(*np.array([grid.bounds for grid in grids]).T)
        if not self.georeferenced:
            return GeoSeries(boxes, crs=crs)
        zones: dict[str, list[int]] = {}
        for i, grid in enumerate(grids):
            zone = '' if grid.crs is None else grid.crs.to_wkt()
            zones.setdefault(zone, []).append(i)
        for zone, members in zones.items():
            boxes[members] = GeoSeries(boxes[members], crs=zone).to_crs(crs).to_numpy()
        return GeoSeries(boxes, crs=crs)

    def _find(self) -> FootprintIndex:
        """Return the index of footprints, built anew for another index or resolution."""
        tree = self._footprint_index
        half_a_pixel = self.res[0] / 2, self.res[1] / 2
        known = tree and (tree.index is self.index and tree.tolerance == half_a_pixel)
        if tree is None or not known:
            self._footprint_index = tree = FootprintIndex(self.index, half_a_pixel)
            self._names = self.index['image'].to_list()
            codes = {group: code for code, group in enumerate(self.groups)}
            self._groups = np.array([codes.get(g, -1) for g in self.index['group']])
            footprints = self._footprints(self._names, self.crs).bounds.to_numpy()
            # Rows that TorchGeo's splits cut a piece off are no tiles any more
            near = np.abs(tree.bounds - footprints) < half_a_pixel * 2
            self._is_tile = near.all(axis=1)
            own = RIO_CRS.from_user_input(self.crs) if self.georeferenced else None
            self._grid_crs = own
        return tree

    def __getitem__(self, index: GeoSlice) -> Sample:
        """Retrieve the sample at [xmin:xmax:xres, ymin:ymax:yres, tmin:tmax:tres].

        Raise an IndexError if that is not in the dataset, a ValueError if it is a tile of which
        there are several acquisitions at that time.
        """
        x, y, t = self._disambiguate_slice(index)
        bounds, res = (x.start, y.start, x.stop, y.stop), (x.step, y.step)
        rows = self._find_tiles((x, y, t))
        if len(rows) > 1:
            names = ', '.join(self._names[row] for row in rows)
            raise ValueError(
                f'{len(rows)} acquisitions of one tile between {t.start} and {t.stop}: '
                f'{names}; narrow the time slice, or combine the sampler with a temporal '
                'one: `TileSampler(dataset) @ SequentialTimestampSampler(dataset)`'
            )
        if len(rows) == 1 and res == self._native_res:
            tile = self.tiles[self._names[rows[0]]]
            transform = from_bounds(
                *bounds, width=tile.grid.width, height=tile.grid.height
            )
            images = {m: self._reader.read(tile, m) for m in self.num_bands}
        else:
            tree = self._find()
            rows = tree.during(tree.touching(bounds), t.start, t.stop)[:: t.step]
            if not len(rows):
                raise IndexError(
                    f'index: {index} not found in dataset with bounds: {self.bounds}'
                )
            transform = from_origin(x.start, y.stop, *res)
            height, width = verify_extent(x, y)
            grid = Grid(self._grid_crs, transform, height, width)
            tiles = [self.tiles[self._names[row]] for row in rows]
            images = {m: self._reader.merge(tiles, m, grid) for m in self.num_bands}
            inside = tree.inside(rows, bounds) & self._is_tile[rows]
            rows = rows[inside & tree.uncovered(rows, res[0] * res[1])]

        sample: Sample = {f'image_{m}': torch.from_numpy(images[m]) for m in images}
        sample |= self._annotate(rows)
        sample['bounds'] = self._slice_to_tensor((x, y, t))
        sample['transform'] = torch.tensor(tuple(transform))
        if self.transforms is not None:
            sample = self.transforms(sample)
        return sample

    def _find_tiles(self, index: tuple[slice, slice, slice]) -> Rows:
        """Find the tiles that a query is for."""
        x, y, t = index
        tree = self._find()
        rows = tree.equal((x.start, y.start, x.stop, y.stop))
        rows = tree.during(rows, t.start, t.stop)[:: t.step]
        return rows[self._is_tile[rows]]

    @override
    def holds_tile(self, index: GeoSlice) -> bool:
        return len(self._find_tiles(self._disambiguate_slice(index))) > 0


def _resolution(grid: Grid, crs: CRS) -> tuple[float, float]:
    """Return the pixel size of a grid in a CRS."""
    a, e = grid.transform.a, grid.transform.e
    if grid.crs is None or crs == CRS.from_user_input(grid.crs):
        return a, -e
    transform, _, _ = calculate_default_transform(
        grid.crs, RIO_CRS.from_user_input(crs), grid.width, grid.height, *grid.bounds
    )
    return transform.a, -transform.e
