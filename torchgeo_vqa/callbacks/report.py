# SPDX-License-Identifier: MIT
"""Report of a run: tables on screen, numbers on disk, and the next command."""

import json
import math
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, override

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.table import Table
from torch import Tensor

from ..datamodules import VQADataModule
from ..metrics import VQAAccuracy
from ..storage import write_text
from .data import data_module

TITLES = {'test': 'Test', 'val': 'Validation'}


class EvaluationReport(Callback):
    """Prints the accuracies of a run of :class:`~torchgeo_vqa.trainers.VQATask`.

    Those of the test are written to ``test_metrics.json`` in the run's log folder, too.
    After a training, it prints the command that tests the best checkpoint.
    """

    def __init__(self) -> None:
        """Initialize a new EvaluationReport instance."""
        super().__init__()
        self._reports: dict[str, dict[str, Any]] = {}

    # Lightning calls the task's own hooks later, which reset the metrics

    @override
    def on_validation_epoch_end(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> None:
        if not trainer.sanity_checking:  # a few batches, before any training
            self._reports['val'] = as_report(trainer, pl_module, 'val')

    @override
    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._reports['test'] = as_report(trainer, pl_module, 'test')

    @override
    def teardown(
        self, trainer: Trainer, pl_module: LightningModule, stage: str
    ) -> None:
        """Report after the progress bar has had its last word."""
        folder = log_folder(trainer)
        if trainer.is_global_zero:
            for split, title in TITLES.items():
                if report := self._reports.get(split):
                    print_report(report, title)
                if report and split == 'test':
                    write_report(report, folder / 'test_metrics.json')
            if stage == 'fit' and (best := print_checkpoint(trainer)):
                config = folder / 'config.yaml'
                if config.exists():  # the run was started from the command line
                    command = ['torchgeo', 'test', '--config', os.path.relpath(config)]
                    print(f'Test it: {shlex.join([*command, "--ckpt_path", best])}')
        self._reports.clear()


def as_report(trainer: Trainer, task: Any, split: Any) -> dict[str, Any]:
    """Name the numbers of an evaluation of 'val' or 'test', of all processes together."""
    dm = data_module(trainer)
    metric, blind = task.metrics[split], task.metrics[f'{split}_blind']
    return {
        **accuracies(metric, dm),
        **{f'blind_{name}': value for name, value in accuracies(blind, dm).items()},
        'coverage': dm.dataset_for(split).coverage,
        'num_questions': int(metric.compute()['num_questions']),
        'convention': dm.convention,
    }


def accuracies(metric: VQAAccuracy, dm: VQADataModule) -> dict[str, Any]:
    """Name the accuracies of a metric; types and groups without a question are left out."""
    results = metric.compute()

    def named(names: Sequence[str], values: Tensor) -> dict[str, float]:
        # torchmetrics makes a scalar of a single value
        pairs = zip(names, values.reshape(-1).tolist(), strict=True)
        return {name: value for name, value in pairs if not math.isnan(value)}

    return {
        'OA': results['OA'].item(),
        'AA': results['AA'].item(),
        'per_type': named(dm.question_types, results['per_type']),
        'groups': named(dm.groups, results['groups']),
    }


def print_report(report: Mapping[str, Any], title: str) -> None:
    """Print the content of ``test_metrics.json`` as a table."""
    if report['convention']:
        title = f'{title}, {report["convention"]}'
    title = f'{title} ({report["num_questions"]:,} questions)'
    table = Table('accuracy', title=title)
    for name in ('model', 'blind'):
        table.add_column(name, justify='right')
    for name, label in (('OA', 'OA, all questions'), ('AA', 'AA, mean over types')):
        table.add_row(label, f'{report[name]:.4f}', f'{report[f"blind_{name}"]:.4f}')
    for key in ('groups', 'per_type'):
        if report[key]:
            table.add_section()
        for name, value in report[key].items():
            table.add_row(name, f'{value:.4f}', f'{report[f"blind_{key}"][name]:.4f}')
    print_table(
        table,
        'blind: the most frequent training answer to the same question text. '
        f'{report["coverage"]:.2%} of the answers are in the vocabulary.',
    )


def print_table(table: Table, note: str = '') -> None:
    """Print a table with a note below it."""
    console = Console()
    # Without a terminal, rich assumes 80 columns, which is enough
    console.print(table)
    if note:
        console.print(note)
    sys.stdout.flush()


def write_report(report: Mapping[str, Any], path: Path) -> None:
    """Write a report as JSON, and print where it is."""
    write_text(path, json.dumps(report, indent=2) + '\n')
    print(f'Metrics: {path}')


def print_checkpoint(trainer: Trainer) -> str:
    """Print the path of the best checkpoint, and return it; empty if there is none."""
    best = getattr(trainer.checkpoint_callback, 'best_model_path', '')
    if best:
        best = os.path.relpath(best)
        print(f'Checkpoint: {best}')
    return str(best)


def log_folder(trainer: Trainer) -> Path:
    """Return the folder of a run. Every process must ask for it, or others wait."""
    return Path(trainer.log_dir or trainer.default_root_dir)
