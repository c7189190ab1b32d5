# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Files of images and maps, opened as datasets of one CRS each."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import shapely
import yaml
from pyproj import CRS
from torchgeo.datasets import RasterDataset

from ..datasets import MapVQA
from ..rasters.header import RasterHeader, by_crs, read_header, verify_bands


class LabelRaster(RasterDataset):
    """A raster of codes."""

    is_image = False


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

        Returns:
            Datasets, one for each CRS.

        Raises:
            OSError: If a file cannot be read.
            RuntimeError: If the files have no place in common.
            ValueError: If they do not fit together.
        """
        layers = {
            name: [read_header(path) for path in getattr(self, name)]
            for name in ('optical', 'sar', 'labels', 'quality')
        }
        first = layers['optical'] or layers['sar']
        opened = [self._open_zone(zone, layers) for zone in by_crs(first)]
        maps = [zone for zone in opened if zone is not None]
        if not maps:
            raise RuntimeError(
                'images and labels have no place in common; are their coordinate '
                'reference systems right?'
            )
        return maps

    def _open_zone(
        self, zone: Sequence[RasterHeader], layers: dict[str, list[RasterHeader]]
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
            for header in near['optical']:
                verify_bands(header.path, header.num_bands, self.optical_bands)
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
            kinds=self.categories,
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
    headers: list[RasterHeader] = field(repr=False)

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
