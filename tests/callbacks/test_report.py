# SPDX-License-Identifier: MIT
"""Tests of the report of a run."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer

from torchgeo_vqa.callbacks.report import accuracies, print_report, write_report
from torchgeo_vqa.datamodules import OSVQADataModule
from torchgeo_vqa.metrics import VQAAccuracy
from torchgeo_vqa.trainers import VQATask

REPORT: dict[str, Any] = {
    'OA': 0.75,
    'AA': 0.5,
    'per_type': {'count': 0.25},
    'groups': {},
    'blind_OA': 0.5,
    'blind_AA': 0.25,
    'blind_per_type': {'count': 0.125},
    'blind_groups': {},
    'coverage': 0.875,
    'num_questions': 1234,
    'convention': 'counts in five ranges',
}


def test_accuracies() -> None:
    """Types and groups without a question are left out."""
    metric = VQAAccuracy(3, 2)
    metric.update(
        torch.tensor([1, 2, 3]),
        torch.tensor([1, 2, 4]),
        torch.tensor([0, 2, 2]),
        torch.tensor([0, 0, -1]),
    )
    dm: Any = SimpleNamespace(question_types=('a', 'b', 'c'), groups=('x', 'y'))
    assert accuracies(metric, dm) == {
        'OA': pytest.approx(2 / 3),
        'AA': 0.75,
        'per_type': {'a': 1.0, 'c': 0.5},
        'groups': {'x': 1.0},
    }


def test_print(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(REPORT, 'Test')
    printed = capsys.readouterr().out
    for text in (
        'Test, counts in five ranges (1,234 questions)',
        '0.7500',
        'count',
        '0.1250',
        '87.50% of the answers',
    ):
        assert text in ' '.join(printed.split())


def test_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / 'new' / 'test_metrics.json'
    write_report(REPORT, path)
    assert json.loads(path.read_text()) == REPORT
    assert path.read_text().startswith('{\n  "OA": 0.75,\n')
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert str(path) in capsys.readouterr().out


def test_sanity_check_is_not_reported(
    release_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A few batches before any training say nothing."""
    trainer = Trainer(
        max_steps=0,
        accelerator='cpu',
        default_root_dir=tmp_path,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(VQATask('tgfnet_tiny'), datamodule=OSVQADataModule(str(release_root)))
    assert 'Validation' not in capsys.readouterr().out
