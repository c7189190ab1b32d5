# SPDX-License-Identifier: MIT
"""How fast are pairs of images read?

Reads the same GeoTIFFs tile by tile, through OSVQA and through TorchGeo's plain
intersection of two raster datasets, and checks that the pixels are the same. Decoded
images are kept by neither:

    python benchmarks/pair_reading.py
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import rasterio
import torch
from rasterio.transform import from_origin
from torchgeo.datasets import GeoDataset, RasterDataset

from side_by_side import RESULTS, in_turn, ratio, seconds, write
from torchgeo_vqa.datasets import OSVQA
from torchgeo_vqa.samplers import TileSampler

SIZE, RESOLUTION = 256, 10.0


def make_pairs(root: Path, number: int) -> None:
    """Make pairs of GeoTIFFs, side by side and a tile's width apart."""
    rng = np.random.default_rng(0)
    names = [f'{i:04d}' for i in range(number)]
    for folder, bands, kind in (('rgb', 3, 'uint8'), ('sar', 2, 'float32')):
        (root / 'images' / folder).mkdir(parents=True)
        for i, name in enumerate(names):
            row, column = divmod(i, 32)
            west = 500_000 + 2 * column * SIZE * RESOLUTION
            north = 5_000_000 - 2 * row * SIZE * RESOLUTION
            with rasterio.open(
                root / f'images/{folder}/{name}.tif',
                'w',
                driver='GTiff',
                width=SIZE,
                height=SIZE,
                count=bands,
                dtype=kind,
                crs='EPSG:32633',
                transform=from_origin(west, north, RESOLUTION, RESOLUTION),
                compress='deflate',
            ) as file:
                pixels = rng.integers(0, 256, (bands, SIZE, SIZE))
                file.write(pixels.astype(kind))
    rows = [[name, 'presence', 'Is there a ship?', 'yes'] for name in names]
    (root / 'annotations').mkdir()
    (root / 'annotations/all_train_annotation.json').write_text(json.dumps(rows))


def read(dataset: GeoDataset, queries: Sequence[Any]) -> None:
    """Read all tiles."""
    for query in queries:
        dataset[query]


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--pairs', type=int, default=200)
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--output', type=Path, default=RESULTS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_pairs(root, args.pairs)
        ours = OSVQA(root, cache=False)
        plain = RasterDataset(root / 'images/rgb') & RasterDataset(root / 'images/sar')
        queries = list(TileSampler(ours))
        for query in queries:
            sample = ours[query]
            pixels = torch.cat([sample['image_optical'], sample['image_sar']])
            if not torch.equal(pixels, plain[query]['image']):
                raise RuntimeError(f'the pixels of {query} differ')
        found = in_turn(
            {
                'OSVQA': lambda: args.pairs / seconds(lambda: read(ours, queries)),
                'RasterDataset & RasterDataset': lambda: (
                    args.pairs / seconds(lambda: read(plain, queries))
                ),
            },
            args.rounds,
        )
    content = {
        'pairs': args.pairs,
        'pairs_per_second': {name: median(x) for name, x in found.items()},
        'ratio': ratio(*found.values()),
    }
    write('pair_reading', content, args.output)


if __name__ == '__main__':
    main()
