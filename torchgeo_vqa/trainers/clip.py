# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Trainer that fine-tunes CLIP on pairs and what is said about them.

If you use this trainer in your research, please cite the following papers:

* https://doi.org/10.48550/arXiv.2103.00020
* https://doi.org/10.1016/j.isprsjprs.2025.08.029
"""

import os
import shlex
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torchgeo.datasets.utils import Sample
from torchgeo.tasks import BaseTask
from torchmetrics import MeanMetric

from ..annotations.statement import statement_tokens
from ..callbacks.defaults import own_callbacks
from ..models import pair_clip
from ..models.clip_checkpoint import KEY
from ..models.vqa import trim
from ..sample import CONTEXT_LENGTH, MODALITIES
from .optimizer import adamw_with_cosine

# B pairs, K questions per pair (padded), Q questions in all, S unique statements, L tokens


class Statements(NamedTuple):
    """What is known about the pairs of a batch."""

    #: Token ids of the unique statements, (S, L).
    tokens: Tensor
    #: Statements known to be true of a pair, (B, S).
    true: Tensor
    #: Statements known to be false of a pair, (B, S).
    false: Tensor
    #: Pair of each question whose answer is known, (Q,).
    pair: Tensor
    #: Statement of each of these questions, (Q,).
    statement: Tensor
    #: Statements that answer the same question, the true one among them, (Q, S).
    choices: Tensor


def make_statements(batch: Sample, answers: Sequence[str]) -> Statements:
    """Turn the questions and answers of a batch into statements.

    The statement of a question and its answer is true of the pair; statements of other
    answers to the same question, which come from the other pairs of the batch, are
    false. Of all others nothing is known: that a pair was not asked about ships does
    not mean that it has none. One statement can be true of many pairs.

    They are made from the batch's own tokens and labels, since augmentation may have
    rewritten what the dataset says.

    Args:
        batch: Output of the data module: ``question`` (B, K, L), ``question_id`` and
            ``label`` (B, K).
        answers: Vocabulary that labels index. Answers outside it make no statement.

    Returns:
        The statements.
    """
    question, label = batch['question'], batch['label']
    pair, slot = (batch['question_id'] >= 0).nonzero(as_tuple=True)
    texts, asked = torch.unique(question[pair, slot], dim=0, return_inverse=True)
    label = label[pair, slot]

    # Which pair was asked what, whether or not the answer is in the vocabulary
    was_asked = torch.zeros(len(question), len(texts), device=question.device)
    was_asked[pair, asked] = 1

    known = label < len(answers)
    pair, asked, label = pair[known], asked[known], label[known]
    said, statement = torch.unique(asked * len(answers) + label, return_inverse=True)
    rows = [tuple(text[text != 0].tolist()) for text in texts.cpu()]
    spoken = [
        statement_tokens(rows[code // len(answers)], answers[code % len(answers)])
        for code in said.tolist()
    ]
    # Different questions may come to the same statement
    order = {tokens: i for i, tokens in enumerate(dict.fromkeys(spoken))}
    tokens = question.new_tensor(list(order)).reshape(-1, CONTEXT_LENGTH)
    statement = question.new_tensor([order[tokens] for tokens in spoken])[statement]

    answers_to = torch.zeros(len(texts), len(tokens), device=question.device)
    answers_to[asked, statement] = 1
    true = torch.zeros(
        len(question), len(tokens), dtype=torch.bool, device=question.device
    )
    true[pair, statement] = True
    false = (was_asked @ answers_to > 0) & ~true
    return Statements(trim(tokens), true, false, pair, statement, answers_to[asked] > 0)


def contrastive_loss(similarity: Tensor, true: Tensor, false: Tensor) -> Tensor:
    """Contrast what is true of a pair with what is false of it, and the other way round.

    As CLIP's loss, a cross-entropy over the statements of a pair and one over the pairs
    of a statement. Each positive stands against all negatives, and not against other
    positives, of which a pair and a statement may have many; what is neither counts not.
    open_clip's losses know only one positive, and take all others for negatives.

    Args:
        similarity: Scaled similarities, shape (B, S).
        true: Positives, shape (B, S).
        false: Negatives, shape (B, S).

    Returns:
        Scalar loss, 0 if no positive meets a negative.
    """
    losses = []
    for axis in (1, 0):
        negatives = similarity.masked_fill(~false, -torch.inf)
        against = negatives.logsumexp(axis, keepdim=True)
        counts = true & false.any(axis, keepdim=True)
        loss = F.softplus(against - similarity)[counts].sum()
        losses.append(loss / counts.sum().clamp(min=1))
    return torch.stack(losses).mean()


def hits(similarity: Tensor, statements: Statements) -> Tensor:
    """Tell for which questions the true statement is the nearest to the pair.

    This is recall at 1, question by question, among the statements that answer the same
    question; or in other words, the accuracy of CLIP as it is, with no head for answers.

    Args:
        similarity: Similarities, shape (B, S).
        statements: The statements.

    Returns:
        bool for each question to which the batch has other answers, too.
    """
    _, _, _, pair, statement, choices = statements
    several = choices.sum(1) > 1
    pair, statement, choices = pair[several], statement[several], choices[several]
    scores = similarity[pair].masked_fill(~choices, -torch.inf)
    # In a tie none is the nearest, or a model that tells nothing apart would score best
    return (scores >= similarity[pair, statement][:, None]).sum(1) == 1


class CLIPTask(BaseTask):
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

    ignore = None
    monitor = 'val_recall'
    mode = 'max'

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
        super().__init__()

    def configure_models(self) -> None:
        """Wait for the data: the model is built once its modalities are known."""
        self.model: Any = None

    def setup(self, stage: str) -> None:
        """Build the model for the data at hand.

        Args:
            stage: 'fit', 'validate', 'test' or 'predict'.

        Raises:
            ValueError: If there is no data module for questions, or its SAR images have
                other channels than the model takes.
        """
        dm: Any = getattr(self.trainer, 'datamodule', None)
        if not hasattr(dm, 'set_answers'):
            raise ValueError(
                f'CLIPTask needs a data module with questions, got {type(dm).__name__}; '
                'use --data OSVQADataModule --data.root <folder>, or OSVQAMiniDataModule'
            )
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
            self._agree(dm)

    def _agree(self, dm: Any) -> None:
        """Make the data module use the model's image size; check its SAR images."""
        config = self.model.config
        channels = config['in_channels'].get('sar')
        if 'sar' in dm.modalities and dm.sar_channels != channels:
            raise ValueError(
                f'the model takes SAR images of {channels} channels, but those of the '
                f'dataset have {dm.sar_channels}'
            )
        if dm.image_size is None:
            dm.image_size = config['image_size']

    def configure_metrics(self) -> None:
        """Initialize the recall of the pair and of each modality."""
        self.metrics = nn.ModuleDict(
            {
                f'{stage}_recall{suffix}': MeanMetric()
                for stage in ('val', 'test')
                for suffix in ('', *(f'_{modality}' for modality in MODALITIES))
            }
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save which CLIP it is.

        Args:
            checkpoint: Checkpoint to save.
        """
        checkpoint[KEY] = self.model.config

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Build the model of a checkpoint.

        Args:
            checkpoint: Loaded checkpoint.

        Raises:
            ValueError: If the checkpoint is not one of this task.
        """
        if KEY not in checkpoint:
            raise ValueError(
                'the checkpoint holds no CLIP: it was not saved by CLIPTask'
            )
        if self.model is None or self.model.config != checkpoint[KEY]:
            with warnings.catch_warnings():  # of random weights: they are loaded next
                warnings.simplefilter('ignore', UserWarning)
                self.model = pair_clip(**checkpoint[KEY])
        if self._trainer is not None:
            self._agree(self.trainer.datamodule)  # type: ignore[attr-defined]

    def _shared_step(self, batch: Sample, stage: str) -> Tensor:
        """Forward pass, loss and metrics of all stages.

        Args:
            batch: Output of the data module.
            stage: One of 'train', 'val' or 'test'.

        Returns:
            Scalar loss.
        """
        dm: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        statements = make_statements(batch, dm.answers)
        images = {m: batch[f'image_{m}'] for m in MODALITIES if f'image_{m}' in batch}
        similarities = self(images, statements.tokens)
        loss = torch.stack(
            [
                contrastive_loss(similarity, statements.true, statements.false)
                for similarity in similarities.values()
            ]
        ).mean()
        training = stage == 'train'
        size = len(batch['question'])
        self.log(
            f'{stage}_loss',
            loss,
            batch_size=size,
            prog_bar=training,
            sync_dist=not training,
        )
        if not training:
            pair = torch.stack(list(similarities.values())).mean(0)
            self._log_recall(f'{stage}_recall', pair, statements)
            for modality, similarity in similarities.items():
                self._log_recall(f'{stage}_recall_{modality}', similarity, statements)
        return loss

    def _log_recall(
        self, name: str, similarity: Tensor, statements: Statements
    ) -> None:
        """Log how often the true answer's statement is the nearest to its pair."""
        metric: Any = self.metrics[name]
        metric.update(hits(similarity, statements).float())
        self.log(name, metric, prog_bar=name == self.monitor, batch_size=1)

    def training_step(self, batch: Sample, batch_idx: int) -> Tensor:
        """Compute the training loss.

        Args:
            batch: Output of the data module.
            batch_idx: Index of the batch.

        Returns:
            Scalar loss.
        """
        return self._shared_step(batch, 'train')

    def validation_step(self, batch: Sample, batch_idx: int) -> None:
        """Compute the validation loss and recall.

        Args:
            batch: Output of the data module.
            batch_idx: Index of the batch.
        """
        self._shared_step(batch, 'val')

    def test_step(self, batch: Sample, batch_idx: int) -> None:
        """Compute the test loss and recall.

        Args:
            batch: Output of the data module.
            batch_idx: Index of the batch.
        """
        self._shared_step(batch, 'test')

    def teardown(self, stage: str) -> None:
        """Say where the checkpoint is, after the progress bar has had its last word.

        Args:
            stage: 'fit', 'validate', 'test' or 'predict'.
        """
        best = getattr(self.trainer.checkpoint_callback, 'best_model_path', '')
        if stage == 'fit' and best and self.trainer.is_global_zero:
            best = os.path.relpath(best)
            print(f'Checkpoint: {best}')
            print(
                f'Start from it: torchgeo fit ... --model.pretrained {shlex.quote(best)}'
            )

    def configure_callbacks(self) -> list[Callback]:
        """Make stopping cost nothing.

        Returns:
            The callbacks, but those that the user brings.
        """
        return own_callbacks(self.trainer)

    def configure_optimizers(self) -> Any:
        """Initialize AdamW with warm-up and cosine decay.

        Returns:
            Optimizer and learning rate scheduler.
        """
        return adamw_with_cosine(
            self.model,
            lambda name: self.hparams['lr'],
            self.hparams['weight_decay'],
            self.hparams['warmup'],
            self.trainer,
        )
