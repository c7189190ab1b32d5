# SPDX-License-Identifier: MIT
"""MapDataset: what a map knows, where there is no data, and what bad maps say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from torchgeo.datasets import RasterDataset as Image

from torchgeo_vqa.datasets import OSVQA, MapVQA
from torchgeo_vqa.rasters.zones import LabelRaster as LandCover

WEST, NORTH, RES, SIZE = 400_000.0, 5_000_000.0, 10.0, 96
CODES = {1: 'water', 2: 'trees', 4: 'crops', 7: 'built-up land'}
MakeMap = Callable[..., MapVQA]
WriteImage = Callable[..., None]


def patch(row: int, column: int, size: int = 48) -> tuple[slice, slice]:
    """Query of a square patch, from the upper left corner of the map."""
    x, y = WEST + column * RES, NORTH - row * RES
    return slice(x, x + size * RES), slice(y - size * RES, y)


# --- bad maps -------------------------------------------------------------------------


class TestBadMaps:
    def test_unknown_code(self, make_map: MakeMap, codes: NDArray[np.uint8]) -> None:
        labels = codes.copy()
        labels[90:92, 90] = 33
        with pytest.raises(ValueError, match=r'2 pixels .* have the code 33.*`ignore`'):
            make_map(labels)

    def test_unknown_code_far_away(self, make_map: MakeMap) -> None:
        dataset = make_map()
        del dataset._labels._labels[1]
        with pytest.raises(ValueError, match='code 1, which has no name'):
            dataset[patch(0, 0)]

    @pytest.mark.parametrize('arguments', [{'ignore': [9]}, {'nodata': 9}])
    def test_all_no_data(self, make_map: MakeMap, arguments: dict[str, Any]) -> None:
        with pytest.raises(
            ValueError, match='labels hold no data where the images are'
        ):
            make_map(np.full((SIZE, SIZE), 9, np.uint8), **arguments)

    def test_no_overlap(self, make_map: MakeMap) -> None:
        with pytest.raises(
            RuntimeError, match=r'labels does not overlap .* \[500000.0'
        ):
            make_map(west=500_000.0)

    def test_wrong_crs(self, make_map: MakeMap) -> None:
        with pytest.raises(RuntimeError, match='its own CRS is WGS 84 / UTM zone 40N'):
            make_map(crs='EPSG:32640')

    def test_crs_that_leads_nowhere(self, make_map: MakeMap) -> None:
        with pytest.raises(
            ValueError, match=r'labels lies at .* WGS 84, which cannot be'
        ):
            make_map(crs='EPSG:4326')

    def test_no_crs(self, make_map: MakeMap, tmp_path: Path, png_root: Path) -> None:
        dataset = make_map()
        labels = LandCover(tmp_path / 'labels')
        labels.index = labels.index.set_crs(None, allow_override=True)
        with pytest.raises(ValueError, match='labels has no CRS'):
            MapVQA(None, dataset._images['sar'], labels, CODES)
        with pytest.raises(ValueError, match='optical has no CRS'):
            MapVQA(OSVQA(png_root), None, LandCover(tmp_path / 'labels'), CODES)

    @pytest.mark.parametrize('name', ['', '  ', None])
    def test_class_without_name(self, make_map: MakeMap, name: str | None) -> None:
        with pytest.raises(ValueError, match='code 2 has no name'):
            make_map(classes=CODES | {2: name})

    @pytest.mark.parametrize('classes', [{}, [], {i: str(i) for i in range(256)}])
    def test_too_few_or_many_classes(self, make_map: MakeMap, classes: Any) -> None:
        with pytest.raises(ValueError, match='classes must name 1 to 255 classes, got'):
            make_map(classes=classes)

    @pytest.mark.parametrize('classes', ['water', {'1': 'water'}])
    def test_classes_of_a_wrong_type(self, make_map: MakeMap, classes: Any) -> None:
        with pytest.raises(TypeError, match=r"got .*('water'|'1')"):
            make_map(classes=classes)

    def test_no_data_code_with_a_name(self, make_map: MakeMap) -> None:
        with pytest.raises(ValueError, match='code 7 stands for no data in the files'):
            make_map(nodata=7)

    def test_code_both_named_and_ignored(self, make_map: MakeMap) -> None:
        with pytest.raises(ValueError, match=r'codes \[7\] are both'):
            make_map(ignore=[7])

    def test_labels_that_are_an_image(self, make_map: MakeMap) -> None:
        with pytest.raises(ValueError, match='set `is_image = False` in RasterDataset'):
            make_map(labels_class=Image)

    def test_too_many_bands(
        self, make_map: MakeMap, tmp_path: Path, write_image: WriteImage
    ) -> None:
        make_map()
        bands = np.ones((12, SIZE, SIZE), np.int16)
        write_image(tmp_path / 'bands/a.tif', bands, WEST, NORTH)
        labels = LandCover(tmp_path / 'labels')
        dataset = MapVQA(Image(tmp_path / 'bands'), None, labels, CODES)
        with pytest.raises(ValueError, match=r'shape \(3, 48, 48\), got \(12,'):
            dataset[patch(0, 0)]

    def test_nothing_there(self, make_map: MakeMap) -> None:
        with pytest.raises(IndexError, match='not found'):
            make_map()[patch(1000, 1000)]

    @pytest.mark.parametrize(
        ('arguments', 'message'),
        [
            ({'modalities': ()}, 'neither'),
            ({'questions_per_sample': 0}, 'questions_per_sample .* got 0'),
            ({'max_nodata': 1.5}, 'max_nodata .* got 1.5'),
            ({'seed': -1}, 'seed .* got -1'),
            ({'urban_classes': ['town']}, r"urban_classes .* got \['town'\]"),
            ({'question_types': ['object_count']}, "'object_count'.* need"),
            ({'question_types': ['colour']}, r"got \['colour'\]"),
        ],
    )
    def test_arguments(
        self, make_map: MakeMap, arguments: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            make_map(**arguments)

    def test_not_a_dataset(self, tmp_path: Path) -> None:
        with pytest.raises(TypeError, match='sar must be a GeoDataset, got list'):
            MapVQA(None, [], [], CODES)  # type: ignore[arg-type]


# --- time -----------------------------------------------------------------------------


def test_other_times(make_map: MakeMap, tmp_path: Path) -> None:
    make_map()

    class Dated(Image):
        filename_regex = r'(?P<date>\d{8})'

    for modality, date in {'optical': '20200601', 'sar': '20200603'}.items():
        (tmp_path / modality / 'a.tif').rename(tmp_path / modality / f'{date}.tif')
    optical, sar = (Dated(tmp_path / m) for m in ('optical', 'sar'))
    labels = LandCover(tmp_path / 'labels')
    with pytest.raises(
        RuntimeError, match=r'sar was taken at another time.*spatial_only'
    ):
        MapVQA(optical, sar, labels, CODES)
    dataset = MapVQA(optical, sar, labels, CODES, spatial_only=True)
    day = slice(pd.Timestamp('2020-06-01'), pd.Timestamp('2020-06-02'))
    sample = dataset[*patch(0, 0), day]
    assert sample['image_sar'].shape == (2, 48, 48)
    assert sample['nodata'] == 0
