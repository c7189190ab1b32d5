# SPDX-License-Identifier: MIT
"""Doing many things in this process, in several, or on a cluster."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial

# Things that are sent to a worker together: a task costs Dask a millisecond
_BATCH = 16


def run[Item](
    job: Callable[[Item], None],
    items: Sequence[Item],
    num_workers: int,
    scheduler: str | None = None,
) -> Iterator[int]:
    """Do a job with each item, in any order; yield how many have just been done.

    One worker stays in this process, more are processes of this machine or of the Dask
    cluster of *scheduler*; then the job must be picklable. Raise an ImportError without
    Dask, an OSError if the scheduler cannot be reached.
    """
    if scheduler is None and num_workers == 1:
        for item in items:
            job(item)
            yield 1
        return
    try:
        from distributed import Client, LocalCluster, as_completed
    except ImportError as error:
        raise ImportError(
            "several workers need Dask: pip install 'torchgeo-vqa[generate]', or choose "
            '--num_workers 1'
        ) from error

    batches = [items[i : i + _BATCH] for i in range(0, len(items), _BATCH)]
    with ExitStack() as stack:
        # One thread each, since GDAL's handles are not to be shared; no dashboard, so that
        # no port is open
        address = scheduler or stack.enter_context(
            LocalCluster(
                n_workers=num_workers,
                threads_per_worker=1,
                dashboard_address=None,
                silence_logs=logging.ERROR,
            )
        )
        client = stack.enter_context(Client(address))
        futures = client.map(partial(_do, job), batches, pure=False)
        for future in as_completed(futures):
            yield future.result()


def _do[Item](job: Callable[[Item], None], items: Sequence[Item]) -> int:
    """Do something with each of some items."""
    for item in items:
        job(item)
    return len(items)
