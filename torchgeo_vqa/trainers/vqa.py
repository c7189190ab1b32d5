# SPDX-License-Identifier: MIT
"""Trainer for visual question answering."""

import math
import warnings
from typing import Any, Literal, Self, cast, override

import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torchgeo.datasets.utils import Sample

from ..callbacks import EvaluationReport, FeatureCache, PredictionWriter
from ..callbacks.data import adapt_images, compare_images, data_module
from ..callbacks.defaults import default_callbacks
from ..datamodules import VQADataModule
from ..datamodules.examination import describe_images
from ..datamodules.pair import STAGES
from ..metrics import VQAAccuracy
from ..models import TGFNet_Weights, VQAOutput
from ..models.metadata import Metadata
from ..prediction import Predictor
from ..prediction.answer import as_columns
from ..prediction.checkpoint import (
    METADATA_KEY,
    VERSION,
    VERSION_KEY,
    build_model,
    load_state,
    read_metadata,
    verify_model_args,
)
from ..rasters.units import DB, UNKNOWN, convert
from .quiet import hide_notes
from .task import PairTask, verify_numbers

# Q questions, E experts, A answers


class VQATask(PairTask):
    """Visual question answering on optical and SAR images.

    The number of answers, the question types, the modalities and the normalisation come
    from the data module and are saved with the checkpoint:
    :class:`~torchgeo_vqa.prediction.Predictor` answers in words with no dataset at hand.

    .. code-block:: python

       predictor = Predictor.from_checkpoint('last.ckpt')
       predictor.ask(optical, sar, ['How many ships are there?'])
    """

    monitor = 'val_OA'

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
            ValueError: If *model* is not one of ours, a number is out of its range,
                *model_args* has an argument
                that its builder does not, or *feature_cache* is used although the image
                towers are not frozen.
        """
        hide_notes(frozen=bool(freeze_clip))
        if feature_cache and freeze_clip not in (True, 'image'):
            raise ValueError(
                'feature_cache keeps what frozen image towers return, but freeze_clip='
                f"{freeze_clip!r}; use freeze_clip=True or 'image'"
            )
        if freeze_clip not in (True, False, 'image', 'text'):
            raise ValueError(
                f"freeze_clip must be True, False, 'image' or 'text', got {freeze_clip!r}"
            )
        if chunk_size != 'auto' and chunk_size < 1:
            raise ValueError(
                f"chunk_size must be 'auto' or at least 1, got {chunk_size}"
            )
        verify_numbers(
            lr=(lr, math.inf),
            clip_lr=(clip_lr, math.inf),
            weight_decay=(weight_decay, math.inf),
            warmup=(warmup, 1),
            label_smoothing=(label_smoothing, 1),
            expert_loss_weight=(expert_loss_weight, math.inf),
            routing_loss_weight=(routing_loss_weight, math.inf),
        )
        verify_model_args(model, model_args)
        #: What the model knows of its data. None until a data module or a checkpoint
        #: tells.
        self.metadata: Metadata | None = None
        super().__init__()

    @classmethod
    def from_weights(cls, weights: TGFNet_Weights | str) -> Self:
        """Make a task, in evaluation mode, that starts with weights of the package.

        *weights* may be a name, such as 'TGFNet_Weights.TINY_OSVQA_MINI'; an unknown one is a
        KeyError.
        """
        task = cls(TGFNet_Weights.verify(weights).meta['model'])
        predictor = Predictor.from_weights(weights, 'cpu')
        task.model, task.metadata = predictor.model, predictor.metadata
        return task.eval()

    def predictor(self) -> Predictor:
        """Return a predictor that shares the model of this task.

        Raise a RuntimeError if the task has seen neither data nor a checkpoint.
        """
        if self.model is None or self.metadata is None:
            raise RuntimeError(
                'the task has no vocabulary yet, use VQATask.load_from_checkpoint(path) '
                'or train it first'
            )
        return Predictor(self.model, self.metadata, self.hparams['chunk_size'])

    @override
    def setup(self, stage: str) -> None:
        """Build the model for the data at hand, and adapt the data module to it.

        Raise a ValueError if there is no data module for questions, or its SAR images have
        other channels than the model takes.
        """
        dm = data_module(self.trainer)
        is_trained = self.metadata is not None
        if self.metadata is None:
            metadata = Metadata(
                answers=dm.answers,
                question_types=dm.question_types,
                groups=dm.groups,
                modalities=dm.modalities,
                sar_channels=dm.sar_channels,
                image_size=dm.image_size,
                statistics=dm.statistics,
                images=describe_images(dm),
                dataset=type(dm.dataset_for('train')).__name__,
            )
            # Weights of CLIP that a checkpoint replaces need not be there
            _build(self, metadata, to_load=stage != 'fit')
        assert self.metadata is not None
        _freeze(self.model, self.hparams['freeze_clip'])  # task.train() undoes it
        _adapt(dm, self.metadata)
        if is_trained:
            compare_images(dm, self.metadata, STAGES[stage][0])
        sizes = len(dm.question_types), len(dm.groups)
        names = [
            f'{split}{kind}' for split in ('val', 'test') for kind in ('', '_blind')
        ]
        self.metrics = nn.ModuleDict({name: VQAAccuracy(*sizes) for name in names})

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save what the model knows of its data."""
        assert self.metadata is not None
        checkpoint[METADATA_KEY] = self.metadata.to_dict()
        checkpoint[VERSION_KEY] = VERSION

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Build the model of a checkpoint.

        Raise a RuntimeError if its weights do not fit, a ValueError if it is of another task.
        """
        metadata = read_metadata(checkpoint)
        if self.model is None or self.metadata != metadata:
            _build(self, metadata, to_load=True)
        if self.strict_loading:
            # Lightning loads them too, but its error does not say what differs
            load_state(self.model, checkpoint, self.hparams)
        if self._trainer is not None:
            dm = data_module(self.trainer)
            _adapt(dm, metadata)
            assert self.trainer.state.fn is not None
            compare_images(dm, metadata, STAGES[self.trainer.state.fn.value][0])

    @override
    def _shared_step(self, batch: Sample, stage: str) -> Tensor:
        training = stage == 'train'
        real = batch['question_id'] >= 0
        label = batch['label'][real]
        output = self(
            batch, chunk_size=None if training else self.hparams['chunk_size']
        )
        loss = answer_loss(
            output,
            label,
            self.hparams['label_smoothing'],
            self.hparams['expert_loss_weight'],
            self.hparams['routing_loss_weight'],
        )
        size = max(1, len(label))
        self._log_loss(stage, loss, size)
        preds = output.logits.argmax(-1)
        if training:
            accuracy = (preds == label).float().mean()
            self.log('train_OA', accuracy, batch_size=size, prog_bar=True)
            return loss
        dm = data_module(self.trainer)
        ids = batch['question_id'][real].cpu()
        blind = dm.blind_labels(cast(Any, stage), ids).to(label.device)
        question_type = batch['question_type'][real]
        group = batch['group'][real] if 'group' in batch else None
        for name, answers in {stage: preds, f'{stage}_blind': blind}.items():
            metric = cast(VQAAccuracy, self.metrics[name])
            metric.update(answers, label, question_type, group)
        return loss

    @override
    def on_validation_epoch_end(self) -> None:
        """Log the validation metrics."""
        _log_accuracy(self, 'val')

    @override
    def on_test_epoch_end(self) -> None:
        """Log the test metrics."""
        _log_accuracy(self, 'test')

    @override
    def predict_step(self, batch: Sample, batch_idx: int) -> dict[str, Any]:
        """Answer a batch: columns of :class:`~torchgeo_vqa.callbacks.PredictionWriter`."""
        assert self.metadata is not None
        output = self(batch, chunk_size=self.hparams['chunk_size'])
        ids = batch['question_id'][batch['question_id'] >= 0].cpu()
        dataset = data_module(self.trainer).dataset_for('predict')
        return as_columns(
            output, ids, dataset, self.metadata.answers, self.model.expert_names
        )

    @override
    def configure_callbacks(self) -> list[Callback]:
        """Return callbacks that cache features, report, and write predictions."""
        further: list[Callback] = [FeatureCache(), EvaluationReport()]
        if self.trainer.predicting:
            further.append(PredictionWriter())
        return default_callbacks(self.trainer, *further)

    @override
    def _lr(self, name: str) -> float:
        clip = name.startswith(('image_encoders.', 'text_encoder.'))
        return float(self.hparams['clip_lr' if clip else 'lr'])


class tgfnet(VQATask):
    """:class:`VQATask` under the name that ``torchgeo fit --model tgfnet`` looks up."""


def answer_loss(
    output: VQAOutput,
    label: Tensor,
    label_smoothing: float,
    expert_weight: float,
    routing_weight: float,
) -> Tensor:
    """Compute the cross-entropy of the blend and of the experts, and the routing loss.

    Labels (Q,) outside the vocabulary cannot be learned and do not count.
    """
    known = label < output.logits.shape[1]
    target = label[known]
    # Of no question, the sum is 0 where the mean is not a number
    share = 1 / max(1, len(target))

    def cross_entropy(logits: Tensor) -> Tensor:
        own = logits[known].float()
        return share * F.cross_entropy(
            own, target, reduction='sum', label_smoothing=label_smoothing
        )

    loss = cross_entropy(output.logits)
    if output.expert_logits.shape[1] > 1:
        own = [cross_entropy(expert) for expert in output.expert_logits.unbind(1)]
        loss = loss + expert_weight * torch.stack(own).mean()
    if output.routing_loss is not None and len(label):
        loss = loss + routing_weight * output.routing_loss.mean()
    return loss


def _build(task: VQATask, metadata: Metadata, to_load: bool) -> None:
    """Build the model of a task, freeze and compile it as its arguments say."""
    task.model, task.metadata = build_model(task.hparams, metadata, to_load)
    _freeze(task.model, task.hparams['freeze_clip'])
    if compiler := task.hparams['compile']:
        task.model.compile(backend='inductor' if compiler is True else compiler)


def _freeze(model: nn.Module, frozen: bool | str) -> None:
    """Freeze CLIP towers, in evaluation mode."""
    for kind, name in {'image': 'image_encoders', 'text': 'text_encoder'}.items():
        if frozen not in (True, kind):
            continue
        tower = getattr(model, name, None)
        if tower is None:
            raise ValueError(
                f'freeze_clip={frozen!r}, but {type(model).__name__} has no CLIP to '
                'freeze; use freeze_clip=False'
            )
        tower.requires_grad_(False).eval()


def _adapt(dm: VQADataModule, metadata: Metadata) -> None:
    """Make a data module use a model's vocabulary, normalisation and size."""
    adapt_images(dm, metadata.sar_channels, metadata.image_size)
    if tuple(dm.answers) != metadata.answers:
        dm.set_answers(metadata.answers)
    if others := sorted(set(dm.question_types) - set(metadata.question_types)):
        warnings.warn(
            f'the model was not trained on questions of the types {", ".join(others)}, but '
            f'on {", ".join(metadata.question_types)}',
            UserWarning,
        )
    dm.statistics = metadata.statistics
    dm.units = {m: spec.unit for m, spec in metadata.images.items()}
    if dm.augmentation.speckle and dm.units.get('sar') not in (None, DB, UNKNOWN):
        raise ValueError(
            f'speckle is added in dB, but the SAR images are in {dm.units["sar"]}: name '
            'their scale, --data.sar_scale linear, or set --data.augmentation.speckle 0'
        )
    for modality, scale in dm.scales.items():
        # a ValueError if that cannot be
        convert(torch.zeros(1, 1, 1), scale, dm.units.get(modality))


def _log_accuracy(task: VQATask, stage: str) -> None:
    """Log and reset the metrics of a stage."""
    metric = cast(VQAAccuracy, task.metrics[stage])
    results = metric.compute()
    for name in ('OA', 'AA'):
        task.log(f'{stage}_{name}', results[name].float(), prog_bar=True)
    for name in (stage, f'{stage}_blind'):
        cast(VQAAccuracy, task.metrics[name]).reset()
