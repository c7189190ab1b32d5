# SPDX-License-Identifier: MIT
"""BlockSampler: patches inside blocks, along the pixels of the images."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
import torch
from torchgeo.datasets import RasterDataset

from torchgeo_vqa.samplers import BlockSampler, split_blocks

WEST, NORTH = 400_000.0, 5_000_000.0


@pytest.fixture(scope='module')
def dataset(
    tmp_path_factory: pytest.TempPathFactory, write_image: Callable[..., None]
) -> RasterDataset:
    """Two images of 40 x 60 pixels side by side, the second 3.5 pixels further south."""
    root = tmp_path_factory.mktemp('images')
    image = np.zeros((1, 40, 60), np.uint8)
    write_image(root / 'a.tif', image, WEST, NORTH)
    write_image(root / 'b.tif', image, WEST + 600, NORTH - 35)
    return RasterDataset(root)


def in_pixels(query: Any) -> tuple[float, float, float, float]:
    """Left, top, right and bottom edge of a patch in pixels."""
    x, y, _ = query
    edges = (x.start - WEST, NORTH - y.stop, x.stop - WEST, NORTH - y.start)
    left, top, right, bottom = (edge / 10 for edge in edges)
    return left, top, right, bottom


def block_of(query: Any, block_size: int) -> tuple[int, int]:
    left, top, right, bottom = in_pixels(query)
    row, column = int(top // block_size), int(left // block_size)
    assert bottom <= (row + 1) * block_size
    assert right <= (column + 1) * block_size
    return row, column


def test_grid(dataset: RasterDataset) -> None:
    sampler = BlockSampler(dataset, size=10, block_size=30)
    patches = [in_pixels(query) for query in sampler]
    assert len(set(patches)) == len(patches) == len(sampler)
    assert list(map(in_pixels, sampler)) == patches
    first = [patch for patch in patches if patch[0] < 60]
    # three rows of blocks' first rows, and the last 10 rows of the image
    assert len(first) == 6 * (3 + 1)
    for query in sampler:
        assert block_of(query, 30) in sampler.blocks
        left, top, right, bottom = in_pixels(query)
        offset = 0 if right <= 60 else 3.5
        assert (left, top - offset) == (int(left), int(top - offset))
        assert offset <= top
        assert bottom <= 40 + offset


def test_stride(dataset: RasterDataset) -> None:
    dense = BlockSampler(dataset, size=10, block_size=30, stride=5)
    edges = {in_pixels(query)[0] for query in dense if in_pixels(query)[2] <= 30}
    assert edges == {0, 5, 10, 15, 20}


def test_random_patches_stay_in_their_blocks(dataset: RasterDataset) -> None:
    everywhere = BlockSampler(dataset, size=10, block_size=20)
    some = everywhere.blocks[::2]
    sampler = everywhere.within(some, length=200, generator=0)
    one, two = list(sampler), list(sampler)
    assert len(one) == len(two) == len(sampler) == 200
    assert one != two
    for query in [*one, *two]:
        assert block_of(query, 20) in some
        assert dataset[query[:2]]['image'].shape == (1, 10, 10)
    # anywhere, to the pixel
    assert len({in_pixels(query)[0] % 20 for query in one}) == 11
    assert {block_of(query, 20) for query in one} == set(some)


def test_generator(dataset: RasterDataset) -> None:
    def draw(generator: Any = None) -> list[Any]:
        return list(BlockSampler(dataset, 10, 20, length=5, generator=generator))

    assert draw(1) == draw(1) != draw(2)
    torch.manual_seed(0)
    first = draw()
    torch.manual_seed(0)
    assert draw() == first != draw()


def test_times(tmp_path: Path, write_image: Callable[..., None]) -> None:
    class Dated(RasterDataset):
        filename_regex = r'(?P<date>\d{8})'

    for date in (20200101, 20200201):
        path = tmp_path / f'{date}.tif'
        write_image(path, np.zeros((1, 20, 20), np.uint8), WEST, NORTH)
    sampler = BlockSampler(Dated(tmp_path), size=10, block_size=20)
    assert len(sampler) == 8
    assert {query[2].start.month for query in sampler} == {1, 2}


def test_region_of_interest(dataset: RasterDataset) -> None:
    # the first 36 columns
    roi = shapely.box(WEST, NORTH - 400, WEST + 360, NORTH)
    sampler = BlockSampler(dataset, 10, 20, roi=roi)
    assert {in_pixels(query)[2] for query in sampler} == {10, 20, 30}
    assert all(column < 2 for _, column in sampler.blocks)
    most = BlockSampler(dataset, 10, 20, roi=roi, min_share=0.6)
    assert {in_pixels(query)[2] for query in most} == {10, 20, 30, 40}
    drawn = BlockSampler(
        dataset, 10, 20, roi=roi, min_share=0.9, length=200, generator=0
    )
    assert max(in_pixels(query)[2] for query in drawn) == 37


def test_region_of_several_parts(dataset: RasterDataset) -> None:
    """A patch may lie in two of them: its shares add up."""
    parts = [
        shapely.box(WEST + x, NORTH - 400, WEST + x + 50, NORTH) for x in (0, 50, 150)
    ]
    sampler = BlockSampler(dataset, 10, 20, roi=shapely.MultiPolygon(parts))
    assert {in_pixels(query)[2] for query in sampler} == {10}


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'size': 0}, 'size must be at least 1, got 0'),
        ({'stride': 0}, 'stride must be at least 1, got 0'),
        ({'length': 0}, 'length must be at least 1, got 0'),
        ({'block_size': 9}, r'at least size \(10\), got 9'),
        ({'size': 50, 'block_size': 50, 'length': 1}, 'no block of 50 pixels has room'),
    ],
)
def test_errors(dataset: RasterDataset, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BlockSampler(dataset, **({'size': 10, 'block_size': 20} | options))


def test_split_blocks() -> None:
    blocks = [(row, column) for row in range(5) for column in range(4)]
    split_of = split_blocks(blocks, 8, (0.5, 0.25, 0.25), seed=0)
    assert list(split_of) == blocks
    splits = list(split_of.values())
    assert [splits.count(s) for s in ('train', 'val', 'test')] == [10, 5, 5]
    assert split_blocks(blocks, 8, (0.5, 0.25, 0.25), seed=1) != split_of
    with pytest.raises(ValueError, match=r'2 blocks of 8 pixels .* 3 splits'):
        split_blocks(blocks[:2], 8, (0.5, 0.25, 0.25), seed=0)
