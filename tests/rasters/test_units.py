# SPDX-License-Identifier: MIT
"""Tests of units, conversions, and of images that do not fit."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from torchgeo_vqa.rasters.units import (
    DB,
    EIGHT_BIT,
    REFLECTANCE,
    REFLECTANCE_DN,
    UNKNOWN,
    band_names,
    convert,
    guess_unit,
    inspect,
    mask_range,
    spec_of,
    verify_order,
    verify_scales,
)

SAR = {'mean': [-12.0, -18.0], 'std': [4.0, 4.0]}
OPTICAL = {'mean': [90.0, 80.0, 70.0], 'std': [40.0, 40.0, 40.0]}


def sar(size: int = 32) -> Tensor:
    """Backscatter in dB, (2, H, W), as in the training."""
    noise = torch.randn(2, size, size, generator=torch.Generator().manual_seed(0))
    return noise * 4 - torch.tensor([12.0, 18.0])[:, None, None]


def optical(size: int = 32) -> Tensor:
    """8-bit picture, (3, H, W), as in the training."""
    noise = torch.randn(3, size, size, generator=torch.Generator().manual_seed(1))
    return (noise * 40 + 80).clamp(0, 255).round()


def find(image: Tensor, modality: str = 'sar', size: int | None = None) -> Any:
    """Texts of what is found, and whether anything is refused."""
    numbers = SAR if modality == 'sar' else OPTICAL
    found = inspect(image, modality, spec_of(modality, numbers), numbers, size)
    return [f.text for f in found], any(f.refused for f in found)


class TestConvert:
    @pytest.mark.parametrize('factor', [('linear', 10), ('amplitude', 20)])
    def test_to_db(self, factor: tuple[str, float]) -> None:
        scale, number = factor
        linear = np.array([[[1.0, 0.1, 0.0, -1.0]]], np.float32)
        found = convert(torch.from_numpy(linear), scale, DB)[0, 0].tolist()
        assert found[:2] == pytest.approx([0.0, -number], abs=1e-5)
        assert all(math.isnan(x) for x in found[2:])

    @pytest.mark.parametrize(
        ('scale', 'value', 'unit', 'expected'),
        [
            ('sentinel2-l2a', 1500.0, EIGHT_BIT, 127.5),
            ('sentinel2-l2a-offset', 2500.0, EIGHT_BIT, 127.5),
            ('sentinel2-l2a', 9000.0, EIGHT_BIT, 255.0),
            ('reflectance', 0.15, EIGHT_BIT, 127.5),
            ('8bit', 127.5, REFLECTANCE, 0.15),
            ('8bit', 255.0, REFLECTANCE_DN, 3000.0),
            ('sentinel2-l2a-offset', 2500.0, None, 1500.0),
            (None, 7.0, EIGHT_BIT, 7.0),
        ],
    )
    def test_optical(
        self, scale: str | None, value: float, unit: str | None, expected: float
    ) -> None:
        found = convert(torch.full((1, 1, 1), value), scale, unit)
        assert float(found) == pytest.approx(expected, rel=1e-5)

    def test_impossible(self) -> None:
        with pytest.raises(ValueError, match='cannot be converted to unknown'):
            convert(torch.zeros(1, 1, 1), 'reflectance', UNKNOWN)

    def test_unknown_scale(self) -> None:
        with pytest.raises(ValueError, match=r"sar_scale must be one of.*'linear'"):
            verify_scales({'sar': 'power', 'optical': None})
        with pytest.raises(ValueError, match='optical_scale must be one of'):
            verify_scales({'optical': 'linear'})
        assert verify_scales({'optical': None, 'sar': 'dB'}) == {'sar': 'dB'}


@pytest.mark.parametrize(
    ('modality', 'low', 'high', 'unit'),
    [
        ('sar', -30, 8, DB),
        ('sar', 0, 3.2, 'linear power'),
        ('sar', 0, 255, EIGHT_BIT),
        ('sar', -9999, 8, UNKNOWN),
        ('optical', 0, 255, EIGHT_BIT),
        ('optical', 0.01, 0.9, REFLECTANCE),
        ('optical', 0, 9000, REFLECTANCE_DN),
        ('optical', -2.5, 3, UNKNOWN),
    ],
)
def test_guess(modality: str, low: float, high: float, unit: str) -> None:
    assert guess_unit(modality, low, high) == unit


class TestInspect:
    def test_as_in_training(self) -> None:
        assert find(sar()) == ([], False)
        assert find(optical(), 'optical') == ([], False)
        # A quiet sea
        assert find(sar() / 8 - 20) == ([], False)

    @pytest.mark.parametrize(
        ('image', 'modality', 'match', 'refused'),
        [
            (10 ** (sar() / 10), 'sar', 'no value is below 0 dB', False),
            (10 ** (sar() / 20), 'sar', 'no value is below 0 dB', False),
            (100 * sar(), 'sar', 'sar_scale = one of dB, linear', True),
            (optical() / 255, 'optical', 'which look like reflectance', False),
            (optical() * 40, 'optical', 'look like reflectance x 10,000', True),
            (optical() * 16, 'optical', 'optical_scale = one of', True),
            (optical() * 0 + 7, 'optical', 'shows nothing: all pixels are 7', False),
            (sar() * 0, 'sar', 'shows nothing: all pixels are 0', False),
            (torch.full((2, 4, 4), torch.nan), 'sar', 'the SAR image has no data', 0),
            (sar() - 40, 'sar', 'band 1 has mean', False),
            ((sar() * 6 + 75).clamp(-99, 59), 'sar', 'standard deviation', False),
        ],
    )
    def test_unlike(
        self, image: Tensor, modality: str, match: str, refused: bool
    ) -> None:
        texts, is_refused = find(image, modality)
        assert len(texts) == 1
        assert match in texts[0]
        assert is_refused == refused

    def test_single_value_out_of_range(self) -> None:
        image = sar()
        image[0, 0, 0] = 1e38
        texts, refused = find(image)
        assert texts == [
            '1 values of the SAR image cannot be dB (up to 1e+38) and count as no data'
        ]
        assert not refused
        masked = mask_range(image, DB)
        assert masked.isnan().sum() == 1
        assert torch.equal(masked.nan_to_num(1e38), image)

    def test_missing_pixels(self) -> None:
        image = sar()
        image[:, :8] = torch.nan
        assert find(image)[0] == ['25% of the SAR image has no data']
        image[:, 3:8] = -12
        assert find(image)[0] == []

    @pytest.mark.parametrize(
        ('shape', 'match'),
        [
            ((640, 640), 'reduced 40 times'),
            ((1, 1), 'enlarged 16 times'),
            ((16, 80), 'made a square'),
            ((16, 16), None),
        ],
    )
    def test_size(self, shape: tuple[int, int], match: str | None) -> None:
        image = sar(640)[:, : shape[0], : shape[1]]
        texts, _ = find(image, size=16)
        assert bool(texts) == (match is not None)
        assert match is None or match in texts[0]

    def test_large_images_are_sampled(self) -> None:
        """A large image is looked at as quickly as a small one, and as well."""
        image = sar(64).repeat(1, 64, 64)
        assert find(image)[0] == []
        assert find(image * 100)[1]


class TestBands:
    @pytest.mark.parametrize(
        ('descriptions', 'names'),
        [
            (['B04', 'B03', 'B02'], ('red', 'green', 'blue')),
            (['Sigma0_VV', 'Sigma0_VH'], ('VV', 'VH')),
            (['Blue', None, 'band 3'], ('blue', '', '')),
        ],
    )
    def test_names(self, descriptions: list[str], names: tuple[str, ...]) -> None:
        assert band_names(descriptions) == names

    def test_order(self) -> None:
        verify_order('a.tif', 'sar', ('VV', 'VH'))
        verify_order('a.tif', 'optical', ('blue', '', 'red'))
        verify_order('a.tif', 'sar', ('VH',))
        with pytest.raises(ValueError, match=r'a\.tif are VH, VV, expected VV, VH'):
            verify_order('a.tif', 'sar', ('VH', 'VV'))
        with pytest.raises(ValueError, match='optical_bands 3 2 1'):
            verify_order('a.tif', 'optical', ('blue', 'green', 'red'))
