# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Predictions on disk."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from lightning.pytorch.utilities import rank_zero_info


class PredictionWriter(BasePredictionWriter):
    """Writes one row per question to a Parquet file.

    Columns: ``place`` (name of the image), ``question_type``, ``question``, ``answer``
    (predicted), ``probability`` (of that answer), ``target`` (true answer), and the weight
    of each expert, ``expert_weight_<name>``. With several devices, each writes a file of
    its own.
    """

    def __init__(self, filename: str = 'predictions.parquet') -> None:
        """Initialize a new PredictionWriter instance.

        Args:
            filename: Name of the file in the run's log folder, or a path.
        """
        super().__init__(write_interval='batch')
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
        table = pa.table(prediction)
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
            self.writer.close()
            self.writer = None
            os.replace(self._part, self.path)
            rank_zero_info(f'Predictions: {self.path}')

    @property
    def _part(self) -> str:
        """Name of the file until it is complete."""
        return f'{self.path}.part'
