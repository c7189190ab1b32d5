# SPDX-License-Identifier: MIT
"""How much faster do two processes train than one?

Trains tgfnet_tiny on the embedded sample with as many pairs per process and step, by one
process and by two (DDP over gloo), one thread each, and compares the pairs per second after the
first steps:

    python benchmarks/two_processes.py
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from side_by_side import RESULTS, in_turn, ratio, write

#: Steps that do not count.
WARM_UP = 5

SCRIPT = """
import json, sys, time
from lightning.pytorch import Callback, Trainer, seed_everything
from torchgeo_vqa.datamodules import OSVQAMiniDataModule
from torchgeo_vqa.trainers import VQATask

devices, steps, warm_up, path = int(sys.argv[1]), *map(int, sys.argv[2:4]), sys.argv[4]

class Clock(Callback):
    def on_train_batch_end(self, trainer, *args):
        if trainer.global_step == warm_up:
            self.start = time.perf_counter()

    def on_train_end(self, trainer, task):
        seconds = time.perf_counter() - self.start
        if trainer.is_global_zero:
            with open(path, 'w') as file:
                json.dump(seconds / (steps - warm_up), file)

if __name__ == '__main__':
    seed_everything(0)
    trainer = Trainer(
        accelerator='cpu', devices=devices, strategy='ddp' if devices > 1 else 'auto',
        max_steps=steps, limit_val_batches=0, num_sanity_val_steps=0, logger=False,
        enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=[Clock()],
    )
    task = VQATask('tgfnet_tiny', lr=1e-3, clip_lr=1e-3)
    trainer.fit(task, datamodule=OSVQAMiniDataModule())
"""


def pairs_per_second(devices: int, steps: int, batch_size: int = 16) -> float:
    """Train and return the pairs per second of all processes."""
    with tempfile.TemporaryDirectory() as folder:
        script, result = Path(folder) / 'train.py', Path(folder) / 'seconds.json'
        script.write_text(SCRIPT)
        arguments = map(str, (script, devices, steps, WARM_UP, result))
        env = {**os.environ, 'OMP_NUM_THREADS': '1'}
        command = [sys.executable, *arguments]
        subprocess.run(command, env=env, check=True, capture_output=True)
        return devices * batch_size / float(json.loads(result.read_text()))


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--steps', type=int, default=40)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--output', type=Path, default=RESULTS)
    args = parser.parse_args()
    found = in_turn(
        {
            f'{n} process{"es" if n > 1 else ""}': (
                lambda n=n: pairs_per_second(n, args.steps)
            )
            for n in (2, 1)
        },
        args.rounds,
    )
    content = {
        'pairs_per_second': {name: median(x) for name, x in found.items()},
        'ratio': ratio(*found.values()),
    }
    write('distributed', content, args.output)


if __name__ == '__main__':
    main()
