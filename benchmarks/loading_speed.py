# SPDX-License-Identifier: MIT
"""How fast do data modules load questions with their images?

Loads the same images and questions of RSVQA-LR, those that ConfigILM 0.7.1 brings for its tests,
with its data module and with ours: from the same files, and converted to the layout of
OSVQA. Both read, resize, tokenize, stack and normalise; ConfigILM yields an image with each question, ours
an image with all of its questions:

    python benchmarks/loading_speed.py

ConfigILM needs an environment of its own, made with Python 3.11 (``--python``) where there is
none yet (``--peer``). Where that cannot be had, the benchmark says so and measures nothing.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import torch

from side_by_side import RESULTS, ROOT, in_turn, ratio, seconds, write
from torchgeo_vqa.datamodules import (
    OSVQADataModule,
    PairVQADataModule,
    RSVQALRDataModule,
)

SIZE, BATCH_SIZE = 256, 16

SPLITS = ('train', 'val', 'test')

#: Prints questions per second of ConfigILM's data module, or where its files are.
PEER = """
import sys, time, warnings
warnings.simplefilter('ignore')
import torch
from configilm.extra.DataModules.RSVQALR_DataModule import RSVQALRDataModule
from configilm.extra.DataSets.RSVQALR_DataSet import resolve_data_dir

torch.set_num_threads(1)
folders = resolve_data_dir(None, force_mock=True)
if len(sys.argv) == 1:
    print(folders['train_data'])
    sys.exit()
dm = RSVQALRDataModule(folders, batch_size=int(sys.argv[1]), num_workers_dataloader=0)
dm.setup('test')
loader = dm.test_dataloader()
for passes in range(1 + int(sys.argv[2])):
    if passes == 1:
        start, number = time.perf_counter(), 0
    for images, *rest in loader:
        if passes:
            number += len(images)
print(number / (time.perf_counter() - start))
"""


def make_peer(folder: Path, python: str) -> Path | None:
    """Return the interpreter of an environment with ConfigILM, None if there is none."""
    own = folder / 'bin/python'
    if own.exists():
        return own
    if shutil.which(python) is None:
        return None
    requirements = ['configilm==0.7.1', 'fastcore<1.8', 'lightning']
    try:
        subprocess.run([python, '-m', 'venv', str(folder)], check=True)
        install = [str(own), '-m', 'pip', 'install', '--quiet', *requirements]
        subprocess.run(install, check=True)
    except subprocess.CalledProcessError:
        shutil.rmtree(folder, ignore_errors=True)
        return None
    return own


def ask_peer(python: Path, *arguments: Any) -> str:
    """Run ConfigILM's side and return the last line of what it prints."""
    env = {**os.environ, 'OMP_NUM_THREADS': '1'}
    command = [str(python), '-c', PEER, *map(str, arguments)]
    done = subprocess.run(
        command, env=env, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.splitlines()[-1]


def questions_per_second(dm: PairVQADataModule, passes: int) -> float:
    """Load the test split again and again."""
    number = 0

    def load() -> None:
        nonlocal number
        for batch in dm.test_dataloader():
            batch = dm.on_after_batch_transfer(batch)
            number += int((batch['question_id'] >= 0).sum())

    load()
    number = 0
    return 1 / (seconds(lambda: [load() for _ in range(passes)]) / number)


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--peer', type=Path, default=ROOT / '.venv-configilm')
    parser.add_argument('--python', default='python3.11')
    parser.add_argument('--passes', type=int, default=3)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--output', type=Path, default=RESULTS)
    args = parser.parse_args()
    peer = make_peer(args.peer, args.python)
    if peer is None:
        print(f'no ConfigILM: {args.python} with pip is needed to make {args.peer}')
        return
    torch.set_num_threads(1)
    root = ask_peer(peer)
    options: dict[str, Any] = {'batch_size': BATCH_SIZE, 'image_size': SIZE}
    with tempfile.TemporaryDirectory() as folder:
        convert = ['-m', 'torchgeo_vqa', 'convert']
        convert += [f'{root}/LR_split_{s}_questions.json' for s in SPLITS]
        convert += ['--optical', f'{root}/Images_LR', '--output', f'{folder}/lr']
        subprocess.run([sys.executable, *convert], check=True)
        modules: dict[str, PairVQADataModule] = {}
        # The cache keeps decoded images; ConfigILM has none
        for cache, name in ((False, 'ours'), (True, 'ours, decoded images cached')):
            modules[name] = RSVQALRDataModule(root, cache=cache, **options)
            modules[f'{name}, converted'] = OSVQADataModule(
                f'{folder}/lr', cache=cache, modalities=['optical'], **options
            )
        for name, dm in modules.items():
            if 'converted' in name:
                dm.set_answers(next(iter(modules.values())).answers)
            dm.setup('test')
            assert dm.statistics
        found = in_turn(
            {
                'ConfigILM': lambda: float(ask_peer(peer, BATCH_SIZE, args.passes)),
                **{
                    name: (lambda dm=dm: questions_per_second(dm, args.passes))
                    for name, dm in modules.items()
                },
            },
            args.rounds,
        )
    rival = found['ConfigILM']
    content = {
        'questions_per_second': {name: median(x) for name, x in found.items()},
        'ratio': {name: ratio(x, rival) for name, x in found.items() if x is not rival},
    }
    write('loading', content, args.output)


if __name__ == '__main__':
    main()
