# SPDX-License-Identifier: MIT
"""Caches of what CLIP's towers return, switched on while their weights stay the same."""

from typing import override

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from ..models import ImageEncoder, ImageFeatureCache, TextEncoder, TextFeatureCache
from ..storage import cache_folder
from .data import data_module


class FeatureCache(Callback):
    """Keeps features of images on disk and features of questions in memory.

    A question is encoded once in an evaluation, and once in a training if the text tower
    is frozen. Images are kept in training if the task's argument ``feature_cache`` is
    set, which needs frozen image towers and images that are the same in every epoch.
    """

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Raise ValueError if images to be kept are augmented."""
        dm = data_module(trainer)
        if stage == 'fit' and pl_module.hparams['feature_cache'] and dm.augments:
            changed = ', '.join(f'{name}={v}' for name, v in dm.augments.items())
            raise ValueError(
                'feature_cache keeps features of images that are the same in every '
                f'epoch, but the data module augments them ({changed}): turn that off '
                '(--data.augmentation.geometry false), or use feature_cache=False'
            )

    @override
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        folder = pl_module.hparams['feature_cache']
        if folder is True:
            folder = cache_folder() / 'features'
        for module in pl_module.modules():
            if folder and isinstance(module, ImageEncoder):
                module.cache = ImageFeatureCache(folder, module)

    @override
    def on_train_epoch_start(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> None:
        """Start a cache of questions, or keep it while their features cannot change."""
        for module in pl_module.modules():
            if isinstance(module, TextEncoder):
                if any(p.requires_grad for p in module.parameters()):
                    module.cache = None if pl_module.training else TextFeatureCache()
                else:
                    module.cache = module.cache or TextFeatureCache()

    on_validation_epoch_start = on_test_epoch_start = on_train_epoch_start
    on_predict_epoch_start = on_train_epoch_start

    @override
    def teardown(
        self, trainer: Trainer, pl_module: LightningModule, stage: str
    ) -> None:
        for module in pl_module.modules():
            if isinstance(module, ImageEncoder | TextEncoder):
                module.cache = None
