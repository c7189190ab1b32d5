# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Reports of an evaluation: the table on screen and the numbers on disk."""

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from torch import Tensor


def as_report(
    results: dict[str, Tensor],
    blind: dict[str, Tensor],
    question_types: tuple[str, ...],
    groups: tuple[str, ...],
    coverage: float,
    convention: str = '',
) -> dict[str, Any]:
    """Name the numbers of an evaluation.

    Args:
        results: Output of :meth:`~torchgeo_vqa.metrics.VQAAccuracy.compute`.
        blind: The same for answers given without looking at the images.
        question_types: Names of the question types.
        groups: Names of the groups of images.
        coverage: Share of questions whose answer is in the vocabulary.
        convention: How published answers are read, such as 'counts in five ranges'.

    Returns:
        The numbers by name; types and groups without a question are left out.
    """

    def named(names: tuple[str, ...], values: Tensor) -> dict[str, float]:
        pairs = zip(names, values.tolist(), strict=True)
        return {name: value for name, value in pairs if not math.isnan(value)}

    return {
        'OA': results['OA'].item(),
        'AA': results['AA'].item(),
        'per_type': named(question_types, results['per_type']),
        'groups': named(groups, results['groups']),
        'blind_OA': blind['OA'].item(),
        'blind_AA': blind['AA'].item(),
        'blind_per_type': named(question_types, blind['per_type']),
        'blind_groups': named(groups, blind['groups']),
        'coverage': coverage,
        'num_questions': int(results['num_questions']),
        'convention': convention,
    }


def print_report(report: dict[str, Any], title: str) -> None:
    """Print a report as a table.

    Args:
        report: Output of :func:`as_report`.
        title: Title of the table.
    """
    if report['convention']:
        title = f'{title}, {report["convention"]}'
    table = Table(title=f'{title} ({report["num_questions"]:,} questions)')
    table.add_column('accuracy')
    table.add_column('model', justify='right')
    table.add_column('blind', justify='right')
    for name, label in (('OA', 'OA, all questions'), ('AA', 'AA, mean over types')):
        table.add_row(label, f'{report[name]:.4f}', f'{report[f"blind_{name}"]:.4f}')
    for key in ('groups', 'per_type'):
        if report[key]:
            table.add_section()
        for name, value in report[key].items():
            table.add_row(name, f'{value:.4f}', f'{report[f"blind_{key}"][name]:.4f}')
    console = Console()
    # Without a terminal, rich assumes 80 columns, which is enough
    console.print(table)
    console.print(
        'blind: the most frequent training answer to the same question text. '
        f'{report["coverage"]:.2%} of the answers are in the vocabulary.'
    )
    sys.stdout.flush()


def write_report(report: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Write a report as JSON, whole or not at all.

    Args:
        report: Output of :func:`as_report`.
        path: File to write.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f'{path.name}.part')
    part.write_text(json.dumps(report, indent=2) + '\n', encoding='utf-8')
    os.replace(part, path)
