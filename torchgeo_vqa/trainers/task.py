# SPDX-License-Identifier: MIT
"""What all trainers have in common."""

import abc
import math
from collections.abc import Callable
from typing import Any, override

from lightning.pytorch import Trainer
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from torchgeo.datasets.utils import Sample
from torchgeo.tasks import BaseTask


class PairTask(BaseTask):
    """Base class of tasks on pairs, whose model is built once the data are known."""

    ignore = None
    mode = 'max'

    @override
    def configure_models(self) -> None:
        """Wait for the data."""
        self.model: Any = None

    @abc.abstractmethod
    def _shared_step(self, batch: Sample, stage: str) -> Tensor:
        """Forward pass, loss and metrics of all stages."""

    @override
    def training_step(self, batch: Sample, batch_idx: int) -> Tensor:
        return self._shared_step(batch, 'train')

    @override
    def validation_step(self, batch: Sample, batch_idx: int) -> None:
        self._shared_step(batch, 'val')

    @override
    def test_step(self, batch: Sample, batch_idx: int) -> None:
        self._shared_step(batch, 'test')

    def _log_loss(self, stage: str, loss: Tensor, batch_size: int) -> None:
        """Log the loss of *batch_size* pairs or questions."""
        training = stage == 'train'
        options: Any = {'prog_bar': training, 'sync_dist': not training}
        self.log(f'{stage}_loss', loss, batch_size=batch_size, **options)

    def _lr(self, name: str) -> float:
        """Return the peak learning rate of a parameter of the model."""
        return float(self.hparams['lr'])

    @override
    def configure_optimizers(self) -> Any:
        """Initialize AdamW with warm-up and cosine decay."""
        decay, warmup = self.hparams['weight_decay'], self.hparams['warmup']
        return adamw_with_cosine(self.model, self._lr, decay, warmup, self.trainer)


def verify_numbers(**numbers: tuple[float, float]) -> None:
    """Raise a ValueError if a number is not finite, negative, or above its greatest value."""
    for name, (value, most) in numbers.items():
        if not (math.isfinite(value) and 0 <= value <= most):
            limit = '' if most == math.inf else f' and at most {most:g}'
            raise ValueError(f'{name} must be at least 0{limit}, got {value!r}')


def adamw_with_cosine(
    model: nn.Module,
    lr: Callable[[str], float],
    weight_decay: float,
    warmup: float,
    trainer: Trainer,
) -> dict[str, Any]:
    """Make AdamW whose learning rates rise linearly and decay to 0 along a cosine.

    *lr* gives the peak rate of a parameter by its name, *weight_decay* applies to weight
    matrices (not biases, norms and embeddings), *warmup* is a share of the trainer's steps.
    """
    embeddings = {
        id(p)
        for m in model.modules()
        if isinstance(m, nn.Embedding)
        for p in m.parameters()
    }
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decays = parameter.ndim > 1 and id(parameter) not in embeddings
            key = lr(name), weight_decay if decays else 0.0
            groups.setdefault(key, []).append(parameter)
    on_cpu = next(model.parameters()).device.type == 'cpu'
    mixed = isinstance(trainer.precision_plugin, MixedPrecision)
    optimizer = AdamW(
        [
            {'params': parameters, 'lr': peak, 'weight_decay': decay}
            for (peak, decay), parameters in groups.items()
        ],
        betas=(0.9, 0.98),  # CLIP's own; the default reacts slower
        # The CPU's default steps through the parameters one by one; in mixed precision,
        # Lightning clips no gradients of fused ones
        fused=True if on_cpu and not mixed else None,
    )
    num_steps = int(trainer.estimated_stepping_batches)
    num_warmup = max(1, round(warmup * num_steps))

    def factor(step: int) -> float:
        if step < num_warmup:
            return (step + 1) / num_warmup
        progress = min(1.0, (step - num_warmup) / max(1, num_steps - num_warmup))
        return 0.5 * (1 + math.cos(math.pi * progress))

    scheduler = {'scheduler': LambdaLR(optimizer, factor), 'interval': 'step'}
    return {'optimizer': optimizer, 'lr_scheduler': scheduler}
