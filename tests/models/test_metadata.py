# SPDX-License-Identifier: MIT
"""Tests of what a model knows of its data."""

import pytest

from torchgeo_vqa.models import Metadata

METADATA = Metadata(
    answers=('no', 'yes'),
    question_types=('existence',),
    groups=(),
    modalities=('optical',),
    sar_channels=0,
    image_size=None,
    statistics={'optical': {'mean': [0.0] * 3, 'std': [1.0] * 3}},
)


def test_round_trip() -> None:
    content = METADATA.to_dict()
    assert content['answers'] == ['no', 'yes']
    assert Metadata.from_dict(content | {'of a later version': 1}) == METADATA


def test_missing() -> None:
    content = METADATA.to_dict()
    del content['groups'], content['statistics']
    with pytest.raises(ValueError, match='lacks groups, statistics'):
        Metadata.from_dict(content)
