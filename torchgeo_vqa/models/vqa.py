# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""What all models for visual question answering have in common."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .encoder import ImageEncoder

# B pairs, Q questions in all, U unique questions, K questions per pair (padded),
# L tokens, E experts, A answers

MODALITIES = ('optical', 'sar')


class VQAOutput(NamedTuple):
    """Output of a model for Q questions."""

    #: Logits of the answers, (Q, A).
    logits: Tensor
    #: Logits of each expert, in the order of :attr:`VQAModel.expert_names`, (Q, E, A).
    expert_logits: Tensor
    #: Weights of the experts, (Q, E).
    expert_weights: Tensor
    #: In training, of models that route: loss of the router, (Q,).
    routing_loss: Tensor | None = None


class VQAModel(nn.Module, ABC):
    """Model for visual question answering.

    Three steps, each callable by itself: :meth:`encode_images` runs once per pair of
    images, :meth:`encode_questions` once per unique question, :meth:`answer` once per
    question about a pair.
    """

    #: Modalities the model can use.
    modalities: tuple[str, ...]
    #: Number of answers A.
    num_answers: int
    #: Side of the images in pixels.
    image_size: int
    #: Longest question in tokens.
    context_length: int
    #: Names of the experts, in the order of the output.
    expert_names: tuple[str, ...]

    @abstractmethod
    def encode_images(
        self, image_optical: Tensor | None = None, image_sar: Tensor | None = None
    ) -> Any:
        """Encode pairs of images.

        Args:
            image_optical: Normalised optical images, shape (B, 3, H, W).
            image_sar: Normalised SAR images, shape (B, C, H, W).

        Returns:
            What :meth:`answer` takes.
        """

    @abstractmethod
    def encode_questions(self, tokens: Tensor) -> Any:
        """Encode unique questions.

        Args:
            tokens: Token ids, 0-padded, shape (U, L).

        Returns:
            What :meth:`answer` takes.
        """

    @abstractmethod
    def answer(
        self,
        images: Any,
        questions: Any,
        pair_index: Tensor,
        question_index: Tensor,
        explain: bool = False,
    ) -> Any:
        """Answer questions about pairs.

        Args:
            images: Output of :meth:`encode_images` for B pairs.
            questions: Output of :meth:`encode_questions` for U unique questions.
            pair_index: Pair each question is about, shape (Q,), int64.
            question_index: Which of the unique questions it is, shape (Q,), int64.
            explain: Whether to return what explains the answers, where the model can.

        Returns:
            A :class:`VQAOutput`, or one of the model's own that starts with the same
            fields.
        """

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile what takes the time: the image towers and :meth:`answer`.

        What lies between, such as finding unique questions, stays in Python. The number of
        questions may change from batch to batch.

        Args:
            *args: Arguments of :func:`torch.compile`.
            **kwargs: Keyword arguments of :func:`torch.compile`.
        """
        for module in self.modules():
            if isinstance(module, ImageEncoder):
                module.compile_tower(*args, **kwargs)
        kwargs['dynamic'] = True
        self.answer = torch.compile(self.answer, *args, **kwargs)  # type: ignore[method-assign]

    def forward(
        self,
        batch: Mapping[str, Tensor],
        explain: bool = False,
        chunk_size: int | None = None,
    ) -> Any:
        """Answer all questions of an image-major batch.

        Args:
            batch: ``image_optical`` (B, 3, H, W) and ``image_sar`` (B, C, H, W), either
                may be absent, and ``question`` (B, K, L): token ids, all 0 at padding.
            explain: Whether to return what explains the answers, where the model can.
            chunk_size: Number of questions to answer at once, bounds the memory
                (defaults to all).

        Returns:
            Output for the Q questions that are not padding, pair by pair.
        """
        question = batch['question']
        # Every real question starts with the token that starts a text
        pair_index, slot = (question[..., 0] != 0).nonzero(as_tuple=True)
        unique, question_index = torch.unique(
            question[pair_index, slot], dim=0, return_inverse=True
        )
        images = self.encode_images(batch.get('image_optical'), batch.get('image_sar'))
        questions = self.encode_questions(unique)
        size = max(1, len(pair_index))
        chunks = [
            self.answer(images, questions, pairs, indices, explain)
            for pairs, indices in zip(
                pair_index.split(chunk_size or size),
                question_index.split(chunk_size or size),
                strict=True,
            )
        ]
        return _concatenate(chunks)


def trim(tokens: Tensor) -> Tensor:
    """Cut off the padding that all questions share.

    Args:
        tokens: Token ids, 0-padded, shape (U, L).

    Returns:
        Token ids as long as the longest question, at least 1, shape (U, L).
    """
    length = max(1, int((tokens != 0).sum(-1).max())) if len(tokens) else 1
    return tokens[:, :length]


def _concatenate(chunks: Sequence[Any]) -> Any:
    """Join outputs, or parts of outputs, of consecutive chunks of questions."""
    first = chunks[0]
    if first is None:
        return None
    if isinstance(first, Tensor):
        return torch.cat(list(chunks))
    if isinstance(first, dict):
        return {key: _concatenate([c[key] for c in chunks]) for key in first}
    parts = [_concatenate(part) for part in zip(*chunks, strict=True)]
    return type(first)(*parts) if isinstance(first, tuple) else parts
