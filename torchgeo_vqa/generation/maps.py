# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Files of images and maps, opened as datasets of one CRS each."""

from collections.abc import Sequence

from ..datasets.map_source import MapSource, OpenMaps


def open_zones(
    source: MapSource, question_types: Sequence[str] | None
) -> list[OpenMaps]:
    """Open the files: a dataset for each CRS of the images.

    Raise an OSError if a file cannot be read, a RuntimeError if the files have no location in
    common, a ValueError if they do not fit together.
    """
    maps = [source.open_maps(question_types, zone) for zone in source.find_zones()]
    if not maps:
        raise RuntimeError(
            'images and labels have no location in common; are their coordinate '
            'reference systems right?'
        )
    return maps
