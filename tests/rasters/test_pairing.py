# SPDX-License-Identifier: MIT
"""Tests of the pairing of image files."""

from collections.abc import Mapping
from typing import Any

import pytest
from rasterio.crs import CRS
from rasterio.transform import from_origin

from torchgeo_vqa.rasters.grid import Grid
from torchgeo_vqa.rasters.image_file import ImageFile
from torchgeo_vqa.rasters.pairing import Files, find_misfits, pair_images

UTM = CRS.from_epsg(32633)
MODALITIES = ('optical', 'sar')


def image(
    path: str, num_bands: int, west: float | None = 0.0, size: int = 8
) -> ImageFile:
    """Header of an image, without a CRS if *west* is None."""
    transform = from_origin(west or 0.0, 0, 10, 10)
    grid = Grid(None if west is None else UTM, transform, size, size)
    bands = tuple(range(1, num_bands + 1))
    names = ('',) * num_bands
    return ImageFile(path, grid, bands, num_bands, None, 'uint8', num_bands, names)


def pair(name: str, optical: Any = (3,), sar: Any = (2,)) -> Files:
    return {
        'optical': image(f'{name}/rgb', *optical),
        'sar': image(f'{name}/sar', *sar),
    }


def run(
    pairs: Mapping[str, Files | OSError], **options: Any
) -> tuple[dict[str, Any], dict[str, int]]:
    def open_image(modality: str, name: str) -> ImageFile:
        found = pairs[name]
        if isinstance(found, OSError):
            raise found
        return found[modality]

    rows = {name: f'questions.json: row {i}' for i, name in enumerate(pairs)}
    positions = {name: i for i, name in enumerate(pairs)}
    arguments: dict[str, Any] = {'strip': 0, 'on_error': 'raise'} | options
    return pair_images(
        open_image, rows, modalities=MODALITIES, positions=positions, **arguments
    )


class TestMisfits:
    def test_number_of_sar_bands(self) -> None:
        """What most have; a single one goes with all."""
        pairs = {
            'a': pair('a', sar=(1,)),
            'b': pair('b', sar=(1,)),
            'c': pair('c', sar=(2,)),
            'd': pair('d', sar=(2,)),
            'e': pair('e', sar=(3,)),
        }
        misfits, num_bands, georeferenced = find_misfits(pairs, MODALITIES)
        assert num_bands == {'optical': 3, 'sar': 2}
        assert georeferenced
        assert list(misfits) == ['e']
        assert 'must have 2 bands or a single one, got 3 in e/sar' in str(misfits['e'])

    def test_optical_bands(self) -> None:
        pairs = {'a': pair('a', (4,)), 'b': pair('b', (1,)), 'c': pair('c', (2,))}
        misfits, _, _ = find_misfits(pairs, MODALITIES)
        assert list(misfits) == ['c']

    def test_far_apart(self) -> None:
        pairs = {
            'a': pair('a'),
            'b': pair('b', sar=(2, 80.0)),
            'c': pair('c', sar=(2, 79.0)),
        }
        misfits, _, _ = find_misfits(pairs, MODALITIES)
        assert list(misfits) == ['b']
        assert 'b/sar shows nothing of b/rgb' in str(misfits['b'])

    def test_without_crs(self) -> None:
        """One image of a pair tells where both are."""
        nowhere = pair('c', (3, None), (2, None))
        pairs = {'a': pair('a', (3, None)), 'b': pair('b'), 'c': nowhere}
        misfits, _, georeferenced = find_misfits(pairs, MODALITIES)
        assert georeferenced
        assert list(misfits) == ['c']
        misfits, _, georeferenced = find_misfits({'c': nowhere}, MODALITIES)
        assert not georeferenced
        assert not misfits


class TestPairImages:
    def test_grids(self) -> None:
        tiles, num_bands = run({'a': pair('a'), 'b': pair('b', (3, None, 16))})
        assert num_bands == {'optical': 3, 'sar': 2}
        assert tiles['a'].grid == image('', 3).grid
        # The size of the first, where the other is
        assert tiles['b'].shape == (16, 16)
        assert tiles['b'].grid.bounds == image('', 2).grid.bounds

    def test_nowhere(self) -> None:
        """Laid out by position: what is left out leaves its place free."""
        nowhere = {name: pair(name, (3, None), (2, None)) for name in 'abc'}
        tiles, _ = run(nowhere)
        with pytest.warns(UserWarning, match='1 of 3 pairs have a problem'):
            fewer, _ = run(nowhere | {'b': OSError('gone')}, on_error='skip')
        assert list(fewer) == ['a', 'c']
        for name, tile in fewer.items():
            assert tile.grid == tiles[name].grid
        assert len({tile.grid.bounds for tile in tiles.values()}) == 3

    def test_error(self) -> None:
        pairs: dict[str, Any] = {'a': pair('a')}
        pairs |= {f'b{i}': FileNotFoundError('no image') for i in range(7)}
        message = (
            r'row 1: no image; 7 of 8 pairs have a problem \(b0, b1, b2, b3, b4 and 2 '
            r"more\), on_error='skip' leaves them out"
        )
        with pytest.raises(FileNotFoundError, match=message):
            run(pairs)

    @pytest.mark.parametrize('name', ['../a', '/a', 'C:a'])
    def test_outside_the_folder(self, name: str) -> None:
        with pytest.raises(FileNotFoundError, match='leads to an image in its folder'):
            run({name: pair('a')})
