# SPDX-License-Identifier: MIT
"""Doing many things in this process, in several, or on a cluster."""

import logging
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing import resource_tracker

# Things that are sent to a worker together: a task costs Dask a millisecond, and none is
# left undone at Ctrl-C
_BATCH = 4


def run[Item](
    job: Callable[[Item], None],
    items: Sequence[Item],
    num_workers: int,
    scheduler: str | None = None,
) -> Generator[int]:
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
        from distributed.utils import LoopRunner
    except ImportError as error:
        raise ImportError(
            "several workers need Dask: pip install 'torchgeo-vqa[generate]', or choose "
            '--num_workers 1'
        ) from error

    batches = [items[i : i + _BATCH] for i in range(0, len(items), _BATCH)]
    with ExitStack() as stack:
        # One thread each, since GDAL's handles are not to be shared; no dashboard, so that
        # no port is open
        runner = LoopRunner()
        with _without_interrupts():
            runner.start()
        stack.callback(runner.stop)
        address = scheduler or stack.enter_context(
            LocalCluster(
                loop=runner.loop,
                n_workers=num_workers,
                threads_per_worker=1,
                dashboard_address=None,
                # what goes wrong is raised here, too
                silence_logs=logging.CRITICAL,
            )
        )
        client = stack.enter_context(Client(address, loop=runner.loop))
        futures = client.map(partial(_do, job), batches, pure=False)
        for future in as_completed(futures):
            yield future.result()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Start threads that do not hear of Ctrl-C, nor do the processes that they start.

    It reaches all processes of a terminal, and Dask's show tracebacks.
    """
    if not hasattr(signal, 'pthread_sigmask'):  # Windows
        yield
        return
    # it would undo this for whoever starts the first process
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _do[Item](job: Callable[[Item], None], items: Sequence[Item]) -> int:
    """Do something with each of some items."""
    for item in items:
        job(item)
    return len(items)
