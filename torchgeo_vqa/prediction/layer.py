# SPDX-License-Identifier: MIT
"""Layers of answers on disk."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from geopandas import GeoDataFrame, list_layers, read_file

from ..storage import locked, whole_file

#: How a file of a layer may end: GeoParquet, GeoPackage.
FORMATS = ('.parquet', '.gpkg')

# Its name in a GeoPackage
_LAYER = 'predictions'


def verify_format(path: str | os.PathLike[str]) -> None:
    """Raise a ValueError unless a path ends as that of a GeoParquet file or a GeoPackage."""
    if Path(path).suffix not in FORMATS:
        raise ValueError(
            f'the file must end in {" or ".join(FORMATS)}, got {os.fspath(path)!r}'
        )


@contextlib.contextmanager
def reserved(path: str | os.PathLike[str]) -> Iterator[None]:
    """Keep the file of a layer for this process before there is anything to write.

    Only a layer of answers is replaced. Raise a ValueError if the file's name has another
    ending, a FileExistsError if it is something else, a BlockingIOError if another process
    has it, an OSError if it cannot be written.
    """
    verify_format(path)
    with locked(path):
        if os.path.lexists(path) and not _is_layer(Path(path)):
            raise FileExistsError(
                f'{path} exists and is no layer of answers; remove it, or name another '
                'file'
            )
        yield


def _is_layer(path: Path) -> bool:
    """Tell whether a file is a layer of answers, and nothing else."""
    try:
        if path.suffix == '.parquet':
            names = pq.read_schema(path).names
        elif list_layers(path)['name'].tolist() == [_LAYER]:
            names = read_file(path, rows=0).columns
        else:
            return False
    except (OSError, RuntimeError, pa.ArrowException):
        return False
    return {'question', 'answer', 'probability'} <= {*names}


def write_layer(layer: GeoDataFrame, path: str | os.PathLike[str]) -> None:
    """Write a layer so that the file appears when it is complete.

    Raise an OSError if it cannot be written, a ValueError if its name has another ending.
    """
    verify_format(path)
    try:
        with whole_file(path) as temporary:
            if temporary.suffix == '.gpkg':
                layer.to_file(temporary, layer=_LAYER, driver='GPKG')
            else:
                layer.to_parquet(temporary, index=False)
    except (OSError, RuntimeError) as error:  # pyogrio's are RuntimeErrors
        raise OSError(f'{path} cannot be written: {error}') from error
