# SPDX-License-Identifier: MIT
"""Files of images and of a map of classes, as users name them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import yaml
from pyproj import CRS

from ..questions import ObjectLayer
from ..rasters.image_file import ImageFile
from ..rasters.zones import Zone, find_rasters, find_zones, read_header, verify_bands
from .mapvqa import MapVQA

#: What files may be of, in the order that their CRS and resolution are taken from.
LAYERS = ('optical', 'sar', 'labels', 'quality')

#: Path of a file or of a folder.
AnyPath = str | os.PathLike[str]


@dataclass
class OpenMaps:
    """Images and maps of one CRS, and the files of the first modality that have it."""

    dataset: MapVQA
    dtypes: dict[str, str]
    files: list[ImageFile] = field(repr=False)

    def origin(self, x: float, y: float) -> tuple[float, float] | None:
        """Return the upper left corner of the file that holds a point, None if there is none.

        Patches cut along it keep the pixels as they are.
        """
        for file in self.files:
            xmin, ymin, xmax, ymax = file.grid.bounds
            if xmin <= x <= xmax and ymin <= y <= ymax:
                return file.grid.transform.c, file.grid.transform.f
        return None


class MapSource:
    """Base class for what takes files of images and of a map of classes as options.

    These are the command ``torchgeo-vqa generate`` and
    :class:`~torchgeo_vqa.datamodules.MapVQADataModule`.
    """

    def __init__(
        self,
        *,
        labels: AnyPath,
        classes: AnyPath | dict[int, str],
        optical: AnyPath | None = None,
        sar: AnyPath | None = None,
        quality: AnyPath | None = None,
        objects: AnyPath | None = None,
        optical_bands: Sequence[int] | None = None,
        ignore: Sequence[int] = (),
        object_column: str = 'class',
        categories: Sequence[str] | None = None,
        urban_classes: Sequence[str] = (),
        max_nodata: float = 0.1,
        **kwargs: Any,
    ) -> None:
        """Initialize a new MapSource instance.

        Args:
            labels: Raster of class codes, or a folder of some.
            classes: Name of each code, such as {1: water, 2: trees}, or a YAML or JSON
                file that holds it.
            optical: Raster of the optical image, or a folder of some.
            sar: Raster of the SAR image, or a folder of some.
            quality: Raster of the optical image's state, or a folder of some: 0 is clear,
                1 cloudy, 2 dark.
            objects: Vector file of objects, points or outlines.
            optical_bands: Red, green and blue among the optical files' bands, counted
                from 1 (defaults to all bands, which must be three).
            ignore: Codes that mean that nothing is known, such as clouds.
            object_column: Column with the category of each object, in the singular.
            categories: Categories of objects that were looked for (defaults to those that
                occur).
            urban_classes: Names of the classes that make an area urban.
            max_nodata: Share of a patch without data above which it is left out.
            **kwargs: Arguments of the next class.

        Raises:
            FileNotFoundError: If a file does not exist.
            ValueError: If there are no images, or *classes* does not name codes.
        """
        if kwargs and type(self) is MapSource:
            raise TypeError(f'there is no option {", ".join(sorted(kwargs))}')
        super().__init__(**kwargs)
        if optical is None and sar is None:
            raise ValueError('name an optical or a SAR raster, or both')
        if categories is not None and objects is None:
            raise ValueError(f'categories {tuple(categories)} need objects, got none')
        paths = zip(LAYERS, (optical, sar, labels, quality), strict=True)
        #: Files of each of :data:`LAYERS`, and the file of objects.
        self.map_files = {name: find_rasters(path) for name, path in paths}
        self.map_files['objects'] = (
            () if objects is None else (str(Path(objects).resolve()),)
        )
        #: How the files are read.
        self.map_options: dict[str, Any] = {
            'classes': classes if isinstance(classes, dict) else read_classes(classes),
            'optical_bands': None if optical_bands is None else tuple(optical_bands),
            'ignore': tuple(ignore),
            'object_column': object_column,
            'categories': None if categories is None else tuple(categories),
            'urban_classes': tuple(urban_classes),
            'max_nodata': max_nodata,
        }

    def open_zones(self, question_types: Sequence[str] | None = None) -> list[OpenMaps]:
        """Open the files of each CRS of the images; raise a RuntimeError if there are none.

        Also an OSError if a file cannot be read, a ValueError if the files do not fit together.
        """
        zones = find_zones(self._read_headers())
        if not zones:
            raise RuntimeError(
                'images and labels have no location in common; are their coordinate '
                'reference systems right?'
            )
        return [self.open_maps(question_types, zone) for zone in zones]

    def open_maps(
        self,
        question_types: Sequence[str] | None = None,
        zone: Zone | None = None,
        **options: Any,
    ) -> OpenMaps:
        """Open files of a zone (defaults to all, in the CRS of the first image) as one dataset.

        Options are those of :class:`MapVQA`, which raises its errors.
        """
        if zone is None:
            files = {name: own for name, own in self._read_headers().items() if own}
            crs = next(iter(files.values()))[0].grid.crs
            zone = Zone(CRS.from_user_input(crs), files, shapely.Polygon())
        own = self.map_options
        bands = {}
        if (optical_bands := own['optical_bands']) is not None:
            for file in zone.files.get('optical', ()):
                verify_bands(file.path, file.count, optical_bands)
            bands['optical'] = optical_bands
        datasets = zone.open(bands, labels=('labels', 'quality'))
        objects = None
        if self.map_files['objects']:
            (path,) = self.map_files['objects']
            objects = ObjectLayer(path, own['object_column'], own['categories'])
        dataset = MapVQA(
            datasets.get('optical'),
            datasets.get('sar'),
            datasets['labels'],
            own['classes'],
            ignore=own['ignore'],
            objects=objects,
            quality=datasets.get('quality'),
            urban_classes=own['urban_classes'],
            question_types=question_types,
            max_nodata=own['max_nodata'],
            spatial_only=True,
            **options,
        )
        dtypes = {
            name: np.result_type(*(file.dtype for file in zone.files[name])).name
            for name in dataset.modalities
        }
        first = next(iter(zone.files.values()))
        return OpenMaps(dataset, dtypes, [f for f in first if zone.crs == f.grid.crs])

    def _read_headers(self) -> dict[str, list[ImageFile]]:
        """Read the headers of all files of each layer."""
        return {name: [read_header(p) for p in self.map_files[name]] for name in LAYERS}


def read_classes(path: AnyPath) -> dict[int, str]:
    """Read the name of each code from YAML or JSON, ``{1: water, 2: trees}`` or a list.

    Raise an OSError if the file cannot be read, a ValueError if it holds something else.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeError) as error:
        raise ValueError(f'{path} is neither YAML nor JSON: {error}') from error
    if isinstance(content, list):
        content = dict(enumerate(content))
    pairs = content.items() if isinstance(content, dict) else ()
    # JSON has only texts as keys
    good = [
        str(code).isdigit() and isinstance(name, str) and name.strip()
        for code, name in pairs
    ]
    if not good or not all(good):
        raise ValueError(
            f'{path} must name the code of each class, such as {{1: water, 2: trees}}, '
            f'got {content!r}'
        )
    return dict(sorted((int(c), n.strip()) for c, n in pairs))
