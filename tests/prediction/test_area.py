# SPDX-License-Identifier: MIT
"""Tests of asking about areas."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from rasterio.windows import Window

from torchgeo_vqa.prediction import Predictor, ask_area

WriteImage = Callable[..., None]

QUESTIONS = ['Is there a ship?', 'How many ships are there?']
WEST, NORTH, RES = 400_000.0, 5_000_000.0, 10.0


def make_pair(height: int, width: int) -> tuple[NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(0)
    optical = rng.integers(1, 256, (3, height, width), np.uint8)
    return optical, rng.normal(-12, 4, (2, height, width)).astype(np.float32)


def probabilities(answers: list[Any]) -> list[float]:
    return [answer.probability for answer in answers]


class TestAskArea:
    def test_every_patch_is_asked_about(
        self, predictor: Predictor, tmp_path: Path, write_image: WriteImage
    ) -> None:
        """Answers are those for the window of both files under each geometry."""
        optical, sar = make_pair(96, 128)
        write_image(tmp_path / 'o/west.tif', optical[:, :, :64], WEST)
        write_image(tmp_path / 'o/east.tif', optical[:, :, 64:], WEST + 64 * RES)
        wide = np.pad(sar, ((0, 0), (8, 8), (8, 8)))
        write_image(tmp_path / 's.tif', wide, WEST - 8 * RES, NORTH + 8 * RES)
        layer = ask_area(
            predictor, QUESTIONS, tmp_path / 'o', tmp_path / 's.tif', 32, batch_size=5
        )
        assert layer.crs == 'EPSG:32633'
        assert len(layer) == 3 * 4 * 2
        assert set(layer['question']) == set(QUESTIONS)
        area = shapely.box(WEST, NORTH - 96 * RES, WEST + 128 * RES, NORTH)
        assert layer.union_all().equals(area)
        for outline, rows in layer.groupby('geometry'):
            xmin, _, _, ymax = outline.bounds
            window = Window(int((xmin - WEST) / RES), int((NORTH - ymax) / RES), 32, 32)
            y, x = window.toslices()
            truth = predictor.ask(optical[:, y, x], sar[:, y, x], QUESTIONS)
            assert rows['answer'].tolist() == [a.answer for a in truth]
            np.testing.assert_allclose(
                rows['probability'], probabilities(truth), atol=1e-5
            )
            for name, weight in truth[0].expert_weights.items():
                assert rows[f'expert_weight_{name}'].iloc[0] == pytest.approx(
                    weight, abs=1e-5
                )

    def test_stride(
        self, predictor: Predictor, tmp_path: Path, write_image: WriteImage
    ) -> None:
        optical, _ = make_pair(64, 64)
        write_image(tmp_path / 'o.tif', optical, WEST)
        layer = ask_area(predictor, QUESTIONS[:1], tmp_path / 'o.tif', None, 32, 16)
        assert len(layer) == 3 * 3

    def test_patches_without_data_are_left_out(
        self, predictor: Predictor, tmp_path: Path, write_image: WriteImage
    ) -> None:
        optical, sar = make_pair(64, 64)
        sar[:, :32, :32] = np.nan
        optical[:, 32:, 32:] = 0
        optical[:, 32:, 40:] = 1  # known again: a quarter of the patch is not
        write_image(tmp_path / 'o.tif', optical, WEST, nodata=0)
        write_image(tmp_path / 's.tif', sar, WEST)
        paths = tmp_path / 'o.tif', tmp_path / 's.tif'
        assert len(ask_area(predictor, QUESTIONS[:1], *paths, 32)) == 3
        assert len(ask_area(predictor, QUESTIONS[:1], *paths, 32, max_nodata=0.2)) == 2
        with pytest.raises(ValueError, match='no patch of 64 pixels'):
            ask_area(predictor, QUESTIONS, *paths, 64, max_nodata=0.1)

    def test_several_utm_zones(
        self, predictor: Predictor, tmp_path: Path, write_image: WriteImage
    ) -> None:
        """Images keep their pixels; the layer is in degrees."""
        optical, sar = make_pair(32, 32)
        for zone in (33, 34):
            for kind, image in (('o', optical), ('s', sar)):
                path = tmp_path / kind / f'{zone}.tif'
                write_image(path, image, WEST, crs=f'EPSG:326{zone}')
        layer = ask_area(predictor, QUESTIONS, tmp_path / 'o', tmp_path / 's', 32)
        assert layer.crs == 'EPSG:4326'
        truth = probabilities(predictor.ask(optical, sar, QUESTIONS))
        np.testing.assert_allclose(layer['probability'], truth * 2, atol=1e-5)
        for i, zone in enumerate((33, 34)):
            outline = layer.to_crs(f'EPSG:326{zone}').geometry.iloc[2 * i]
            np.testing.assert_allclose(
                outline.bounds, (WEST, NORTH - 320, WEST + 320, NORTH), atol=0.01
            )

    def test_images_of_different_places(
        self, predictor: Predictor, tmp_path: Path, write_image: WriteImage
    ) -> None:
        optical, sar = make_pair(32, 32)
        write_image(tmp_path / 'o.tif', optical, WEST)
        write_image(tmp_path / 's.tif', sar, WEST + 10_000)
        with pytest.raises(ValueError, match='no location in common'):
            ask_area(predictor, QUESTIONS, tmp_path / 'o.tif', tmp_path / 's.tif')

    def test_no_crs(
        self, predictor: Predictor, tmp_path: Path, write_image: WriteImage
    ) -> None:
        write_image(tmp_path / 'o.tif', make_pair(32, 32)[0])
        with pytest.raises(ValueError, match=r'o\.tif has no CRS'):
            ask_area(predictor, QUESTIONS, tmp_path / 'o.tif')

    @pytest.mark.parametrize('options', [{'patch_size': 0}, {'stride': -1}], ids=str)
    def test_no_size(self, predictor: Predictor, options: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match='must be at least 1'):
            ask_area(predictor, QUESTIONS, 'o.tif', **options)
