# SPDX-License-Identifier: MIT
"""Makes ``torchgeo fit --model tgfnet`` work with no import, and Ctrl-C end in one line.

TorchGeo has no plugin hook, but PyTorch calls the entry points of the group
``torch.backends`` at the end of ``import torch``. Ours only puts a finder in front
of the import system. When ``torchgeo.tasks`` has been executed, the finder imports
:mod:`torchgeo_vqa`, whose classes LightningCLI then knows by their short names.

From `import torch` on, Ctrl-C ends ``torchgeo`` in one line, until a task that is not
ours takes over; ``torchgeo-vqa`` it does from the start (see `Interrupt`).

This module stays outside the package and imports nothing of it, since every program
that imports torch pays for it. ``TORCHGEO_VQA_AUTOLOAD=0`` turns it off, and so does
PyTorch's own ``TORCH_DEVICE_BACKEND_AUTOLOAD=0``.
"""

import atexit
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import FrameType, ModuleType, TracebackType
from typing import Any

# torchgeo.main imports torch first and torchgeo.tasks later, so the command line
# always meets the first name. The second serves a program whose first import is
# torchgeo.tasks itself: torch, and so this finder, then come in the middle of it.
HOSTS = ('torchgeo.tasks', 'torchgeo.main')


def autoload() -> None:
    """Arrange for the plugin to be imported with TorchGeo (entry point)."""
    there = any(isinstance(finder, HostFinder) for finder in sys.meta_path)
    if not there and os.environ.get('TORCHGEO_VQA_AUTOLOAD') != '0':
        sys.meta_path.insert(0, HostFinder())
        interrupt.start('torchgeo')


class HostFinder:
    """Finds one of `HOSTS` as Python would, and imports the plugin after it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Have the plugin imported once a host has been executed.

        Args:
            name: Full name of the module that is being imported.
            path: Where to look for it, see :class:`importlib.abc.MetaPathFinder`.
            target: Module to be reloaded, if any.

        Returns:
            The host's own specification with a loader that imports the plugin when
            the host is done, or None for any other module.
        """
        if name not in HOSTS:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, 'find_spec'):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                self._follow(spec)
                return spec
        return None

    def _follow(self, spec: ModuleSpec) -> None:
        """Import the plugin after the module of this specification."""
        loader: Any = spec.loader
        if not hasattr(loader, 'exec_module'):
            return  # not Python source; there is nothing to follow

        def exec_module(module: ModuleType) -> None:
            del loader.exec_module  # this function; the class's own is there again
            loader.exec_module(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
                import_plugin()

        # Every module has a loader of its own, so no other import sees this one.
        loader.exec_module = exec_module


def import_plugin() -> None:
    """Import the plugin; if it is broken, say so and let TorchGeo go on."""
    try:
        import torchgeo_vqa.quickstart

        torchgeo_vqa.quickstart.start_quickstart()
    except Exception as error:  # noqa: BLE001  # whatever it is, TorchGeo goes on
        import warnings

        warnings.warn(
            'torchgeo-vqa could not be imported, TorchGeo goes on without it '
            f'({type(error).__name__}: {error}). Set TORCHGEO_VQA_AUTOLOAD=0 to '
            'leave it out from the start.'
        )
    finally:
        interrupt.hand_back()


class Interrupt:
    """Ends a command at Ctrl-C (SIGINT) in one line, with the exit status 130.

    While modules are imported, the process ends at once: there is nothing to clean up, and
    some take an exception for a fault of theirs. Later on, SystemExit is raised, since
    Lightning, Gradio and Dask have other ideas of a KeyboardInterrupt.
    """

    def __init__(self) -> None:
        """Initialize a new Interrupt instance."""
        self._command = ''
        self._process = self._count = 0
        self._at_once = True
        self._exit = SystemExit(130)

    def start(self, command: str) -> None:
        """End the process at once from now on, if it runs this command."""
        if (
            running_command() != command
            or threading.current_thread() is not threading.main_thread()
            # as in the background of a shell, or another one's
            or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        ):
            return
        self._command, self._process = command, os.getpid()
        is_worker = multiprocessing.parent_process() is not None
        signal.signal(signal.SIGINT, signal.SIG_IGN if is_worker else self)

    def hand_back(self) -> None:
        """Leave it to Python again, but for its traceback: TorchGeo may run other tasks."""
        handler: object = signal.getsignal(signal.SIGINT)
        if handler is self:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            sys.excepthook = self._show

    def clean_up(self) -> None:
        """Raise SystemExit from now on, if the command is started."""
        started = self, signal.default_int_handler
        if self._process == os.getpid() and signal.getsignal(signal.SIGINT) in started:
            self._at_once = False
            signal.signal(signal.SIGINT, self)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if os.getpid() != self._process:
            return  # a forked worker, which this process ends
        self._count += 1
        if self._count == 1:
            self._say()
        # The second may be the same, passed on by a parent; a third is impatience
        if self._at_once or self._count > 2:
            os._exit(130)
        if self._count == 1:
            if hasattr(signal, 'setitimer'):  # not on Windows
                signal.signal(signal.SIGALRM, self._insist)
                signal.setitimer(signal.ITIMER_REAL, 1, 1)
                atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)
            raise self._exit

    def _insist(self, number: int, frame: FrameType | None) -> None:
        """Raise it again if some library has caught it, as when a checkpoint is written."""
        handled = sys.exception()
        while handled not in (None, self._exit):
            handled = handled.__context__  # type: ignore[union-attr]
        if handled is None and threading.main_thread().is_alive():
            raise self._exit

    def _say(self) -> None:
        """Write the line, below a progress bar."""
        if os.environ.get('LOCAL_RANK', '0') == '0':
            start = '\n' if os.isatty(2) else ''
            os.write(2, f'{start}{self._command}: interrupted\n'.encode())

    def _show(
        self,
        kind: type[BaseException],
        error: BaseException,
        traceback: TracebackType | None,
    ) -> None:
        """Show an error that ends the program."""
        if not issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, traceback)
            return
        self._say()
        sys.exit(130)


def running_command() -> str:
    """Return the name of the program that runs, whether started as such or as a module."""
    program = Path(*sys.argv[:1])
    name = program.name.removesuffix('.exe')
    if name == '__main__.py':
        name = program.parent.name
    elif name == '-m':  # its package is being imported
        name = sys.orig_argv[sys.orig_argv.index('-m') + 1]
    return name.replace('_', '-')


interrupt = Interrupt()
