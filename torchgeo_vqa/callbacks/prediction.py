# SPDX-License-Identifier: MIT
"""Predictions on disk."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, override

import geopandas
import pyarrow as pa
import pyarrow.parquet as pq
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from lightning.pytorch.utilities import rank_zero_info

from ..prediction.layer import reserved, verify_format, write_layer
from ..storage import scratch_folder, verify_free, whole_file
from .report import log_folder


class PredictionWriter(BasePredictionWriter):
    """Writes a layer with one row per question: a GeoParquet file or a GeoPackage.

    Columns: ``location`` (name of the image), ``question_type``, ``question``, ``answer``
    (predicted), ``probability`` (of that answer), ``target`` (true answer), the weight
    of each expert, ``expert_weight_<name>``, and ``geometry``, the outline of the location
    in the dataset's CRS. With several devices, each writes a file of its own.
    """

    def __init__(self, filename: str = 'predictions.parquet') -> None:
        """Initialize a new PredictionWriter instance.

        Args:
            filename: Name of the file in the run's log folder, or a path. It ends in
                ``.parquet``, or in ``.gpkg`` for a GeoPackage; else it is a ValueError.
        """
        super().__init__(write_interval='batch')
        verify_format(filename)
        self.filename = filename
        self._path = self._temporary = Path(filename)
        self._writer: pq.ParquetWriter | None = None
        # Closes the writer, then gives the file its name, or removes it after an error
        self._file = contextlib.ExitStack()

    @override
    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        path = log_folder(trainer) / self.filename
        if trainer.world_size > 1:
            path = path.with_name(f'{path.stem}_rank{trainer.global_rank}{path.suffix}')
        self._path = path
        self._file.enter_context(reserved(path))
        if path.suffix == '.gpkg':
            verify_free(self._kept)

    @property
    def _kept(self) -> Path:
        """Path of the Parquet file that is left if no GeoPackage can be made of it."""
        return Path(f'{self._path}.parquet')

    @override
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
        """Append the rows of a batch: *prediction* holds the columns by name."""
        table = _as_table(prediction)
        with self._writing():
            if self._writer is None:
                context = (
                    whole_file if self._path.suffix == '.parquet' else scratch_folder
                )
                self._temporary = self._file.enter_context(context(self._path))
                if self._temporary.is_dir():
                    self._temporary /= self._kept.name
                writer = pq.ParquetWriter(self._temporary, table.schema)
                self._writer = self._file.enter_context(writer)
            self._writer.write_table(table)

    @override
    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with self._writing():
                writer.close()
            if self._path.suffix == '.gpkg':
                self._write_geopackage()
        with self._writing():
            self._file.close()
        if writer is not None:
            rank_zero_info(f'Predictions: {self._path}')

    def _write_geopackage(self) -> None:
        """Make a GeoPackage of the Parquet file."""
        try:
            write_layer(geopandas.read_parquet(self._temporary), self._path)
        except OSError as error:
            self._temporary.rename(self._kept)
            raise OSError(
                f'{error}; nothing is lost, {self._kept} is a GeoParquet file of all '
                'predictions'
            ) from error

    @override
    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        self._discard(exception)

    def _discard(self, error: BaseException) -> None:
        """Remove the file if it is not complete."""
        self._writer = None
        with contextlib.suppress(OSError):
            self._file.__exit__(type(error), error, error.__traceback__)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Name the file where it cannot be written."""
        try:
            yield
        except OSError as error:
            self._discard(error)
            raise OSError(
                f'predictions cannot be written to {self._path}: {error}; make room, or '
                'name another file: PredictionWriter(filename)'
            ) from error


def _as_table(columns: Mapping[str, Any]) -> pa.Table:
    """Make a table, of GeoParquet if there is a geometry."""
    if 'geometry' not in columns:
        return pa.table(dict(columns))
    buffer = BytesIO()
    geopandas.GeoDataFrame(dict(columns)).to_parquet(buffer, index=False)
    table = pq.read_table(buffer)
    # Its extent is that of this batch only
    geo = json.loads(table.schema.metadata[b'geo'])
    for column in geo['columns'].values():
        column.pop('bbox', None)
    metadata = {**table.schema.metadata, b'geo': json.dumps(geo).encode()}
    return table.replace_schema_metadata(metadata)
