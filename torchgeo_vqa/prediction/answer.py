# SPDX-License-Identifier: MIT
"""Questions and answers in words."""

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import open_clip
import torch
from torch import Tensor

from ..datasets import VQADataset
from ..models import VQAModel, VQAOutput
from ..models.metadata import Metadata
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


def as_batch(
    optical: Tensor | np.ndarray | None,
    sar: Tensor | np.ndarray | None,
    questions: Sequence[str],
    model: VQAModel,
    metadata: Metadata,
) -> dict[str, Tensor]:
    """Make a batch of normalised pairs (B, C, H, W), each with the same questions (B, K, L).

    Images are (C, H, W) or (B, C, H, W); one that the model does not take is ignored. Raise
    a ValueError for a wrong number of channels, or not as many optical as SAR images.
    """
    channels = {'optical': 3, 'sar': metadata.sar_channels}
    batch: dict[str, Tensor] = {}
    for modality, image in {'optical': optical, 'sar': sar}.items():
        if image is None or modality not in metadata.modalities:
            continue
        x = torch.as_tensor(np.asarray(image), dtype=torch.float32)
        if x.ndim not in (3, 4) or x.shape[-3] != channels[modality]:
            raise ValueError(
                f'the {modality} image must have shape ({channels[modality]}, H, W), '
                f'or with several of them (B, {channels[modality]}, H, W), got '
                f'{tuple(x.shape)}'
            )
        batch[f'image_{modality}'] = x
    batch = Preprocess(metadata.statistics, model.image_size)(batch)
    sizes = {len(image) for image in batch.values()}
    if len(sizes) > 1:
        raise ValueError(
            'each optical image needs its SAR image, got '
            f'{len(batch["image_optical"])} and {len(batch["image_sar"])}'
        )
    tokens = open_clip.tokenize(list(questions), model.context_length)
    for question in (questions[i] for i in tokens[:, -1].nonzero().flatten().tolist()):
        # With the marks of start and end
        whole = open_clip.tokenize(question, len(question.encode()) + 2)
        num_tokens = int(whole.nonzero().max()) + 1
        if num_tokens > model.context_length:
            warnings.warn(
                f'the question has {num_tokens} tokens, and the model reads '
                f'{model.context_length}: the rest is cut off: {question[:80]!r}...',
                UserWarning,
            )
    batch['question'] = tokens.expand(*sizes or (1,), -1, -1)
    return batch


def in_words(
    output: VQAOutput,
    questions: Sequence[str],
    answers: Sequence[str],
    expert_names: Sequence[str],
) -> list[Answer]:
    """Put a model's output for some questions into words."""
    probability, index = best_answer(output.logits)
    return [
        Answer(question, answers[i], p, dict(zip(expert_names, weights, strict=True)))
        for question, i, p, weights in zip(
            questions,
            index.tolist(),
            probability.tolist(),
            output.expert_weights.tolist(),
            strict=True,
        )
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
    """Return probability and index of the most probable answer, (...), of logits (..., A)."""
    probability, index = logits.float().softmax(-1).max(-1)
    return probability, index
