# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Files of images and maps, opened as datasets of one CRS each."""

from collections.abc import Sequence

import shapely

from ..datasets.map_source import MapSource, OpenMaps
from ..rasters.header import by_crs


def open_zones(
    source: MapSource, question_types: Sequence[str] | None
) -> list[OpenMaps]:
    """Open the files: those of each CRS of the images together.

    Args:
        source: The files.
        question_types: Question types to ask; None asks all.

    Returns:
        Datasets, one for each CRS.

    Raises:
        OSError: If a file cannot be read.
        RuntimeError: If the files have no location in common.
        ValueError: If they do not fit together.
    """
    layers = source.read_headers()
    first = 'optical' if layers['optical'] else 'sar'
    maps = []
    for zone in by_crs(layers[first]):
        area = shapely.union_all([header.outline for header in zone])
        near = {
            name: [h for h in headers if h.outline.intersects(area)]
            for name, headers in layers.items()
        }
        # those of the other zones are asked about with their own
        near[first] = list(zone)
        if all(near[name] or not layers[name] for name in layers):
            maps.append(source.open_maps(question_types, near))
    if not maps:
        raise RuntimeError(
            'images and labels have no location in common; are their coordinate '
            'reference systems right?'
        )
    return maps
