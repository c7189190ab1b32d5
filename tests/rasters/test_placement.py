# SPDX-License-Identifier: MIT
"""Tests of the placement of images."""

from datetime import datetime
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError
from rasterio.transform import array_bounds

from torchgeo_vqa.rasters.placement import acquisition_time, engineering_crs, lay_out


class TestEngineeringCRS:
    def test_no_way_to_the_earth(self, tmp_path: Path) -> None:
        crs = engineering_crs(tmp_path)
        assert crs.is_engineering
        with pytest.raises(ProjError):
            Transformer.from_crs(crs, CRS.from_epsg(32633))

    def test_one_for_each_folder(self, tmp_path: Path) -> None:
        a, b = tmp_path / 'a', tmp_path / 'x/a'
        assert engineering_crs(a) == engineering_crs(tmp_path / 'x/../a')
        assert engineering_crs(a) != engineering_crs(b)


class TestLayOut:
    def test_no_two_images_touch(self) -> None:
        sizes = [(8, 16), (16, 8), (5, 5)] * 30
        boxes = [
            array_bounds(*size, transform)
            for strip in (0, 1)
            for size, transform in zip(
                sizes, lay_out(strip, range(90), sizes), strict=True
            )
        ]
        for a, b in combinations(boxes, 2):
            assert a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1]
        # Whole pixels, exact also in float32
        assert all(float(np.float32(v)) == v == int(v) for box in boxes for v in box)

    def test_position_decides(self) -> None:
        """An image stays where it is when others are left out."""
        sizes = [(8, 8)] * 3
        whole = lay_out(0, range(3), sizes)
        assert lay_out(0, [2, 0], sizes[:2]) == [whole[2], whole[0]]
        assert len(set(lay_out(0, range(200), [(8, 8)] * 200))) == 200

    def test_too_large(self) -> None:
        lay_out(0, [0], [(65_536, 1)])
        with pytest.raises(ValueError, match='of up to 65536 pixels, got 65537'):
            lay_out(0, [0, 1], [(8, 8), (65_537, 1)])


class TestAcquisitionTime:
    def test_second(self) -> None:
        start, stop = acquisition_time('S2A_MSIL2A_20170613T101031_0_45')
        assert start == datetime(2017, 6, 13, 10, 10, 31)
        assert stop == datetime(2017, 6, 13, 10, 10, 31, 999_999)

    def test_hour_without_zero(self) -> None:
        assert acquisition_time('20170613T91031')[0].hour == 9

    @pytest.mark.parametrize('name', ['a', '20179913T101031', '20170613T1010311'])
    def test_unknown(self, name: str) -> None:
        assert acquisition_time(name) == (pd.Timestamp.min, pd.Timestamp.max)
