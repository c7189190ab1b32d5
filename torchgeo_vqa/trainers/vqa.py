# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Trainer for visual question answering."""

import inspect
import math
import os
import shlex
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Self, cast

import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torchgeo.datasets.utils import Sample
from torchgeo.models import get_model
from torchgeo.tasks import BaseTask

from ..callbacks.defaults import own_callbacks
from ..callbacks.prediction import PredictionWriter
from ..callbacks.report import as_report, print_report, write_report
from ..metrics import VQAAccuracy
from ..models import (
    ImageEncoder,
    ImageFeatureCache,
    TextEncoder,
    TextFeatureCache,
    TGFNet_Weights,
    VQAOutput,
    register,
)
from ..models.api import builder
from ..prediction.answer import Answer, as_batch, in_words
from ..prediction.explanation import Explanation, as_explanation
from ..storage import cache_folder
from .optimizer import adamw_with_cosine

#: Version that checkpoints are saved with.
VERSION = version('torchgeo-vqa')

# Arguments that decide on the weights a model has
_ARCHITECTURE = ('model', 'model_args')

# Q questions, A answers


class VQATask(BaseTask):
    """Visual question answering on optical and SAR images.

    The number of answers, the question types, the modalities and the normalisation come
    from the data module and are saved with the checkpoint: a loaded task answers in words
    with no dataset at hand.

    .. code-block:: python

       task = VQATask.load_from_checkpoint('last.ckpt')
       task.ask(optical, sar, ['How many ships are there?'])
    """

    ignore = None
    monitor = 'val_OA'
    mode = 'max'

    def __init__(
        self,
        model: str = 'tgfnet',
        pretrained: str | None = None,
        model_args: dict[str, Any] | None = None,
        lr: float = 1e-4,
        clip_lr: float = 1e-5,
        weight_decay: float = 0.05,
        warmup: float = 0.05,
        label_smoothing: float = 0.0,
        expert_loss_weight: float = 0.3,
        routing_loss_weight: float = 0.1,
        freeze_clip: bool | Literal['image', 'text'] = False,
        feature_cache: bool | str = False,
        chunk_size: int | Literal['auto'] = 'auto',
        compile: bool | str = False,
    ) -> None:
        """Initialize a new VQATask instance.

        Args:
            model: Name of a model for visual question answering in TorchGeo's zoo, such
                as 'tgfnet' or 'tgfnet_tiny'.
            pretrained: Weights CLIP starts from: one of open_clip's tags, such as
                'openai', or a local file. None: random weights.
            model_args: Further arguments of the model's builder, e.g. ``{'clip':
                'ViT-L-14', 'rqaf': False}``.
            lr: Peak learning rate of refinement and fusion.
            clip_lr: Peak learning rate of the CLIP towers.
            weight_decay: Weight decay of weight matrices (not of biases, norms and
                embeddings).
            warmup: Share of the steps over which the learning rates rise linearly; then
                they decay to 0 along a cosine.
            label_smoothing: Label smoothing of the cross-entropy, in [0, 1].
            expert_loss_weight: Weight of the mean of the experts' own cross-entropies.
            routing_loss_weight: Weight of the routers' divergence from where the experts
                looked, of models that route.
            freeze_clip: Whether to keep CLIP's weights: both towers (True), the 'image'
                towers or the 'text' tower.
            feature_cache: Whether to keep what frozen image towers return on disk, in the
                user's cache folder or in the one given, so that an image is encoded
                once and not in every epoch. It needs images that are the same in every
                epoch: no augmentation. TGFNet on ViT-B-16 takes 0.6 MB for each image.
            chunk_size: Number of questions answered at once in evaluation, bounds the
                memory. 'auto': as many as suit the device.
            compile: Whether to compile the model with :func:`torch.compile`, or the name
                of the backend that does it. The first steps take minutes.

        Raises:
            ValueError: If *model* is not one of ours, *model_args* has an argument
                that its builder does not, or *feature_cache* is used although the image
                towers are not frozen.
        """
        if feature_cache and freeze_clip not in (True, 'image'):
            raise ValueError(
                'feature_cache keeps what frozen image towers return, but freeze_clip='
                f"{freeze_clip!r}; use freeze_clip=True or 'image'"
            )
        register()
        accepted = inspect.signature(builder(model)).parameters
        unknown = sorted(set(model_args or ()) - set(accepted))
        if unknown:
            raise ValueError(
                f'{model} has no argument {", ".join(unknown)}, model_args may hold '
                f'{", ".join(p for p in accepted if p != "num_answers")}'
            )
        #: What the task knows of its data: answers, question_types, groups, modalities,
        #: sar_channels, image_size and statistics. None until a data module or a
        #: checkpoint tells.
        self.metadata: dict[str, Any] | None = None
        self._reports: dict[str, dict[str, Any]] = {}
        # What the last checkpoint says of where it comes from
        self._saved_as: dict[str, Any] = {}
        super().__init__()

    @classmethod
    def from_weights(cls, weights: TGFNet_Weights | str) -> Self:
        """Make a task that answers with weights that come with the package.

        Args:
            weights: The weights or their name, such as 'TGFNet_Weights.TINY_OSVQA_MINI'.

        Returns:
            The task.

        Raises:
            KeyError: If there are no such weights.
        """
        own: TGFNet_Weights = TGFNet_Weights.verify(weights)
        task = cls(own.meta['model'])
        task._build_for(own.metadata)
        task.model.load_state_dict(own.get_state_dict())
        return task.eval()

    def configure_models(self) -> None:
        """Wait for the data: the model is built once the answers are known."""
        self.model: Any = None

    def _build(self, pretrained: str | None) -> None:
        """Build the model for the data at hand.

        Args:
            pretrained: Weights CLIP starts from.
        """
        assert self.metadata is not None
        args = {'image_size': self.metadata['image_size']}
        args |= {k: self.metadata[k] for k in ('modalities', 'sar_channels')}
        args |= self.hparams['model_args'] or {}
        self.model = get_model(
            self.hparams['model'],
            num_answers=len(self.metadata['answers']),
            pretrained=pretrained,
            **args,
        )
        self.metadata['image_size'] = self.model.image_size
        frozen = self.hparams['freeze_clip']
        towers = {'image': 'image_encoders', 'text': 'text_encoder'}
        self._frozen: list[nn.Module] = [
            _tower(self.model, name, frozen)
            for kind, name in towers.items()
            if frozen in (True, kind)
        ]
        for module in self._frozen:
            module.requires_grad_(False).eval()
        if compiler := self.hparams['compile']:
            self.model.compile(backend='inductor' if compiler is True else compiler)

    def _build_for(self, metadata: dict[str, Any]) -> None:
        """Build a model whose weights are loaded next.

        Args:
            metadata: What is known of its data.
        """
        self.metadata = metadata
        with warnings.catch_warnings():  # of random weights
            warnings.simplefilter('ignore', UserWarning)
            self._build(pretrained=None)

    def train(self, mode: bool = True) -> 'VQATask':
        """Set training mode; frozen towers stay in evaluation mode.

        Args:
            mode: Whether to train.

        Returns:
            The task.
        """
        super().train(mode)
        for module in getattr(self, '_frozen', ()):
            module.eval()
        return self

    def setup(self, stage: str) -> None:
        """Learn from the data module what the model needs, and build it.

        Args:
            stage: 'fit', 'validate', 'test' or 'predict'.

        Raises:
            ValueError: If there is no data module for questions, or its SAR images have
                other channels than the model takes.
        """
        dm: Any = getattr(self.trainer, 'datamodule', None)
        if not hasattr(dm, 'set_answers'):
            raise ValueError(
                f'VQATask needs a data module with questions, got {type(dm).__name__}; '
                'use --data OSVQADataModule --data.root <folder>, or OSVQAMiniDataModule'
            )
        if self.metadata is None:
            metadata = {
                'answers': list(dm.answers),
                'question_types': list(dm.question_types),
                'groups': list(dm.groups),
                'modalities': list(dm.modalities),
                'sar_channels': dm.sar_channels,
                'image_size': dm.image_size,
                'statistics': dm.statistics,
            }
            if stage == 'fit':
                self.metadata = metadata
                self._build(self.hparams['pretrained'])
            else:
                # Weights of CLIP that a checkpoint replaces need not be there
                self._build_for(metadata)
        self._agree(dm)
        if stage == 'fit' and self.hparams['feature_cache'] and dm.augments:
            changed = ', '.join(f'{name}={v}' for name, v in dm.augments.items())
            raise ValueError(
                'feature_cache keeps features of images that are the same in every '
                f'epoch, but the data module augments them ({changed}): turn that off '
                '(--data.augmentation.geometry false), or use feature_cache=False'
            )
        for split in ('val', 'test'):
            sizes = len(dm.question_types), len(dm.groups)
            setattr(self, f'{split}_metric', VQAAccuracy(*sizes))
            setattr(self, f'{split}_blind', VQAAccuracy(*sizes))

    def _agree(self, dm: Any) -> None:
        """Make the data module use the model's vocabulary, normalisation and size."""
        assert self.metadata is not None
        if 'sar' in dm.modalities and dm.sar_channels != self.metadata['sar_channels']:
            raise ValueError(
                f'the model takes SAR images of {self.metadata["sar_channels"]} channels, '
                f'but those of the dataset have {dm.sar_channels}'
            )
        if tuple(dm.answers) != tuple(self.metadata['answers']):
            dm.set_answers(self.metadata['answers'])
        dm.statistics = self.metadata['statistics']
        if dm.image_size is None:
            dm.image_size = self.metadata['image_size']

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save what the task knows of its data.

        Args:
            checkpoint: Checkpoint to save.
        """
        checkpoint['vqa'] = self.metadata
        checkpoint['torchgeo_vqa_version'] = VERSION

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore what the task knows of its data, and build the model for it.

        Args:
            checkpoint: Loaded checkpoint.

        Raises:
            ValueError: If the checkpoint is not one of this task.
        """
        if 'vqa' not in checkpoint:
            raise ValueError(
                'the checkpoint holds no vocabulary: it was not saved by VQATask'
            )
        arguments = checkpoint['hyper_parameters']
        self._saved_as = {name: arguments.get(name) for name in _ARCHITECTURE}
        self._saved_as['torchgeo-vqa'] = checkpoint.get('torchgeo_vqa_version')
        if self.model is None or self.metadata != checkpoint['vqa']:
            self._build_for(checkpoint['vqa'])
        if self._trainer is not None:
            self._agree(self.trainer.datamodule)  # type: ignore[attr-defined]

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Load weights.

        Args:
            *args: Arguments of :meth:`torch.nn.Module.load_state_dict`.
            **kwargs: Its keyword arguments.

        Returns:
            Missing and unexpected keys.

        Raises:
            RuntimeError: If they do not fit the model.
        """
        try:
            return super().load_state_dict(*args, **kwargs)
        except RuntimeError as error:
            own = {name: self.hparams[name] for name in _ARCHITECTURE}
            own['torchgeo-vqa'] = VERSION
            differ = ', '.join(
                f'{name} {value!r} (here {own[name]!r})'
                for name, value in self._saved_as.items()
                if value != own[name]
            )
            raise RuntimeError(
                f'the weights do not fit the model; they were saved with {differ or own}: '
                'give what they were trained with, which stands in the config.yaml of '
                f'their run\n{error}'
            ) from error

    def forward(self, *args: Any, **kwargs: Any) -> VQAOutput:
        """Forward pass of the model.

        Args:
            *args: Arguments of the model.
            **kwargs: Keyword arguments of the model.

        Returns:
            Output of the model.
        """
        output: VQAOutput = self.model(*args, **kwargs)
        return output

    def _loss(self, logits: Tensor, expert_logits: Tensor, label: Tensor) -> Tensor:
        """Cross-entropy of the blend and of the experts.

        Args:
            logits: Logits of the answers, shape (Q, A).
            expert_logits: Logits of each expert, shape (Q, E, A).
            label: True answers, shape (Q,); those outside the vocabulary cannot be
                learned and do not count.

        Returns:
            Scalar loss.
        """
        known = label < logits.shape[1]
        smoothing = self.hparams['label_smoothing']
        target = label[known]
        # Of no question, the sum is 0 where the mean is not a number
        share = 1 / max(1, len(target))

        def cross_entropy(logits: Tensor) -> Tensor:
            loss = F.cross_entropy(
                logits[known].float(),
                target,
                reduction='sum',
                label_smoothing=smoothing,
            )
            return loss * share

        loss = cross_entropy(logits)
        if expert_logits.shape[1] > 1:
            own = [cross_entropy(expert) for expert in expert_logits.unbind(1)]
            loss = loss + self.hparams['expert_loss_weight'] * torch.stack(own).mean()
        return loss

    def _shared_step(self, batch: Sample, stage: str) -> Tensor:
        """Forward pass, loss and metrics of all stages.

        Args:
            batch: Output of the data module.
            stage: One of 'train', 'val' or 'test'.

        Returns:
            Scalar loss.
        """
        real = batch['question_id'] >= 0
        label = batch['label'][real]
        chunk_size = None if stage == 'train' else self.hparams['chunk_size']
        output = self(batch, chunk_size=chunk_size)
        loss = self._loss(output.logits, output.expert_logits, label)
        if output.routing_loss is not None and len(label):
            loss = (
                loss + self.hparams['routing_loss_weight'] * output.routing_loss.mean()
            )
        size = max(1, len(label))
        self.log(
            f'{stage}_loss',
            loss,
            batch_size=size,
            prog_bar=stage == 'train',
            sync_dist=stage != 'train',
        )
        if stage == 'train':
            with torch.no_grad():
                accuracy = (output.logits.argmax(-1) == label).float().mean()
            self.log('train_OA', accuracy, batch_size=size, prog_bar=True)
            return loss
        kinds = batch['question_type'][real]
        group = batch['group'][real] if 'group' in batch else None
        self._metric(stage).update(output.logits.argmax(-1), label, kinds, group)
        dm: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        ids = batch['question_id'][real].cpu()
        blind = dm.blind_labels(stage, ids).to(label.device)
        self._metric(stage, 'blind').update(blind, label, kinds, group)
        return loss

    def on_fit_start(self) -> None:
        """Start the cache of what frozen image towers return."""
        folder = self.hparams['feature_cache']
        if folder is True:
            folder = cache_folder() / 'features'
        for module in self.model.modules():
            if folder and isinstance(module, ImageEncoder):
                module.cache = ImageFeatureCache(folder, module)

    def on_train_epoch_start(self) -> None:
        """Remember questions if the text tower is frozen."""
        self._remember_questions()

    def on_validation_epoch_start(self) -> None:
        """Remember questions: weights do not change while validating."""
        self._remember_questions()

    def on_test_epoch_start(self) -> None:
        """Remember questions: weights do not change while testing."""
        self._remember_questions()

    def on_predict_epoch_start(self) -> None:
        """Remember questions: weights do not change while predicting."""
        self._remember_questions()

    def _remember_questions(self) -> None:
        """Encode no question twice, unless its features have changed since."""
        for module in self.model.modules():
            if isinstance(module, TextEncoder):
                if any(p.requires_grad for p in module.parameters()):
                    module.cache = None if self.training else TextFeatureCache()
                else:
                    module.cache = module.cache or TextFeatureCache()

    def _metric(self, stage: str, kind: str = 'metric') -> VQAAccuracy:
        """Metric of a stage."""
        metric: VQAAccuracy = getattr(self, f'{stage}_{kind}')
        return metric

    def training_step(self, batch: Sample, batch_idx: int) -> Tensor:
        """Compute the training loss.

        Args:
            batch: Output of the data module.
            batch_idx: Index of the batch.

        Returns:
            Scalar loss.
        """
        return self._shared_step(batch, 'train')

    def on_train_batch_end(self, outputs: Any, batch: Sample, batch_idx: int) -> None:
        """Stop where the loss has become useless.

        Args:
            outputs: Output of :meth:`training_step`.
            batch: Output of the data module.
            batch_idx: Index of the batch.

        Raises:
            FloatingPointError: If the loss is not finite.
        """
        # Not at every step, since a GPU would have to wait
        if batch_idx % self.trainer.log_every_n_steps:  # type: ignore[attr-defined]
            return
        loss = float(outputs['loss'])
        if not math.isfinite(loss):
            raise FloatingPointError(
                f'the training loss is {loss} in epoch {self.current_epoch}, batch '
                f'{batch_idx}: lower lr={self.hparams["lr"]} and '
                f'clip_lr={self.hparams["clip_lr"]}, or set '
                '--trainer.gradient_clip_val 1.0'
            )

    def validation_step(self, batch: Sample, batch_idx: int) -> None:
        """Compute the validation loss and metrics.

        Args:
            batch: Output of the data module.
            batch_idx: Index of the batch.
        """
        self._shared_step(batch, 'val')

    def test_step(self, batch: Sample, batch_idx: int) -> None:
        """Compute the test loss and metrics.

        Args:
            batch: Output of the data module.
            batch_idx: Index of the batch.
        """
        self._shared_step(batch, 'test')

    def _epoch_end(self, stage: str) -> dict[str, Any]:
        """Log and reset the metrics of a stage, and report them."""
        results, blind = (self._metric(stage, k).compute() for k in ('metric', 'blind'))
        for name in ('OA', 'AA'):
            self.log(f'{stage}_{name}', results[name].float(), prog_bar=True)
        for kind in ('metric', 'blind'):
            self._metric(stage, kind).reset()
        dm: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        return as_report(
            results,
            blind,
            dm.question_types,
            dm.groups,
            dm.dataset_for(stage).coverage,
            dm.convention,
        )

    def on_validation_epoch_end(self) -> None:
        """Log the validation metrics."""
        report = self._epoch_end('val')
        if not self.trainer.sanity_checking:  # a few batches, before any training
            self._reports['val'] = report

    def on_test_epoch_end(self) -> None:
        """Log the test metrics."""
        self._reports['test'] = self._epoch_end('test')

    def teardown(self, stage: str) -> None:
        """Report on the run, after the progress bar has had its last word.

        Args:
            stage: 'fit', 'validate', 'test' or 'predict'.
        """
        # Every process takes part in asking for the folder, one reports
        folder = Path(self.trainer.log_dir or self.trainer.default_root_dir)
        if self.trainer.is_global_zero:
            self._report(stage, folder)
        self._reports.clear()
        for module in self.model.modules():
            if isinstance(module, ImageEncoder | TextEncoder):
                module.cache = None

    def _report(self, stage: str, folder: Path) -> None:
        """Print and write the numbers of a run, and say what to do next."""
        if report := self._reports.get('test'):
            print_report(report, 'Test')
            write_report(report, folder / 'test_metrics.json')
            print(f'Metrics: {folder / "test_metrics.json"}')
        if report := self._reports.get('val'):
            print_report(report, 'Validation')
        best = getattr(self.trainer.checkpoint_callback, 'best_model_path', '')
        if stage == 'fit' and best:
            best = os.path.relpath(best)
            print(f'Checkpoint: {best}')
            config = folder / 'config.yaml'
            if config.exists():  # the run was started from the command line
                command = ['torchgeo', 'test', '--config', os.path.relpath(config)]
                print(f'Test it: {shlex.join([*command, "--ckpt_path", best])}')

    def predict_step(self, batch: Sample, batch_idx: int) -> dict[str, Any]:
        """Answer the questions of a batch.

        Args:
            batch: Output of the data module.
            batch_idx: Index of the batch.

        Returns:
            Columns of :class:`~torchgeo_vqa.trainers.PredictionWriter`'s file.
        """
        assert self.metadata is not None
        output = self(batch, chunk_size=self.hparams['chunk_size'])
        probability, index = output.logits.float().softmax(-1).max(-1)
        ids = batch['question_id'][batch['question_id'] >= 0].cpu()
        dm: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        dataset = dm.dataset_for('predict')
        answers = self.metadata['answers']
        columns: dict[str, Any] = {
            'location': dataset.location(ids),
            'question_type': dataset.question_type(ids),
            'question': dataset.question_text(ids),
            'answer': [answers[i] for i in index.tolist()],
            'probability': probability.cpu().numpy(),
            'target': dataset.answer_text(ids),
        }
        weights = output.expert_weights.float().cpu().numpy()
        for name, column in zip(self.model.expert_names, weights.T, strict=True):
            columns[f'expert_weight_{name}'] = np.ascontiguousarray(column)
        if hasattr(dataset, 'footprint'):
            columns['geometry'] = dataset.footprint(ids)
        return columns

    def configure_callbacks(self) -> list[Callback]:
        """Write what `predict` predicts, and make stopping cost nothing.

        Returns:
            The callbacks, but those that the user brings.
        """
        kinds = [PredictionWriter] if self.trainer.predicting else []
        return own_callbacks(self.trainer, kinds)

    def configure_optimizers(self) -> Any:
        """Initialize AdamW with two learning rates, warm-up and cosine decay.

        Returns:
            Optimizer and learning rate scheduler.
        """
        clip = ('image_encoders.', 'text_encoder.')
        return adamw_with_cosine(
            self.model,
            lambda name: self.hparams['clip_lr' if name.startswith(clip) else 'lr'],
            self.hparams['weight_decay'],
            self.hparams['warmup'],
            self.trainer,
        )

    @torch.no_grad()
    def ask(
        self,
        optical: Tensor | np.ndarray | None,
        sar: Tensor | np.ndarray | None,
        questions: Sequence[str],
    ) -> list[Answer]:
        """Answer questions about a pair of images, or about several, in words.

        Args:
            optical: Optical images in the units of the training files, shape (3, H, W),
                or (B, 3, H, W) of B pairs, or None if there are none.
            sar: SAR images in the units of the training files, shape (C, H, W), or
                (B, C, H, W) of B pairs, or None if there are none.
            questions: The questions.

        Returns:
            One answer per question, of each pair in turn.

        Raises:
            RuntimeError: If the task has seen neither data nor a checkpoint.
            TypeError: If *questions* is a single string.
            ValueError: If there is no image, one has the wrong number of channels, or
                there are not as many optical as SAR images.
        """
        if isinstance(questions, str):
            raise TypeError(
                f'questions must be a list, got {questions!r}: use [questions]'
            )
        batch = self._batch(optical, sar, questions)
        if not questions:
            return []
        training = self.training
        output = self.eval()(batch, chunk_size=self.hparams['chunk_size'])
        self.train(training)
        assert self.metadata is not None
        asked = list(questions) * len(batch['question'])
        return in_words(
            output, asked, self.metadata['answers'], self.model.expert_names
        )

    @torch.no_grad()
    def explain(
        self,
        optical: Tensor | np.ndarray | None,
        sar: Tensor | np.ndarray | None,
        question: str,
    ) -> Explanation:
        """Answer a question and tell what the model looked at.

        :func:`~torchgeo_vqa.trainers.plot_explanation` draws it.

        Args:
            optical: Optical image as for :meth:`ask`.
            sar: SAR image as for :meth:`ask`.
            question: The question.

        Returns:
            The answer, what each expert says, and maps.

        Raises:
            RuntimeError: If the task has seen neither data nor a checkpoint.
            TypeError: If *question* is not a single string.
            ValueError: If there is no image, or one has the wrong number of channels.
        """
        if not isinstance(question, str):
            raise TypeError(f'question must be a single string, got {question!r}')
        batch = self._batch(optical, sar, [question])
        training = self.training
        output = self.eval()(batch, explain=True)
        self.train(training)
        assert self.metadata is not None
        present = [m for m in self.model.modalities if f'image_{m}' in batch]
        return as_explanation(
            output, question, self.metadata['answers'], self.model.expert_names, present
        )

    def _batch(
        self,
        optical: Tensor | np.ndarray | None,
        sar: Tensor | np.ndarray | None,
        questions: Sequence[str],
    ) -> dict[str, Tensor]:
        """Make a batch of a pair and its questions, on the device."""
        if self.model is None or self.metadata is None:
            raise RuntimeError(
                'the task has no vocabulary yet, use VQATask.load_from_checkpoint(path) '
                'or train it first'
            )
        batch = as_batch(optical, sar, questions, self.model, self.metadata)
        return {key: value.to(self.device) for key, value in batch.items()}


def _tower(model: nn.Module, name: str, frozen: bool | str) -> nn.Module:
    """Return a CLIP tower of a model that is to be frozen."""
    tower = getattr(model, name, None)
    if tower is None:
        raise ValueError(
            f'freeze_clip={frozen!r}, but {type(model).__name__} has no CLIP to freeze; '
            'use freeze_clip=False'
        )
    return cast(nn.Module, tower)


class tgfnet(VQATask):
    """:class:`VQATask` under the name that ``torchgeo fit --model tgfnet`` looks up."""
