# SPDX-License-Identifier: MIT
"""Scenes that all tests look at."""

import numpy as np
import pytest

from torchgeo_vqa.questions import Scene
from torchgeo_vqa.synthetic.landscape import make_scene


@pytest.fixture(scope='session')
def scenes() -> list[Scene]:
    return [make_scene(np.random.default_rng((1, i))) for i in range(150)]
