# SPDX-License-Identifier: MIT
"""Tests of which images a model uses."""

import pytest
import torch

from torchgeo_vqa.models.modality import channels_of, fill_absent, present_images

OPTICAL, SAR = torch.ones(2, 3, 4, 4), torch.ones(2, 1, 4, 4)


def test_channels_of() -> None:
    assert list(channels_of(('sar', 'optical'), 4).items()) == [
        ('optical', 3),
        ('sar', 4),
    ]
    for modalities in (('optical', 'radar'), ()):
        with pytest.raises(ValueError, match='modalities must be of'):
            channels_of(modalities, 2)


def test_present_images() -> None:
    assert list(present_images(OPTICAL, SAR, ('optical', 'sar'))) == ['optical', 'sar']
    assert list(present_images(OPTICAL, SAR, ('sar',))) == ['sar']
    assert list(present_images(None, SAR, ('optical', 'sar'))) == ['sar']
    with pytest.raises(ValueError, match=r"given \['image_optical'\]"):
        present_images(OPTICAL, None, ('sar',))
    with pytest.raises(ValueError, match='given no image'):
        present_images(None, None, ('optical', 'sar'))


def test_fill_absent() -> None:
    images = fill_absent(None, SAR, {'optical': 3, 'sar': 1})
    assert list(images) == ['optical', 'sar']
    assert images['optical'].shape == (2, 3, 4, 4)
    assert not images['optical'].any()
    assert images['sar'] is SAR
