# SPDX-License-Identifier: MIT
"""Makes ``torchgeo fit --model tgfnet`` work with no import by the user.

TorchGeo has no plugin hook, but PyTorch calls the entry points of the group
``torch.backends`` at the end of ``import torch``. Ours only puts a finder in front
of the import system. When ``torchgeo.tasks`` has been executed, the finder imports
:mod:`torchgeo_vqa`, whose classes LightningCLI then knows by their short names.

This module stays outside the package and imports nothing of it, since every program
that imports torch pays for it. ``TORCHGEO_VQA_AUTOLOAD=0`` turns it off, and so does
PyTorch's own ``TORCH_DEVICE_BACKEND_AUTOLOAD=0``.
"""

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
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
