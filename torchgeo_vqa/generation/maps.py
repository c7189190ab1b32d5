# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Files of images and maps, opened as datasets of one CRS each."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

from ..datasets import MapVQA
from ..rasters.image_file import ImageFile
from ..rasters.zones import Zone, find_zones, read_header, verify_bands


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
        maps = [self._open_zone(zone) for zone in find_zones(layers)]
        if not maps:
            raise RuntimeError(
                'images and labels have no place in common; are their coordinate '
                'reference systems right?'
            )
        return maps

    def _open_zone(self, zone: Zone) -> 'OpenMaps':
        """Open the files of a zone."""
        bands = {}
        if self.optical_bands is not None:
            for file in zone.files.get('optical', ()):
                verify_bands(file.path, file.count, self.optical_bands)
            bands['optical'] = self.optical_bands
        datasets = zone.open(bands, labels=('labels', 'quality'))
        dataset = MapVQA(
            datasets.get('optical'),
            datasets.get('sar'),
            datasets['labels'],
            dict(self.classes),
            ignore=self.ignore,
            objects=self.objects,
            object_column=self.object_column,
            kinds=self.kinds,
            quality=datasets.get('quality'),
            urban_classes=self.urban_classes,
            question_types=self.question_types,
            max_nodata=self.max_nodata,
            spatial_only=True,
        )
        dtypes = {
            name: np.result_type(*(file.dtype for file in zone.files[name])).name
            for name in dataset.modalities
        }
        return OpenMaps(dataset, dtypes, zone.first)


@dataclass
class OpenMaps:
    """Maps and images of one CRS.

    Attributes:
        dataset: The dataset that asks about them.
        dtypes: Type of the pixels of each modality.
        files: Files of the first modality.
    """

    dataset: MapVQA
    dtypes: dict[str, str]
    files: list[ImageFile] = field(repr=False)

    def origin(self, x: float, y: float) -> tuple[float, float] | None:
        """Corner of the file that holds a point: its pixels are to be kept as they are.

        Args:
            x: Coordinate of the point.
            y: Coordinate of the point.

        Returns:
            Coordinates of the file's upper left corner, or None if no file holds it.
        """
        for file in self.files:
            xmin, ymin, xmax, ymax = file.grid.bounds
            if xmin <= x <= xmax and ymin <= y <= ymax:
                return file.grid.transform.c, file.grid.transform.f
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
