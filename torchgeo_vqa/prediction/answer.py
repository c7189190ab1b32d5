# SPDX-License-Identifier: MIT
"""Questions and answers in words."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import open_clip
import torch
from torch import Tensor

from ..datasets import VQADataset
from ..models import VQAModel, VQAOutput
from ..models.metadata import Metadata
from ..rasters.units import Finding, convert, inspect, mask_range
from ..transforms import Preprocess

# B pairs, K questions, C channels


class Answer(NamedTuple):
    """Answer to a question about a pair of images."""

    #: The question.
    question: str
    #: The answer.
    answer: str
    #: Probability of the answer, in [0, 1].
    probability: float
    #: Weight of each expert in the answer, in [0, 1].
    expert_weights: dict[str, float]
    #: What is wrong with the images, '' if nothing was found.
    note: str = ''


def as_batch(
    optical: Tensor | np.ndarray | None,
    sar: Tensor | np.ndarray | None,
    questions: Sequence[str],
    model: VQAModel,
    metadata: Metadata,
    scales: Mapping[str, str],
) -> tuple[dict[str, Tensor], list[list[Finding]]]:
    """Make a batch of normalised pairs (B, C, H, W), each with the same questions (B, K, L).

    Images are (C, H, W) or (B, C, H, W), of the *scales* that are named; one that the model
    does not take is ignored. Also return what is wrong with the images of each pair.

    Raise a ValueError for a wrong number of channels, or not as many optical as SAR images.
    """
    channels = metadata.channels
    batch: dict[str, Tensor] = {}
    for modality, image in {'optical': optical, 'sar': sar}.items():
        if image is None or modality not in metadata.modalities:
            continue
        x = _as_tensor(image, modality)
        if x.ndim not in (3, 4) or x.shape[-3] != channels[modality]:
            raise ValueError(
                f'the {modality} image must have shape ({channels[modality]}, H, W), '
                f'or with several of them (B, {channels[modality]}, H, W), got '
                f'{tuple(x.shape)}'
            )
        x = x.reshape(-1, *x.shape[-3:])
        spec = metadata.images[modality]
        batch[f'image_{modality}'] = convert(x, scales.get(modality), spec.unit)
    sizes = {len(image) for image in batch.values()}
    if len(sizes) > 1:
        raise ValueError(
            'each optical image needs its SAR image, got '
            f'{len(batch["image_optical"])} and {len(batch["image_sar"])}'
        )
    (size,) = sizes or (1,)
    findings: list[list[Finding]] = [[] for _ in range(size)]
    for key, images in batch.items():
        modality = key.removeprefix('image_')
        spec, numbers = metadata.images[modality], metadata.statistics[modality]
        for own, image in zip(findings, images, strict=True):
            own += inspect(image, modality, spec, numbers, model.image_size)
        batch[key] = mask_range(images, spec.unit)
    batch = Preprocess(metadata.statistics, model.image_size)(batch)
    valid = [share.amax(1) for key, share in batch.items() if key.startswith('valid_')]
    if valid:
        for i in (torch.stack(valid).amax(0) == 0).nonzero()[:, 0].tolist():
            findings[i] = [Finding('no image has data', refused=True)]
    asked = verify_questions(questions)
    tokens = open_clip.tokenize(asked, model.context_length)
    for question in (asked[i] for i in tokens[:, -1].nonzero().flatten().tolist()):
        # With the marks of start and end
        whole = open_clip.tokenize(question, len(question.encode()) + 2)
        num_tokens = int(whole.nonzero().max()) + 1
        if num_tokens > model.context_length:
            warnings.warn(
                f'the question has {num_tokens} tokens, and the model reads '
                f'{model.context_length}: the rest is cut off: {question[:80]!r}...',
                UserWarning,
            )
    batch['question'] = tokens.expand(size, -1, -1)
    return batch, findings


def verify_questions(questions: Sequence[str]) -> list[str]:
    """Return questions as lines of text.

    Raise a TypeError if they are a single string or no strings, a ValueError if one is empty or
    holds control characters.
    """
    if isinstance(questions, str):
        raise TypeError(f'questions must be a list, got {questions!r}: use [questions]')
    lines = []
    for question in questions:
        if not isinstance(question, str):
            raise TypeError(f'a question must be a string, got {question!r}')
        line = ' '.join(question.split())
        if not line:
            raise ValueError(f'a question is empty: {question!r}')
        if not line.isprintable():
            raise ValueError(f'a question holds control characters: {question!r}')
        lines.append(line)
    return lines


def _as_tensor(image: Tensor | np.ndarray, modality: str) -> Tensor:
    """Return an image as float32, NaN where it is masked; ValueError if it is complex."""
    if isinstance(image, np.ma.MaskedArray):
        image = np.ma.filled(image.astype(np.float32), np.nan)
    if isinstance(image, np.ndarray) and np.iscomplexobj(image):
        raise ValueError(
            f'the {modality} image is complex ({image.dtype}): detect it and bring it to '
            'dB first, 10 * log10(abs(x) ** 2)'
        )
    with np.errstate(over='ignore'):
        array = np.asarray(image).astype(np.float32)
    return torch.from_numpy(array)


def in_words(
    output: VQAOutput,
    questions: Sequence[str],
    answers: Sequence[str],
    expert_names: Sequence[str],
    notes: Sequence[str] | None = None,
) -> list[Answer]:
    """Put a model's output for some questions into words, each with its note."""
    probability, index = best_answer(output.logits)
    rows = zip(
        questions,
        index.tolist(),
        probability.tolist(),
        output.expert_weights.tolist(),
        notes or [''] * len(questions),
        strict=True,
    )
    return [
        Answer(text, answers[i], p, dict(zip(expert_names, weights, strict=True)), note)
        for text, i, p, weights, note in rows
    ]


def as_columns(
    output: VQAOutput,
    ids: Tensor,
    dataset: VQADataset,
    answers: Sequence[str],
    expert_names: Sequence[str],
) -> dict[str, Any]:
    """Make a table of predictions for Q questions of a dataset, ``question_id`` (Q,) int64.

    Columns are ``location``, ``question_type``, ``question``, ``answer``, ``probability``,
    ``target``, ``expert_weight_<name>`` and ``geometry``.
    """
    probability, index = best_answer(output.logits)
    weights = output.expert_weights.float().cpu().numpy()
    names = [f'expert_weight_{name}' for name in expert_names]
    return {
        'location': dataset.location(ids),
        'question_type': dataset.question_type(ids),
        'question': dataset.question_text(ids),
        'answer': [answers[i] for i in index.tolist()],
        'probability': probability.cpu().numpy(),
        'target': dataset.answer_text(ids),
        **dict(zip(names, np.ascontiguousarray(weights.T), strict=True)),
        'geometry': dataset.footprint(ids),
    }


def best_answer(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return probability and index of the most probable answer, (...), of logits (..., A).

    Raise a RuntimeError if a probability is not a number.
    """
    probability, index = logits.float().softmax(-1).max(-1)
    if not probability.isfinite().all():
        raise RuntimeError(
            'the model gives no finite numbers, so there is no answer: its weights are '
            'damaged, or the precision is too low (--trainer.precision 32-true)'
        )
    return probability, index
