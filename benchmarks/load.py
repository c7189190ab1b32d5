# SPDX-License-Identifier: MIT
"""Do memory and open files stay bounded over a long run?

Trains on a stand-in of 10,000 tiles for three epochs with two workers, and looks again and
again at what the processes hold:

    python benchmarks/load.py
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback

from opening import NUM_PAIRS, make_release
from side_by_side import ROOT, write
from torchgeo_vqa.datamodules import OSVQADataModule
from torchgeo_vqa.trainers import VQATask

#: Share of the pairs that are in the training split.
TRAIN = 0.7


def held() -> dict[str, float]:
    """Return what this process and its children hold: megabytes and open files."""
    me = os.getpid()
    children = Path(f'/proc/{me}/task/{me}/children').read_text().split()
    megabytes, files = 0.0, 0
    for pid in (str(me), *children):
        # Memory that processes share is divided among them
        lines = Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()
        pss = next(line for line in lines if line.startswith('Pss:'))
        megabytes += int(pss.split()[1]) / 1024
        files += len(os.listdir(f'/proc/{pid}/fd'))
    return {'megabytes': megabytes, 'files': files}


class Look(Callback):
    """Looks at what the processes hold."""

    def __init__(self, looks: int) -> None:
        """Initialize a new Look instance.

        Args:
            looks: How often to look in each epoch.
        """
        self.looks = looks
        self.found: list[dict[str, float]] = []

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        """Look now and then.

        Args:
            trainer: Trainer that trains.
            *args: Unused.
        """
        batches = int(trainer.num_training_batches)
        done = trainer.fit_loop.epoch_loop.batch_progress.current.ready
        if done % max(1, batches // self.looks) == 0:
            epoch = trainer.current_epoch + done / batches
            self.found.append({'epoch': epoch, **held()})


def measure(root: Path, epochs: int, looks: int) -> list[dict[str, float]]:
    """Train on all tiles again and again.

    Args:
        root: The dataset.
        epochs: Number of epochs.
        looks: How often to look in each.

    Returns:
        What was held, with the epoch.
    """
    dm = OSVQADataModule(
        root=str(root),
        batch_size=16,
        questions_per_sample=1,
        num_workers=2,
        image_size=64,
        statistics={
            'optical': {'mean': [128.0] * 3, 'std': [64.0] * 3},
            'sar': {'mean': [128.0], 'std': [64.0]},
        },
    )
    look = Look(looks)
    trainer = Trainer(
        max_epochs=epochs,
        accelerator='cpu',
        callbacks=[look],
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        limit_val_batches=0,
    )
    trainer.fit(VQATask('tgfnet_tiny'), datamodule=dm)
    return look.found


def plot(path: Path, found: list[dict[str, float]]) -> None:
    """Plot memory and open files over the epochs."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout='constrained')
    epochs = [look['epoch'] for look in found]
    left.plot(epochs, [look['megabytes'] for look in found])
    right.plot(epochs, [look['files'] for look in found])
    left.set(xlabel='epoch', ylabel='MB of all processes', ylim=(0, None))
    right.set(xlabel='epoch', ylabel='open files of all processes', ylim=(0, None))
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Measure and write numbers and a plot."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--tiles', type=int, default=10_000)
    parser.add_argument('--epochs', type=int, default=3)
    parser.add_argument('--looks', type=int, default=10, help='looks in each epoch')
    parser.add_argument('--output', type=Path, default=ROOT / 'docs/_static/faults')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / 'OSVQA_1.0'
        make_release(root, args.tiles / TRAIN / NUM_PAIRS)
        found = measure(root, args.epochs, args.looks)
    first = [look for look in found if look['epoch'] <= 1][-1]
    content: dict[str, Any] = {
        'tiles': args.tiles,
        'looks': found,
        'growth_after_first_epoch': found[-1]['megabytes'] / first['megabytes'] - 1,
        'most_files': max(look['files'] for look in found),
    }
    write('load', content, args.output)
    plot(args.output / 'load.png', found)


if __name__ == '__main__':
    main()
