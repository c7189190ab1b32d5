# SPDX-License-Identifier: MIT
"""Random numbers that continue after a restart."""

import random
from typing import Any, override

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback


class RandomState(Callback):
    """Keeps the state of all random numbers with a checkpoint.

    A training that goes on from the checkpoint of the end of an epoch then draws the same
    tiles, questions and augmentations as if it had never been stopped. Lightning itself
    keeps the weights and the optimizer, but no random numbers.

    Worker processes of data loaders (``num_workers``) have random numbers of their own,
    which are not kept, and with several devices all go on with those of the first.
    """

    def __init__(self) -> None:
        """Initialize a new RandomState instance."""
        super().__init__()
        self._sampler: Any = None
        self._loaded: dict[str, Any] | None = None

    @override
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        dm: Any = trainer.datamodule  # type: ignore[attr-defined]
        self._sampler = getattr(dm, 'train_sampler', None)

    @override
    def on_train_epoch_start(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> None:
        state, self._loaded = self._loaded, None
        if state is None:
            return
        random.setstate(state['python'])
        np.random.set_state(('MT19937', *state['numpy']))  # noqa: NPY002
        torch.set_rng_state(state['torch'])
        if len(state['cuda']) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state['cuda'])
        generator = self._generator()
        if generator is not None and state['sampler'] is not None:
            generator.bit_generator.state = state['sampler']

    def _generator(self) -> np.random.Generator | None:
        """Return the random numbers of the sampler."""
        generator = getattr(self._sampler, 'generator', None)
        return generator if isinstance(generator, np.random.Generator) else None

    @override
    def state_dict(self) -> dict[str, Any]:
        """Return numbers, lists and tensors: a checkpoint must not need pickled code."""
        _, keys, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002
        generator = self._generator()
        return {
            'python': random.getstate(),
            'numpy': (keys.tolist(), position, has_gauss, gauss),
            'torch': torch.get_rng_state(),
            'cuda': torch.cuda.get_rng_state_all(),
            'sampler': None if generator is None else generator.bit_generator.state,
        }

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the state for the next epoch."""
        self._loaded = state_dict
