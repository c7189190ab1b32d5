# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Predictions on disk."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import geopandas
import pyarrow as pa
import pyarrow.parquet as pq
from geopandas import GeoDataFrame
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from lightning.pytorch.utilities import rank_zero_info

#: How a file of a layer may end: GeoParquet, GeoPackage.
FORMATS = ('.parquet', '.gpkg')


class PredictionWriter(BasePredictionWriter):
    """Writes a layer with one row per question: a GeoParquet file or a GeoPackage.

    Columns: ``location`` (name of the image), ``question_type``, ``question``, ``answer``
    (predicted), ``probability`` (of that answer), ``target`` (true answer), the weight
    of each expert, ``expert_weight_<name>``, and ``geometry``, the outline of the place
    in the dataset's CRS. With several devices, each writes a file of its own.
    """

    def __init__(self, filename: str = 'predictions.parquet') -> None:
        """Initialize a new PredictionWriter instance.

        Args:
            filename: Name of the file in the run's log folder, or a path. It ends in
                ``.parquet``, or in ``.gpkg`` for a GeoPackage.

        Raises:
            ValueError: If it ends in anything else.
        """
        super().__init__(write_interval='batch')
        verify_format(filename)
        self.filename = filename
        self.writer: pq.ParquetWriter | None = None
        self.path: Path | None = None

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Choose the file.

        Args:
            trainer: Trainer that predicts.
            pl_module: Task that predicts.
        """
        path = Path(trainer.log_dir or trainer.default_root_dir) / self.filename
        if trainer.world_size > 1:
            path = path.with_name(f'{path.stem}_rank{trainer.global_rank}{path.suffix}')
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path

    def write_on_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        prediction: Any,
        batch_indices: Sequence[int] | None,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Append the rows of a batch.

        Args:
            trainer: Trainer that predicts.
            pl_module: Task that predicts.
            prediction: Columns by name, output of ``predict_step``.
            batch_indices: Unused.
            batch: Unused.
            batch_idx: Unused.
            dataloader_idx: Unused.
        """
        table = _as_table(prediction)
        with self._writing():
            if self.writer is None:
                self.writer = pq.ParquetWriter(self._part, table.schema)
            self.writer.write_table(table)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the complete file its name.

        Args:
            trainer: Trainer that predicts.
            pl_module: Task that predicts.
        """
        if self.writer is not None and self.path is not None:
            with self._writing():
                self.writer.close()
            self.writer = None
            if self.path.suffix == '.gpkg':
                self._write_geopackage()
            else:
                os.replace(self._part, self.path)
            rank_zero_info(f'Predictions: {self.path}')

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Remove what is not complete.

        Args:
            trainer: Trainer that predicts.
            pl_module: Task that predicts.
            exception: What ends the prediction.
        """
        if self.writer is not None:
            self._discard()

    def _discard(self) -> None:
        """Remove what is not complete."""
        if self.writer is not None:
            with contextlib.suppress(OSError):
                self.writer.close()
        self.writer = None
        Path(self._part).unlink(missing_ok=True)

    @property
    def _part(self) -> str:
        """Name of the file until it is complete."""
        return f'{self.path}.part'

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Name the file where it cannot be written."""
        try:
            yield
        except OSError as error:
            self._discard()
            raise OSError(
                f'predictions cannot be written to {self._part}: {error}; make room, or '
                'name another file: PredictionWriter(filename)'
            ) from error

    def _write_geopackage(self) -> None:
        """Turn the complete file into a GeoPackage."""
        assert self.path is not None
        try:
            write_layer(geopandas.read_parquet(self._part), self.path)
        except OSError as error:
            raise OSError(
                f'{error}; nothing is lost, {self._part} is a GeoParquet file of all '
                'predictions'
            ) from error
        os.remove(self._part)


def verify_format(path: str | os.PathLike[str]) -> None:
    """Verify that a layer can be written to a file.

    Args:
        path: Path of the file.

    Raises:
        ValueError: If its name does not end as that of a GeoParquet file or a GeoPackage.
    """
    if Path(path).suffix not in FORMATS:
        raise ValueError(
            f'the file must end in {" or ".join(FORMATS)}, got {os.fspath(path)!r}'
        )


def write_layer(layer: GeoDataFrame, path: str | os.PathLike[str]) -> None:
    """Write a layer so that the file appears when it is whole.

    Args:
        layer: The layer.
        path: Path of the file, which ends in *.parquet* or *.gpkg*.

    Raises:
        OSError: If the file cannot be written.
        ValueError: If the path ends in anything else.
    """
    verify_format(path)
    target = Path(path)
    temporary = target.with_name(f'part-{target.name}')
    try:
        if target.suffix == '.gpkg':
            layer.to_file(temporary, layer='predictions', driver='GPKG')
        else:
            layer.to_parquet(temporary, index=False)
        os.replace(temporary, target)
    except (OSError, RuntimeError) as error:  # pyogrio's are RuntimeErrors
        raise OSError(f'{path} cannot be written: {error}') from error
    finally:
        temporary.unlink(missing_ok=True)


def _as_table(columns: Mapping[str, Any]) -> pa.Table:
    """Make a table, of GeoParquet if there is a geometry."""
    if 'geometry' not in columns:
        return pa.table(dict(columns))
    buffer = BytesIO()
    geopandas.GeoDataFrame(dict(columns)).to_parquet(buffer, index=False)
    table = pq.read_table(buffer)
    # What it says of the extent holds for this batch only
    geo = json.loads(table.schema.metadata[b'geo'])
    for column in geo['columns'].values():
        column.pop('bbox', None)
    metadata = {**table.schema.metadata, b'geo': json.dumps(geo).encode()}
    return table.replace_schema_metadata(metadata)
