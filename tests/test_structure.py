# SPDX-License-Identifier: MIT
"""Tests of the structure of the package."""

import runpy
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / 'benchmarks/structure.py'


def test_structure() -> None:
    """Sizes of files, functions, classes and signatures, and what imports what."""
    _, problems = runpy.run_path(str(SCRIPT))['measure']()
    assert problems == []
