# SPDX-License-Identifier: MIT
"""Tests of the names of the package of trainers."""

import pytest

from torchgeo_vqa import callbacks, prediction, trainers


@pytest.mark.parametrize(
    'name', ['DegradationTest', 'PredictionWriter', 'plot_explanation']
)
def test_old_names(name: str) -> None:
    room = prediction if name in prediction.__all__ else callbacks
    match = rf'trainers\.{name} is deprecated, use {room.__name__}\.{name}'
    with pytest.warns(DeprecationWarning, match=match):
        assert getattr(trainers, name) is getattr(room, name)


def test_no_such_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        trainers.Nothing  # noqa: B018
