# SPDX-License-Identifier: MIT
"""Layers of answers on disk."""

import os
from pathlib import Path

from geopandas import GeoDataFrame

from ..storage import whole_file

#: How a file of a layer may end: GeoParquet, GeoPackage.
FORMATS = ('.parquet', '.gpkg')


def verify_format(path: str | os.PathLike[str]) -> None:
    """Raise a ValueError unless a path ends as that of a GeoParquet file or a GeoPackage."""
    if Path(path).suffix not in FORMATS:
        raise ValueError(
            f'the file must end in {" or ".join(FORMATS)}, got {os.fspath(path)!r}'
        )


def write_layer(layer: GeoDataFrame, path: str | os.PathLike[str]) -> None:
    """Write a layer so that the file appears when it is complete.

    Raise an OSError if it cannot be written, a ValueError if its name has another ending.
    """
    verify_format(path)
    try:
        with whole_file(path) as temporary:
            if temporary.suffix == '.gpkg':
                layer.to_file(temporary, layer='predictions', driver='GPKG')
            else:
                layer.to_parquet(temporary, index=False)
    except (OSError, RuntimeError) as error:  # pyogrio's are RuntimeErrors
        raise OSError(f'{path} cannot be written: {error}') from error
