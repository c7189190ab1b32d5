# SPDX-License-Identifier: MIT
"""Trained models that answer questions about images."""

import contextlib
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pickle import UnpicklingError
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor, nn

from ..models import TGFNet_Weights, VQAModel
from ..models.metadata import Metadata
from ..rasters.units import Finding, verify_scales
from .answer import Answer, as_batch, in_words, verify_questions
from .checkpoint import (
    NewerVersionError,
    build_model,
    load_state,
    read_metadata,
    verify_finite,
    verify_whole,
)
from .explanation import Explanation, as_explanation

#: An image of shape (C, H, W), or several of shape (B, C, H, W).
Image = Tensor | np.ndarray

Device = torch.device | str


class Predictor:
    """A trained model that answers questions, with no dataset and no trainer at hand.

    .. code-block:: python

       predictor = Predictor.from_checkpoint('best.ckpt')
       predictor.ask(optical, sar, ['How many ships are there?'])

    :func:`~torchgeo_vqa.prediction.ask_pair` and
    :func:`~torchgeo_vqa.prediction.ask_area` ask about files.
    """

    def __init__(
        self,
        model: VQAModel,
        metadata: Metadata,
        chunk_size: int | Literal['auto'] = 'auto',
    ) -> None:
        """Initialize a predictor of a trained model, which stays on its device.

        *chunk_size* is the number of questions answered at once, which bounds the memory;
        'auto' answers as many as suit the device.
        """
        self.model = model
        self.metadata = metadata
        self.chunk_size = chunk_size

    @classmethod
    def from_checkpoint(
        cls, path: str | os.PathLike[str], device: Device | None = None
    ) -> Self:
        """Load a checkpoint of :class:`~torchgeo_vqa.trainers.VQATask`.

        Code that it may hold is never run. The model goes to a *device* (defaults to the
        machine's accelerator if it has one).

        Raises:
            OSError: If the file cannot be read.
            ValueError: If it is no checkpoint of the task, damaged, or of a newer version.
        """
        verify_whole(path)
        try:
            content = torch.load(path, map_location='cpu', weights_only=True)
            metadata = read_metadata(content)
            arguments: dict[str, Any] = content['hyper_parameters']
            model, metadata = build_model(arguments, metadata, to_load=True)
            load_state(model, content, arguments)
            verify_finite(model)
        except NewerVersionError as error:
            raise ValueError(f'{os.fspath(path)}: {error}') from error
        except (KeyError, RuntimeError, UnpicklingError, ValueError) as error:
            reason = str(error).partition('\n')[0]
            raise ValueError(
                f'{os.fspath(path)} is damaged, or no checkpoint of VQATask: {reason}'
            ) from error
        model.to(_accelerator() if device is None else device)
        return cls(model.eval(), metadata, arguments.get('chunk_size', 'auto'))

    @classmethod
    def from_weights(
        cls,
        weights: TGFNet_Weights | str = TGFNet_Weights.TINY_OSVQA_MINI,
        device: Device | None = None,
    ) -> Self:
        """Load weights that come with the package, onto a *device* as :meth:`from_checkpoint`.

        *weights* may be a name, such as 'TGFNet_Weights.TINY_OSVQA_MINI'; an unknown one is a
        KeyError.
        """
        own: TGFNet_Weights = TGFNet_Weights.verify(weights)
        arguments = {'model': own.meta['model']}
        metadata = own.metadata
        model, metadata = build_model(arguments, metadata, to_load=True)
        model.load_state_dict(own.get_state_dict())
        model.to(_accelerator() if device is None else device)
        return cls(model.eval(), metadata)

    def ask(
        self,
        optical: Image | None,
        sar: Image | None,
        questions: Sequence[str],
        optical_scale: str | None = None,
        sar_scale: str | None = None,
    ) -> list[Answer]:
        """Answer questions about a pair of images, or about several, in words.

        Pixels without data are NaN, or masked in a masked array. An image without any other
        is missing: the other one answers. What is wrong with the images is the note of an
        answer, and a warning.

        Args:
            optical: Optical images in the units of the training files, shape (3, H, W),
                or (B, 3, H, W) of B pairs, or None if there are none.
            sar: SAR images likewise, shape (C, H, W) or (B, C, H, W).
            questions: The questions.
            optical_scale: What the optical pixels are, if they are not as those of the
                training: '8bit', 'reflectance', 'sentinel2-l2a' (reflectance x 10,000) or
                'sentinel2-l2a-offset' (the same plus 1,000, as since 2022).
            sar_scale: What the SAR pixels are: 'dB', 'linear' (power) or 'amplitude'.

        Returns:
            One answer per question, of each pair in turn.

        Raises:
            TypeError: If *questions* is a single string, or holds no strings.
            ValueError: If there is no image, or none with data; one has the wrong number
                of channels, or values that its unit cannot have; there are not as many
                optical as SAR images; or a question is empty.
            RuntimeError: If the model gives no finite numbers.
        """
        questions = verify_questions(questions)
        scales = verify_scales({'optical': optical_scale, 'sar': sar_scale})
        batch, found = as_batch(
            optical, sar, questions, self.model, self.metadata, scales
        )
        _report(found)
        return self._answer(batch, questions, found)

    def ask_all(
        self,
        optical: Image | None,
        sar: Image | None,
        questions: Sequence[str],
        scales: Mapping[str, str],
    ) -> list[Answer]:
        """Answer as :meth:`ask`, whatever is wrong with some of many images: notes say it."""
        batch, found = as_batch(
            optical, sar, questions, self.model, self.metadata, scales
        )
        return self._answer(batch, questions, found)

    def _answer(
        self,
        batch: dict[str, Tensor],
        questions: Sequence[str],
        findings: Sequence[Sequence[Finding]],
    ) -> list[Answer]:
        """Answer the questions of a batch of pairs; findings become notes."""
        if not questions:
            return []
        output = self._forward(batch, chunk_size=self.chunk_size)
        asked = list(questions) * len(batch['question'])
        texts = ['; '.join(f.text for f in own) for own in findings]
        notes = [text for text in texts for _ in questions]
        names = self.model.expert_names
        return in_words(output, asked, self.metadata.answers, names, notes)

    def explain(
        self,
        optical: Image | None,
        sar: Image | None,
        question: str,
        optical_scale: str | None = None,
        sar_scale: str | None = None,
    ) -> Explanation:
        """Answer a question about images as for :meth:`ask`, and tell what the model looked at.

        :func:`~torchgeo_vqa.prediction.plot_explanation` draws what is returned: the answer,
        what each expert answers, and maps. Raise a TypeError if *question* is not a single
        string, a ValueError if there is no image, or one has the wrong number of channels.
        """
        if not isinstance(question, str):
            raise TypeError(f'question must be a single string, got {question!r}')
        scales = verify_scales({'optical': optical_scale, 'sar': sar_scale})
        batch, found = as_batch(
            optical, sar, [question], self.model, self.metadata, scales
        )
        _report(found)
        output = self._forward(batch, explain=True)
        present = [
            m
            for m in self.model.modalities
            if f'image_{m}' in batch and batch[f'valid_{m}'].any()
        ]
        names = self.model.expert_names
        note = '; '.join(finding.text for finding in found[0])
        return as_explanation(
            output, question, self.metadata.answers, names, present, note
        )

    @torch.no_grad()
    def _forward(self, batch: dict[str, Tensor], **kwargs: Any) -> Any:
        """Forward pass on the device of the model, in evaluation mode."""
        device = next(self.model.parameters()).device
        batch = {key: value.to(device) for key, value in batch.items()}
        with _evaluating(self.model):
            return self.model(batch, **kwargs)


def _report(findings: Sequence[Sequence[Finding]]) -> None:
    """Warn of what is wrong with the images of some pairs, each text once.

    Raise a ValueError if a pair cannot be answered about.
    """
    flat = [finding for own in findings for finding in own]
    for finding in flat:
        if finding.refused:
            raise ValueError(finding.text)
    for text in dict.fromkeys(finding.text for finding in flat):
        warnings.warn(text, UserWarning, stacklevel=3)


def _accelerator() -> torch.device:
    """Choose the device: the machine's accelerator if it has one."""
    if torch.cuda.is_available():
        return torch.device('cuda')
    return torch.device('mps' if torch.backends.mps.is_available() else 'cpu')


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Set evaluation mode; afterwards, every module has its own mode again."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
