# SPDX-License-Identifier: MIT
"""Tests of asking about pairs of image files."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine

from torchgeo_vqa.prediction import Predictor, ask_pair, read_pair
from torchgeo_vqa.sample import MODALITIES

WriteImage = Callable[..., None]

QUESTIONS = ['Is there a ship?', 'How many ships are there?']
WEST, NORTH, RES = 400_000.0, 5_000_000.0, 10.0


def make_pair(height: int, width: int) -> tuple[NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(0)
    optical = rng.integers(1, 256, (3, height, width), np.uint8)
    return optical, rng.normal(-12, 4, (2, height, width)).astype(np.float32)


class TestAskPair:
    def test_answers_are_those_of_the_pixels(
        self, predictor: Predictor, tmp_path: Path, write_image: WriteImage
    ) -> None:
        optical, sar = make_pair(48, 48)
        write_image(tmp_path / 'o.tif', optical, WEST)
        write_image(tmp_path / 's.tif', sar, WEST)
        found = ask_pair(predictor, QUESTIONS, tmp_path / 'o.tif', tmp_path / 's.tif')
        assert found == predictor.ask(optical, sar, QUESTIONS)
        assert ask_pair(predictor, QUESTIONS, sar=tmp_path / 's.tif') == predictor.ask(
            None, sar, QUESTIONS
        )

    def test_sar_is_brought_to_the_optical_grid(
        self, predictor: Predictor, tmp_path: Path, write_image: WriteImage
    ) -> None:
        optical, sar = make_pair(48, 48)
        write_image(tmp_path / 'o.tif', optical, WEST)
        # 16 more pixels on each side
        wide = np.pad(sar, ((0, 0), (16, 16), (16, 16)), constant_values=3)
        write_image(tmp_path / 's.tif', wide, WEST - 16 * RES, NORTH + 16 * RES)
        found = ask_pair(predictor, QUESTIONS, tmp_path / 'o.tif', tmp_path / 's.tif')
        assert found == predictor.ask(optical, sar, QUESTIONS)

    @pytest.mark.parametrize('place', [{}, {'transform': Affine(10, 0, 0, 0, 10, 0)}])
    def test_images_of_no_place_are_not_turned(
        self, tmp_path: Path, place: dict[str, Any]
    ) -> None:
        """PNG and plain TIFF: the first row of a file is the first of an image."""
        rng = np.random.default_rng(0)
        images = {m: rng.integers(1, 255, (3, 8, 8), np.uint8) for m in MODALITIES}
        paths: dict[str, Any] = {}
        for (m, image), suffix in zip(images.items(), ('png', 'tif'), strict=True):
            paths[m] = tmp_path / f'{m}.{suffix}'
            profile = place if suffix == 'tif' else {}
            with warnings.catch_warnings():
                warnings.simplefilter('ignore', NotGeoreferencedWarning)
                with rasterio.open(
                    paths[m], 'w', None, 8, 8, 3, dtype='uint8', **profile
                ) as file:
                    file.write(image)
        found = read_pair(paths)
        for m, image in images.items():
            np.testing.assert_array_equal(found[m], image)

    def test_bands_are_chosen(
        self, predictor: Predictor, tmp_path: Path, write_image: WriteImage
    ) -> None:
        optical, sar = make_pair(48, 48)
        write_image(tmp_path / 's.png', sar[:1].astype(np.uint8))
        write_image(tmp_path / 'o.tif', np.concatenate([optical, optical]), WEST)
        found = ask_pair(
            predictor, QUESTIONS, tmp_path / 'o.tif', optical_bands=[6, 2, 1]
        )
        assert found == predictor.ask(optical[[2, 1, 0]], None, QUESTIONS)
        with pytest.raises(
            ValueError, match=r'three of 1 to 6.*o\.tif, got \[7, 1, 1\]'
        ):
            ask_pair(predictor, QUESTIONS, tmp_path / 'o.tif', optical_bands=[7, 1, 1])

    def test_images_of_different_places(
        self, predictor: Predictor, tmp_path: Path, write_image: WriteImage
    ) -> None:
        optical, sar = make_pair(48, 48)
        write_image(tmp_path / 'o.tif', optical, WEST)
        write_image(tmp_path / 's.tif', sar, WEST + 10_000)
        with pytest.raises(ValueError, match=r's\.tif shows nothing of .*o\.tif'):
            ask_pair(predictor, QUESTIONS, tmp_path / 'o.tif', tmp_path / 's.tif')

    def test_nothing_to_look_at(self, predictor: Predictor) -> None:
        with pytest.raises(ValueError, match='optical and sar, got files of nothing'):
            ask_pair(predictor, QUESTIONS)

    def test_folder(self, predictor: Predictor, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match='is a folder'):
            ask_pair(predictor, QUESTIONS, tmp_path)
