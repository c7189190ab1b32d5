# SPDX-License-Identifier: MIT
"""How long does OSVQA take to open, and how much memory, as it grows?

Makes a stand-in of the release, 6,008 pairs with 1,036,694 questions, and of a tenth and
of three times of it, and opens each in processes of its own: cold, which parses the JSON, and warm,
which reads what was cached. Then it counts what a worker process of a data loader adds:

    python benchmarks/opening.py

Memory is what is resident after opening, less what is resident after the imports. The
images of a stand-in are all the same two PNGs of 256 px, linked under many names.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from side_by_side import RESULTS, write

NUM_PAIRS, NUM_QUESTIONS = 6008, 1_036_694
SIZE = 256

#: Shares of the release's size.
SCALES = (0.1, 1.0, 3.0)

#: Opens the dataset in a process of its own.
OPEN = """
import json, sys, time

def resident():
    lines = open('/proc/self/status').read().splitlines()
    return int(next(x for x in lines if x.startswith('VmRSS')).split()[1]) * 1024

import torch
with_torch = resident()
from torchgeo_vqa.datasets import OSVQA
imported = resident()
start = time.perf_counter()
dataset = OSVQA(sys.argv[1], 'train')
seconds = time.perf_counter() - start
print(json.dumps({'seconds': seconds, 'bytes': resident() - imported,
                  'bytes_with_torch': with_torch, 'bytes_imported': imported,
                  'questions': len(dataset.table)}))
"""

#: Counts the memory that is a worker's own, with the dataset and without.
WORKERS = """
import json, sys
import torch
from torch.utils.data import DataLoader, Dataset
from torchgeo_vqa.datamodules import start_worker
from torchgeo_vqa.datasets import OSVQA
from torchgeo_vqa.samplers import TileSampler

class Probe(Dataset):
    def __init__(self, dataset):
        self.dataset = dataset

    def __getitem__(self, index):
        if self.dataset is not None:
            self.dataset[index]
        lines = open('/proc/self/smaps_rollup').read().splitlines()
        own = [int(x.split()[1]) for x in lines if x.startswith('Private_')]
        return torch.utils.data.get_worker_info().id, sum(own) * 1024

if __name__ == '__main__':
    dataset = OSVQA(sys.argv[1], 'train', cache=False)
    queries = list(TileSampler(dataset, length=400))
    found = {}
    for name, probe in {'empty': Probe(None), 'dataset': Probe(dataset)}.items():
        loader = DataLoader(
            probe, batch_size=None, sampler=queries, num_workers=4,
            worker_init_fn=start_worker,
        )
        found[name] = list(dict(loader).values())
    print(json.dumps(found))
"""


def make_release(root: Path, scale: float) -> None:
    """Make a stand-in of the release.

    Args:
        root: Folder to make it in.
        scale: Its size as a share of the release's.
    """
    rng = np.random.default_rng(0)
    pairs, questions = round(NUM_PAIRS * scale), round(NUM_QUESTIONS * scale)
    for folder, bands in (('rgb', 3), ('sar', 1)):
        images = root / 'images' / folder
        images.mkdir(parents=True)
        pixels = rng.integers(0, 256, (bands, SIZE, SIZE), np.uint8)
        profile = {'width': SIZE, 'height': SIZE, 'count': bands, 'dtype': 'uint8'}
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', NotGeoreferencedWarning)
            with rasterio.open(images / '0.png', 'w', driver='PNG', **profile) as file:
                file.write(pixels)
        for i in range(1, pairs):
            os.link(images / '0.png', images / f'{i}.png')
    things = [f'thing {i}' for i in range(60)]
    answers = ['yes', 'no', *map(str, range(50)), *things]
    pair = np.sort(rng.integers(pairs, size=questions))
    split = rng.choice(3, pairs, p=[0.7, 0.1, 0.2])[pair]
    kind = rng.integers(16, size=questions)
    first, second = rng.integers(len(things), size=(2, questions))
    answer = rng.integers(len(answers), size=questions)
    rows: list[list[list[str]]] = [[], [], []]
    for s, p, k, a, b, c in zip(split, pair, kind, first, second, answer, strict=True):
        text = f'Is there a {things[a]} near the {things[b]} of kind {k % 4}?'
        rows[s].append([f'{p}.png', f'type {k}', text, answers[c]])
    (root / 'annotations').mkdir()
    for name, own in zip(('train', 'val', 'test'), rows, strict=True):
        path = root / f'annotations/all_{name}_annotation.json'
        path.write_text(json.dumps(own))


def run(script: str, root: Path) -> dict[str, Any]:
    """Run a script on the dataset and return what it prints."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'script.py'
        path.write_text(script)
        command = [sys.executable, str(path), str(root)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(root: Path, scale: float, rounds: int) -> dict[str, Any]:
    """Open a stand-in cold and warm."""
    make_release(root, scale)
    found: dict[str, list[dict[str, Any]]] = {'cold': [], 'warm': []}
    for _ in range(rounds):
        shutil.rmtree(root / 'annotations/.cache', ignore_errors=True)
        for opened in found.values():  # the first parses, the second finds the cache
            opened.append(run(OPEN, root))
    result: dict[str, Any] = {'scale': scale}
    result |= {key: found['warm'][0][key] for key in ('questions', 'bytes_with_torch')}
    for name, opened in found.items():
        result[f'{name}_seconds'] = median(x['seconds'] for x in opened)
        result[f'{name}_bytes'] = median(x['bytes'] for x in opened)
    if scale == 1:
        own = run(WORKERS, root)
        result['worker_bytes'] = {k: median(v) for k, v in own.items()}
    return result


def plot(path: Path, results: list[Mapping[str, Any]]) -> None:
    """Plot time and memory against size."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.5), layout='constrained')
    millions = [r['scale'] * NUM_QUESTIONS / 1e6 for r in results]
    for name in ('cold', 'warm'):
        seconds = [r[f'{name}_seconds'] for r in results]
        left.plot(millions, seconds, marker='o', label=name)
        megabytes = [r[f'{name}_bytes'] / 1e6 for r in results]
        right.plot(millions, megabytes, marker='o', label=name)
    left.set(xlabel='million questions', ylabel='seconds to open')
    right.set(xlabel='million questions', ylabel='MB beyond the imports')
    for axes in (left, right):
        axes.set(xlim=(0, None), ylim=(0, None))
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Measure all sizes and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--scales', type=float, nargs='+', default=list(SCALES))
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--output', type=Path, default=RESULTS)
    args = parser.parse_args()
    results: list[Mapping[str, Any]] = []
    for scale in args.scales:
        with tempfile.TemporaryDirectory() as folder:
            results.append(measure(Path(folder) / 'OSVQA_1.0', scale, args.rounds))
    write('opening', {'sizes': results}, args.output)
    plot(args.output / 'opening.png', results)


if __name__ == '__main__':
    main()
