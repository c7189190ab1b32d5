# SPDX-License-Identifier: MIT
"""Trainer that fine-tunes CLIP on pairs and what is said about them.

If you use this trainer in your research, please cite the following papers:

* https://doi.org/10.48550/arXiv.2103.00020
* https://doi.org/10.1016/j.isprsjprs.2025.08.029
"""

import shlex
import warnings
from typing import Any, cast, override

import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torchgeo.datasets.utils import Sample
from torchmetrics import MeanMetric

from ..callbacks.data import adapt_images, data_module
from ..callbacks.defaults import default_callbacks
from ..callbacks.report import print_checkpoint
from ..models import pair_clip
from ..models.clip_checkpoint import KEY
from ..sample import MODALITIES
from .quiet import hide_notes
from .statement_loss import contrastive_loss, hits, make_statements
from .task import PairTask


class CLIPTask(PairTask):
    r"""Fine-tuning of CLIP on pairs of images and statements made of their questions.

    TGFNet's first stage: an optical tower, a SAR tower and a text tower learn to tell
    what is true of a pair from what is false. A model then starts from the checkpoint:

    .. code-block:: console

       $ torchgeo fit --model CLIPTask --data OSVQADataModule --data.root data
       $ torchgeo fit --model tgfnet --model.pretrained clip.ckpt \
           --data OSVQADataModule --data.root data

    The data module's ``questions_per_sample`` tells how many statements each pair brings.
    Each process contrasts the pairs of its own batch only: for more negatives on many
    devices, raise ``batch_size``.
    """

    monitor = 'val_recall'

    def __init__(
        self,
        clip: str = 'ViT-B-16',
        pretrained: str | None = None,
        share_image_encoder: bool = False,
        lr: float = 1e-5,
        weight_decay: float = 0.05,
        warmup: float = 0.05,
    ) -> None:
        """Initialize a new CLIPTask instance.

        Args:
            clip: Architecture, any of ``open_clip.list_models()``.
            pretrained: Weights to start from: one of open_clip's tags, such as 'openai',
                a local file of such weights, or a checkpoint of this task. None: random
                weights.
            share_image_encoder: If True, one tower encodes both images.
            lr: Peak learning rate.
            weight_decay: Weight decay of weight matrices (not of biases, norms and
                embeddings).
            warmup: Share of the steps over which the learning rate rises linearly; then
                it decays to 0 along a cosine.
        """
        hide_notes()
        super().__init__()

    @override
    def setup(self, stage: str) -> None:
        """Build the model for the data at hand, and adapt the data module to it.

        Raise a ValueError if there is no data module for questions, or its SAR images have
        other channels than the model takes.
        """
        dm = data_module(self.trainer)
        if self.model is None and self.trainer.ckpt_path is None:
            channels = {'optical': 3, 'sar': dm.sar_channels}
            self.model = pair_clip(
                self.hparams['clip'],
                self.hparams['pretrained'],
                {modality: channels[modality] for modality in dm.modalities},
                dm.image_size,
                self.hparams['share_image_encoder'],
            )
        if self.model is not None:
            self._adapt()

    def _adapt(self) -> None:
        """Make the data module use the model's image size."""
        config = self.model.config
        channels = config['in_channels'].get('sar')
        adapt_images(data_module(self.trainer), channels, config['image_size'])

    @override
    def configure_metrics(self) -> None:
        """Initialize the recall of the pair and of each modality."""
        self.metrics = nn.ModuleDict(
            {
                f'{stage}_recall{suffix}': MeanMetric()
                for stage in ('val', 'test')
                for suffix in ('', *(f'_{modality}' for modality in MODALITIES))
            }
        )

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save which CLIP it is."""
        checkpoint[KEY] = self.model.config

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Build the model of a checkpoint; a ValueError if it is one of another task."""
        if KEY not in checkpoint:
            raise ValueError(
                'the checkpoint holds no CLIP: it was not saved by CLIPTask'
            )
        if self.model is None or self.model.config != checkpoint[KEY]:
            with warnings.catch_warnings():  # of random weights: they are loaded next
                warnings.simplefilter('ignore', UserWarning)
                self.model = pair_clip(**checkpoint[KEY])
        if self._trainer is not None:
            self._adapt()

    @override
    def _shared_step(self, batch: Sample, stage: str) -> Tensor:
        statements = make_statements(batch, data_module(self.trainer).answers)
        images = {m: batch[f'image_{m}'] for m in MODALITIES if f'image_{m}' in batch}
        similarities: dict[str, Tensor] = self(images, statements.tokens)
        loss = torch.stack(
            [
                contrastive_loss(similarity, statements.true, statements.false)
                for similarity in similarities.values()
            ]
        ).mean()
        self._log_loss(stage, loss, len(batch['question']))
        if stage == 'train':
            return loss
        pair = torch.stack(list(similarities.values())).mean(0)
        for modality, similarity in {'': pair, **similarities}.items():
            name = f'{stage}_recall_{modality}'.removesuffix('_')
            metric = cast(MeanMetric, self.metrics[name])
            metric.update(hits(similarity, statements).float())
            self.log(name, metric, prog_bar=name == self.monitor, batch_size=1)
        return loss

    @override
    def teardown(self, stage: str) -> None:
        """Print where the checkpoint is, after the progress bar has had its last word."""
        rank_zero = stage == 'fit' and self.trainer.is_global_zero
        if rank_zero and (best := print_checkpoint(self.trainer)):
            option = f'--model.pretrained {shlex.quote(best)}'
            print(f'Start from it: torchgeo fit ... {option}')

    @override
    def configure_callbacks(self) -> list[Callback]:
        """Return callbacks that guard the run."""
        return default_callbacks(self.trainer)
