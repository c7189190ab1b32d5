# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Files of images and maps, opened as datasets of one CRS each."""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
import shapely
import yaml
from pyproj import CRS
from rasterio.errors import RasterioError
from rasterio.warp import transform_bounds
from torchgeo.datasets import RasterDataset

from ..datasets import MapVQA

#: Rasters that are looked for in a folder.
EXTENSIONS = ('.tif', '.tiff', '.vrt', '.jp2', '.img')

_WGS84 = 'EPSG:4326'


class LabelRaster(RasterDataset):
    """A raster of codes."""

    is_image = False


class _Header(NamedTuple):
    """What the header of a raster says.

    Attributes:
        path: The file.
        crs: Its coordinate reference system, as WKT.
        origin: Upper left corner.
        bounds: xmin, ymin, xmax, ymax.
        outline: Bounds in degrees.
        dtype: Type of its pixels.
        num_bands: Number of its bands.
    """

    path: str
    crs: str
    origin: tuple[float, float]
    bounds: tuple[float, float, float, float]
    outline: shapely.Polygon
    dtype: str
    num_bands: int


@dataclass(frozen=True)
class Maps:
    """Files of images and maps, and how to ask about them.

    It is small and hashable, so that workers open the files for themselves.

    Attributes:
        optical: Files of optical images.
        sar: Files of SAR images.
        labels: Files of the label map.
        quality: Files of the quality map.
        objects: Vector file of objects, if any.
        classes: Code and name of each class.
        optical_bands: Bands of the optical files, counted from 1; None takes all.
        ignore: Codes that mean that nothing is known.
        object_column: Column with the kind of each object.
        kinds: Kinds of objects that were looked for; None takes those that occur.
        urban_classes: Classes that make an area urban.
        question_types: Question types to ask; None asks all.
        max_nodata: Share of a patch that may be unknown.
    """

    optical: tuple[str, ...]
    sar: tuple[str, ...]
    labels: tuple[str, ...]
    quality: tuple[str, ...]
    objects: str | None
    classes: tuple[tuple[int, str], ...]
    optical_bands: tuple[int, ...] | None
    ignore: tuple[int, ...]
    object_column: str
    kinds: tuple[str, ...] | None
    urban_classes: tuple[str, ...]
    question_types: tuple[str, ...] | None
    max_nodata: float

    def open(self) -> 'list[OpenMaps]':
        """Open the files: those of each CRS of the images together.

        A dataset of TorchGeo has one CRS. Warping all images to that of the first would
        spoil the pixels of every other UTM zone.

        Returns:
            Datasets, one for each CRS.

        Raises:
            OSError: If a file cannot be read.
            RuntimeError: If the files have no place in common.
            ValueError: If they do not fit together.
        """
        layers = {
            name: [_header(path) for path in getattr(self, name)]
            for name in ('optical', 'sar', 'labels', 'quality')
        }
        first = layers['optical'] or layers['sar']
        zones: dict[str, list[_Header]] = defaultdict(list)
        for header in first:
            zones[header.crs].append(header)
        opened = [self._open_zone(zone, layers) for _, zone in sorted(zones.items())]
        maps = [zone for zone in opened if zone is not None]
        if not maps:
            raise RuntimeError(
                'images and labels have no place in common; are their coordinate '
                'reference systems right?'
            )
        return maps

    def _open_zone(
        self, zone: Sequence[_Header], layers: dict[str, list[_Header]]
    ) -> 'OpenMaps | None':
        """Open what lies where the images of one CRS are, None if something is missing."""
        area = shapely.union_all([header.outline for header in zone])
        crs = CRS.from_wkt(zone[0].crs)
        near = {
            name: [h for h in headers if h.outline.intersects(area)]
            for name, headers in layers.items()
        }
        # those of the other zones are asked about with their own
        near['optical' if layers['optical'] else 'sar'] = list(zone)
        if any(layers[name] and not near[name] for name in layers):
            return None
        datasets: dict[str, RasterDataset | None] = {}
        for name, headers in near.items():
            paths = [header.path for header in headers]
            kind = LabelRaster if name in ('labels', 'quality') else RasterDataset
            datasets[name] = kind(paths, crs=crs) if paths else None
        optical, labels = datasets['optical'], datasets['labels']
        if optical is not None and self.optical_bands is not None:
            _verify_bands(near['optical'], self.optical_bands)
            optical.band_indexes = list(self.optical_bands)
        assert labels is not None
        dataset = MapVQA(
            optical,
            datasets['sar'],
            labels,
            dict(self.classes),
            ignore=self.ignore,
            objects=self.objects,
            object_column=self.object_column,
            kinds=self.kinds,
            quality=datasets['quality'],
            urban_classes=self.urban_classes,
            question_types=self.question_types,
            max_nodata=self.max_nodata,
            spatial_only=True,
        )
        dtypes = {
            name: np.result_type(*(header.dtype for header in layers[name])).name
            for name in dataset.modalities
        }
        return OpenMaps(dataset, dtypes, list(zone))


