# SPDX-License-Identifier: MIT
"""Worker processes of data loaders."""

import gc
import os

from lightning.fabric.utilities.seed import pl_worker_init_function


def start_worker(worker_id: int) -> None:
    """Prepare a worker process to share memory with the main process.

    A forked worker shares all memory until one of both writes to it. Python's garbage
    collector writes to every object that it looks at, so in each worker a copy would
    soon be made of all that was imported and opened; here it is told not to look at
    what was there before.

    For ``DataLoader(..., worker_init_fn=start_worker)``; our data modules do so. Workers
    are seeded as Lightning seeds them, if `seed_everything(workers=True)` asks for it.
    """
    gc.freeze()
    if int(os.environ.get('PL_SEED_WORKERS', '0')):
        pl_worker_init_function(worker_id)
