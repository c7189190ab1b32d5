# SPDX-License-Identifier: MIT
"""Base class and output of all models for visual question answering."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from .encoder import ImageEncoder

# B pairs, Q questions in all, U unique questions, K questions per pair (padded),
# L tokens, E experts, A answers

#: Bytes of image features, repeated for every question, in one chunk of questions: on a CPU
#: what its caches hold (1.5 times as fast as all at once), on a GPU what keeps it busy.
CPU_BYTES, GPU_BYTES = 8 * 2**20, 512 * 2**20


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


class EncodedQuestions(NamedTuple):
    """Encoded unique questions of models that look at every word."""

    #: Token features, (U, L, D).
    tokens: Tensor
    #: Summaries, (U, D).
    summary: Tensor
    #: True where there is a token, False at padding, (U, L).
    mask: Tensor


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
        """Encode normalised images (B, 3, H, W) and (B, C, H, W) for :meth:`answer`."""

    @abstractmethod
    def encode_questions(self, tokens: Tensor) -> Any:
        """Encode unique questions, token ids (U, L), 0-padded, for :meth:`answer`."""

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

        *images* and *questions* come from :meth:`encode_images` for B pairs and from
        :meth:`encode_questions` for U unique questions; *pair_index* and *question_index*,
        (Q,) int64, tell which of them a question is about, and which it is. *explain* adds
        what explains the answers, where the model can.

        Return a :class:`VQAOutput`, or a tuple that starts with the same fields.
        """

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the image towers and :meth:`answer`, which take most of the time.

        Arguments are those of :func:`torch.compile`. The rest, such as finding unique questions,
        stays in Python. The number of questions may change from batch to batch.
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
        chunk_size: int | Literal['auto'] | None = None,
    ) -> Any:
        """Answer all questions of an image-major batch, pair by pair.

        The batch holds ``image_optical`` (B, 3, H, W) and ``image_sar`` (B, C, H, W), either
        may be absent, and ``question`` (B, K, L): token ids, all 0 at padding. Where it also
        holds ``valid_optical`` or ``valid_sar`` (B, C), the shares of pixels that have data,
        an image of which no pixel has is absent from its pair. *chunk_size*
        is the number of questions to answer at once, which bounds the memory; 'auto' as many
        as suit the device, None all. *explain* adds what explains the answers, where the
        model can.
        """
        question = batch['question']
        # Every real question starts with the token that starts a text
        pair_index, slot = (question[..., 0] != 0).nonzero(as_tuple=True)
        unique, question_index = torch.unique(
            question[pair_index, slot], dim=0, return_inverse=True
        )
        questions = self.encode_questions(unique)
        outputs, places = [], []
        for pairs, given in _by_presence(batch, self.modalities):
            images = self.encode_images(
                given.get('image_optical'), given.get('image_sar')
            )
            # Number of each of these pairs among them, -1 of others
            numbers = torch.full_like(question[:, 0, 0], -1)
            numbers[pairs] = torch.arange(len(pairs), device=pairs.device)
            own = (numbers[pair_index] >= 0).nonzero()[:, 0]
            size = suitable_chunk(images) if chunk_size == 'auto' else chunk_size
            for some in own.split(size or max(1, len(own))):
                pair, asked = numbers[pair_index[some]], question_index[some]
                outputs.append(self.answer(images, questions, pair, asked, explain))
            places.append(own)
        output = _concatenate(outputs)
        if len(places) == 1:
            return output
        return _reorder(output, torch.cat(places).argsort())


def _by_presence(
    batch: Mapping[str, Tensor], modalities: Sequence[str]
) -> list[tuple[Tensor, dict[str, Tensor]]]:
    """Group the pairs of a batch by which of their images have a valid pixel.

    Return the indices of the pairs of each group, and its images. A pair without any keeps
    both: they are blank.
    """
    num_pairs, device = len(batch['question']), batch['question'].device
    images = {key: x for key, x in batch.items() if key.startswith('image_')}
    every = torch.arange(num_pairs, device=device)
    present = {
        f'image_{m}': batch[f'valid_{m}'].amax(dim=1) > 0
        for m in modalities
        if f'image_{m}' in images and f'valid_{m}' in batch
    }
    if not present or all(bool(there.all()) for there in present.values()):
        return [(every, images)]
    bits = torch.stack(list(present.values()), dim=1)
    bits = bits | ~bits.any(dim=1, keepdim=True)
    groups = []
    for kind in bits.unique(dim=0):
        pairs = (bits == kind).all(dim=1).nonzero()[:, 0]
        absent = {
            k for k, there in zip(present, kind.tolist(), strict=True) if not there
        }
        given = {key: x[pairs] for key, x in images.items() if key not in absent}
        groups.append((pairs, given))
    return groups


def suitable_chunk(images: Any) -> int:
    """Choose how many questions to answer at once, given features (B, ...) of B pairs.

    The memory of a question grows with the features of its images: with TGFNet, to some
    four times their size.
    """
    per_pair, budget = 1, CPU_BYTES
    for x in _tensors(images):
        per_pair += x.numel() * x.element_size() // max(1, len(x))
        budget = CPU_BYTES if x.device.type == 'cpu' else GPU_BYTES
    return max(1, budget // per_pair)


def _tensors(features: Any) -> Iterator[Tensor]:
    """Find the tensors in a mapping or sequence, or a tensor alone."""
    if isinstance(features, Tensor):
        yield features
    elif isinstance(features, Mapping):
        for part in features.values():
            yield from _tensors(part)
    elif isinstance(features, Sequence):
        for part in features:
            yield from _tensors(part)


def trim(tokens: Tensor) -> Tensor:
    """Cut token ids (U, L), 0-padded, to the longest question, at least 1."""
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
        common = [key for key in first if all(key in chunk for chunk in chunks)]
        return {key: _concatenate([c[key] for c in chunks]) for key in common}
    parts = [_concatenate(part) for part in zip(*chunks, strict=True)]
    return type(first)(*parts) if isinstance(first, tuple) else parts


def _reorder(output: Any, order: Tensor) -> Any:
    """Put the questions of an output, or of a part of one, into an order."""
    if output is None:
        return None
    if isinstance(output, Tensor):
        return output[order]
    if isinstance(output, dict):
        return {key: _reorder(part, order) for key, part in output.items()}
    parts = [_reorder(part, order) for part in output]
    return type(output)(*parts) if isinstance(output, tuple) else parts