@dataclass
class OpenMaps:
    """Maps and images of one CRS.

    Attributes:
        dataset: The dataset that asks about them.
        dtypes: Type of the pixels of each modality.
        headers: What the headers of the first modality's files say.
    """

    dataset: MapVQA
    dtypes: dict[str, str]
    headers: list[_Header] = field(repr=False)

    def origin(self, x: float, y: float) -> tuple[float, float] | None:
        """Corner of the file that holds a point: its pixels are to be kept as they are.

        Args:
            x: Coordinate of the point.
            y: Coordinate of the point.

        Returns:
            Coordinates of the file's upper left corner, or None if no file holds it.
        """
        for header in self.headers:
            xmin, ymin, xmax, ymax = header.bounds
            if xmin <= x <= xmax and ymin <= y <= ymax:
                return header.origin
        return None


def find_rasters(path: str | os.PathLike[str] | None) -> tuple[str, ...]:
    """List rasters.

    Args:
        path: A raster, a folder with some, or None.

    Returns:
        Their absolute paths.

    Raises:
        FileNotFoundError: If there is none.
    """
    if path is None:
        return ()
    root = Path(path)
    if root.is_dir():
        files = sorted(p for p in root.rglob('*') if p.suffix.lower() in EXTENSIONS)
    else:
        files = [root] if root.exists() else []
    if not files:
        raise FileNotFoundError(
            f'{path} is neither a raster nor a folder with one ({", ".join(EXTENSIONS)})'
        )
    return tuple(str(file.resolve()) for file in files)


def read_classes(path: str | os.PathLike[str]) -> tuple[tuple[int, str], ...]:
    """Read the names of classes.

    Args:
        path: YAML or JSON file, ``{1: water, 2: trees}``, or a list that names the codes 0,
            1, ...

    Returns:
        Code and name of each class.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it holds something else.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeError) as error:
        raise ValueError(f'{path} is neither YAML nor JSON: {error}') from error
    if isinstance(content, list):
        content = dict(enumerate(content))
    if not isinstance(content, dict) or not content:
        raise ValueError(
            f'{path} must name the code of each class, such as {{1: water, 2: trees}}, '
            f'got {content!r}'
        )
    classes = {}
    for code, name in content.items():
        # JSON has only texts as keys
        if not str(code).isdigit() or not isinstance(name, str) or not name.strip():
            raise ValueError(
                f'{path} must name the code of each class, such as {{1: water, 2: trees}}'
                f', got {code!r}: {name!r}'
            )
        classes[int(code)] = name.strip()
    return tuple(sorted(classes.items()))


def _header(path: str) -> _Header:
    """Read the header of a raster."""
    try:
        with rasterio.open(path) as src:
            if src.crs is None:
                raise ValueError(
                    f'{path} has no CRS; give it one, for example with `rio edit-info`'
                )
            outline = shapely.box(*transform_bounds(src.crs, _WGS84, *src.bounds))
            dtype = np.result_type(*src.dtypes).name
            wkt = src.crs.to_wkt(version='WKT2_2018')
            corner = src.transform.c, src.transform.f
            return _Header(path, wkt, corner, src.bounds, outline, dtype, src.count)
    except RasterioError as error:
        raise OSError(f'cannot read {path}: {error}') from error


def _verify_bands(headers: Sequence[_Header], bands: Sequence[int]) -> None:
    """Verify that optical files have the bands that are asked for."""
    for header in headers:
        if len(bands) != 3 or not all(1 <= band <= header.num_bands for band in bands):
            raise ValueError(
                f'optical_bands must be three of 1 to {header.num_bands}, the bands of '
                f'{header.path}, got {list(bands)}'
            )
