# SPDX-License-Identifier: MIT
"""Maps to generate datasets from."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def arguments(maps_root: Path) -> dict[str, Any]:
    """What makes a small dataset of the two places."""
    return {
        'optical': maps_root / 'optical',
        'sar': maps_root / 'sar',
        'labels': maps_root / 'labels',
        'classes': maps_root / 'classes.yaml',
        'patch_size': 32,
        'block_size': 48,
        'num_patches': 24,
        'num_workers': 1,
    }
