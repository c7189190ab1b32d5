# SPDX-License-Identifier: MIT
"""Coverage of a dataset of raster files: where it has data."""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import shapely
import torch
from geopandas import GeoDataFrame, GeoSeries
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.features import geometry_mask
from rasterio.transform import from_origin
from shapely.geometry.base import BaseGeometry
from torch import Tensor
from torchgeo.datasets import GeoDataset

from .image_file import ImageFile
from .zones import ImageRaster

Query = tuple[slice, slice, slice]

# Points on each side of a file's outline, which another CRS bends
_POINTS = 32


class _Coverage(NamedTuple):
    """Where a file has data: its outline in a CRS, None if the file does not tell.

    *blur* is the side of its pixels in that CRS if its own is another, else 0.
    """

    outline: BaseGeometry | None = None
    blur: float = 0.0
    nodata: float | None = None
    dtype: str | None = None


@lru_cache(maxsize=4096)
def _coverage(path: str, crs: CRS) -> _Coverage:
    """Find where a file has data, in a CRS."""
    try:
        file = ImageFile.open(path)
    except (OSError, ValueError):
        return _Coverage()
    grid = file.grid
    if grid.crs is None or grid.transform.is_identity:
        return _Coverage(nodata=file.nodata, dtype=file.dtype)
    outline, own = grid.outline, CRS.from_wkt(grid.crs.to_wkt())
    if own == crs:
        return _Coverage(outline, nodata=file.nodata, dtype=file.dtype)
    outline = shapely.segmentize(outline, outline.length / 4 / _POINTS)
    outline = GeoSeries([outline], crs=own).to_crs(crs).iloc[0]
    pixel = outline.area / (grid.width * grid.height)
    return _Coverage(outline, math.sqrt(pixel), file.nodata, file.dtype)


def _rows(dataset: GeoDataset, query: Query) -> GeoDataFrame:
    """Return the rows of a dataset's index that TorchGeo reads for a query."""
    x, y, t = query
    index = dataset.index
    times = index.index
    during = np.flatnonzero((times.left <= t.stop) & (times.right > t.start))[:: t.step]
    box = shapely.box(x.start, y.start, x.stop, y.stop)
    touching = index.sindex.query(box, predicate='intersects')
    return index.iloc[np.intersect1d(during, touching)]


class Gaps(NamedTuple):
    """Mask of the pixels that no file reaches, (H, W), and values that stand for no data.

    *picture* tells that all files hold 8-bit pictures.
    """

    outside: NDArray[np.bool_]
    nodata: set[float]
    picture: bool = False


def find_gaps(dataset: GeoDataset, query: Query, shape: tuple[int, int]) -> Gaps:
    """Find where a dataset has no data within a complete query of *shape* (H, W).

    TorchGeo fills pixels that no file reaches like data. They lie where files end, and in
    the corners of files warped from another CRS. A ``nodata`` of the dataset overrides that
    of its files.
    """
    x, y, _ = query
    rows = _rows(dataset, query)
    outlines: list[BaseGeometry] = list(rows.geometry)
    nodata: set[float] = set()
    dtypes: set[str | None] = set()
    own = getattr(dataset, 'nodata', None)
    for i, path in enumerate(rows.get('filepath', ())):
        file = _coverage(str(path), dataset.crs)
        if file.nodata is not None:
            nodata.add(file.nodata)
        dtypes.add(file.dtype)
        if file.outline is not None:
            outlines[i] = file.outline
            if file.blur and file.nodata is None and own is None:
                # TorchGeo warps in two steps: the last pixel of a file may have nothing
                # in it, and no value that says so
                shrinkage = 1.5 * max(file.blur, x.step, y.step)
                outlines[i] = file.outline.buffer(-shrinkage)
    if own is not None:
        nodata = {float(own)}
    picture = dtypes == {'uint8'}
    # of pixels, whose centres count
    left, right = x.start + x.step / 2, x.stop - x.step / 2
    bottom, top = y.start + y.step / 2, y.stop - y.step / 2
    patch = shapely.box(left, bottom, right, top)
    if any(outline.covers(patch) for outline in outlines):
        return Gaps(np.zeros(shape, bool), nodata, picture)
    outlines = [outline for outline in outlines if not outline.is_empty]
    if not outlines:
        return Gaps(np.ones(shape, bool), nodata, picture)
    transform = from_origin(x.start, y.stop, x.step, y.step)
    outside = np.asarray(geometry_mask(outlines, shape, transform))
    return Gaps(outside, nodata, picture)


def read_image(dataset: GeoDataset, query: Query) -> Tensor:
    """Read the image of a complete query, (C, H, W) float32, NaN where there is no data.

    Datasets of the package know where that is. In those of others, bands have no data where no
    file reaches, and by the rule of :class:`ImageFile`. What is no image of one time is
    returned as it is.
    """
    image: Tensor = dataset[query]['image'].float()
    if isinstance(dataset, ImageRaster) or image.ndim != 3:
        return image
    gaps = find_gaps(dataset, query, (image.shape[1], image.shape[2]))
    missing = ~image.isfinite()
    for value in gaps.nodata:
        same = image == value
        missing |= same.all(dim=0) if gaps.picture else same
    return image.masked_fill(missing | torch.from_numpy(gaps.outside), torch.nan)
