# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Augmentation of optical-SAR pairs together with their questions and answers."""

from collections.abc import Collection, Mapping, Sequence

import kornia.augmentation as K
import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor, nn
from torchgeo.datasets.utils import Sample

from ..rasters.dihedral import ELEMENTS
from ..sample import PADDING
from .dihedral import RandomDihedral
from .directions import DIRECTION_WORDS, canonical, has_direction, rewrite

# B pairs, K questions per pair, L tokens, A answers, T question types

# What the answer table says where no answer of the vocabulary stays true.
IMPOSSIBLE = -2

# Rewritten questions kept in memory: some 100 MB at most.
MEMO_SIZE = 50_000


def answer_table(
    answers: Sequence[str], usual: Sequence[Collection[int]] = ()
) -> Tensor:
    """Tabulate what becomes of every answer under every flip and turn.

    A direction becomes the answer of the vocabulary that means the new one: an answer
    that the same type of question is known to have before others, the same wording
    before synonyms (*top* and *above* are both synonyms of *upper*).

    Args:
        answers: The A answers.
        usual: For each of T question types, the indices of the answers it is known to
            have.

    Returns:
        New label for [element, question type, label], int64 of shape (8, T + 1, A + 2).
        Type -1 is any other; label A (unknown) and -1 (padding) stay. Where the
        vocabulary lacks the new answer, ``IMPOSSIBLE``.
    """
    table = torch.arange(len(answers) + 2).repeat(len(ELEMENTS), len(usual) + 1, 1)
    table[..., -1] = -1
    directions = [i for i, answer in enumerate(answers) if has_direction(answer)]
    synonyms: dict[str, list[int]] = {}
    for i in directions:
        synonyms.setdefault(canonical(answers[i]), []).append(i)
    for element in ELEMENTS:
        for i in directions:
            new = rewrite(answers[i], element)
            if new == answers[i]:
                continue
            for kind, known in enumerate([*usual, ()]):
                table[element, kind, i] = min(
                    synonyms.get(canonical(new), ()),
                    key=lambda j: (
                        j not in known,
                        answers[j].casefold() != new.casefold(),
                    ),
                    default=IMPOSSIBLE,
                )
    return table


class QuestionRewriter:
    """Rewrites the direction words of tokenized questions."""

    def __init__(self) -> None:
        """Initialize a new QuestionRewriter instance."""
        self.tokenizer = SimpleTokenizer()
        # A word is given away by its first token; the text has the last say.
        self.tokens = torch.zeros(self.tokenizer.vocab_size, dtype=torch.bool)
        self.tokens[[self.tokenizer.encode(word)[0] for word in DIRECTION_WORDS]] = True
        self._memo: dict[tuple[bytes, int], Tensor | None] = {}

    def suspects(self, question: Tensor) -> Tensor:
        """Find the questions that may hold a direction word.

        Args:
            question: Tokens of shape (..., L).

        Returns:
            bool of shape (...).
        """
        self.tokens = self.tokens.to(question.device)
        return self.tokens[question].any(dim=-1)

    def __call__(self, question: Tensor, element: int) -> Tensor | None:
        """Rewrite a question as its image is flipped or turned.

        Args:
            question: Tokens of shape (L,), on the CPU.
            element: What is done to the image, an element of D4.

        Returns:
            Tokens of shape (L,), or None if the question is cut off, cannot be read
            back from its tokens, or does not fit into L tokens any more.
        """
        key = question.numpy().tobytes(), element
        if key not in self._memo:
            if len(self._memo) >= MEMO_SIZE:
                self._memo.clear()
            self._memo[key] = self._rewrite(question, element)
        return self._memo[key]

    def _rewrite(self, question: Tensor, element: int) -> Tensor | None:
        """Rewrite a question that has not been met before."""
        length = len(question)
        special = self.tokenizer.all_special_ids
        tokens = [i for i in question.tolist() if i and i not in special]
        text = self.tokenizer.decode(tokens)
        if not has_direction(text):
            return question.clone()
        # The tokenizer cuts long questions, so one that fills its row may lack its end.
        if question[-1] or self.tokenizer.encode(text) != tokens:
            return None
        text = rewrite(text, element)
        if len(self.tokenizer.encode(text)) + 2 > length:
            return None
        return self.tokenizer(text, length)[0].to(question.dtype)


class PairedAugmentation(nn.Module):
    """Augment a batch of optical-SAR pairs, their questions and their answers.

    Geometry is a random flip or quarter turn (:class:`RandomDihedral`), the same for
    both images of a pair. Direction words are rewritten along with it, in questions (on
    their tokens) and answers (within the vocabulary), so **every question stays true**,
    within the limits that :mod:`torchgeo_vqa.transforms.directions` states. A pair with
    a question that cannot be rewritten keeps its geometry.

    Photometry is each modality's own and leaves questions as they are. What it does to an
    image can make questions about the quality of the images false: a pair that it changed
    loses those of *quality_types*, which become padding.

    ``bounds`` and ``transform`` go on describing the image in the file, as in TorchGeo.

    Shape:
        - ``image_optical``: (B, 3, H, W), ``image_sar``: (B, C, H, W), either may be absent
        - ``question``: (B, K, L), ``label``, ``question_type`` and others that are padded
          along with it: (B, K)

    Example:
        >>> import torch
        >>> from open_clip import tokenize
        >>> batch = {
        ...     'image_sar': torch.rand(1, 2, 8, 8),
        ...     'question': tokenize(['is the ship left of the bridge?'])[None],
        ...     'label': torch.tensor([[1]]),
        ... }
        >>> augmented = PairedAugmentation(['no', 'yes'])(batch)
    """

    def __init__(
        self,
        answers: Sequence[str],
        usual_answers: Sequence[Collection[int]] = (),
        geometry: bool = True,
        optical: Sequence[K.IntensityAugmentationBase2D] = (),
        sar: Sequence[K.IntensityAugmentationBase2D] = (),
        optical_max: float = 255.0,
        quality_types: Collection[int] = (),
    ) -> None:
        """Initialize a new PairedAugmentation instance.

        Args:
            answers: The vocabulary that labels index.
            usual_answers: For each question type, the indices of the answers it is known
                to have: they choose among synonyms.
            geometry: Flip and turn the pairs.
            optical: Kornia augmentations of optical images in [0, 1].
            sar: Kornia augmentations of SAR images in their own units.
            optical_max: Value of the optical images that becomes 1.
            quality_types: Question types about the quality of the images.

        Raises:
            ValueError: If *optical_max* is not positive.
        """
        super().__init__()
        if optical_max <= 0:
            raise ValueError(f'optical_max must be positive, got {optical_max!r}')
        self.optical_max = optical_max
        self.quality_types = tuple(quality_types)
        self.geometry: RandomDihedral | None = None
        if geometry:
            self.geometry = RandomDihedral()
            self._rewriter = QuestionRewriter()
            self._table = answer_table(answers, usual_answers)
        self.optical = K.AugmentationSequential(*optical, data_keys=None)
        self.sar = K.AugmentationSequential(*sar, data_keys=None)

    def forward(self, batch: Sample) -> Sample:
        """Augment a batch.

        Args:
            batch: A batch as :class:`~torchgeo_vqa.datamodules.OSVQADataModule` collates
                it, before normalization.

        Returns:
            A new batch of the same shapes; the old one is left as it is.
        """
        batch = dict(batch)
        images = {k: batch[k] for k in ('image_optical', 'image_sar') if k in batch}
        if self.geometry is not None and images:
            # A flat image anywhere forbids quarter turns everywhere.
            shapes = sorted(
                (i.shape for i in images.values()), key=lambda s: s[2] == s[3]
            )
            params = self.geometry.forward_parameters(shapes[0])
            if 'question' in batch:
                params['dihedral'] = self._rewrite(batch, params['dihedral'])
            batch |= {k: self.geometry(v, params=params) for k, v in images.items()}
        before = {k: v for k, v in batch.items() if k.startswith('image')}
        if len(self.optical) and 'image_optical' in batch:
            unit = {'image': batch['image_optical'] / self.optical_max}
            batch['image_optical'] = self.optical(unit)['image'] * self.optical_max
        if len(self.sar) and 'image_sar' in batch:
            batch['image_sar'] = self.sar({'image': batch['image_sar']})['image']
        if self.quality_types and 'question_type' in batch:
            self._leave_out(batch, before)
        return batch

    def _leave_out(self, batch: Sample, before: Mapping[str, Tensor]) -> None:
        """Pad the questions about quality of pairs whose images changed, in place.

        Args:
            batch: The batch.
            before: Images before, (B, C, H, W) each.
        """
        kind = batch['question_type']
        changed = torch.zeros(len(kind), dtype=torch.bool, device=kind.device)
        for key, image in before.items():
            if batch[key] is not image:
                # NaN differs from itself, but no data is no change
                same = torch.isclose(batch[key], image, equal_nan=True)
                changed |= ~same.flatten(1).all(dim=1)
        quality = torch.tensor(self.quality_types, device=kind.device)
        left_out = changed[:, None] & torch.isin(kind, quality)
        for key in PADDING.keys() & batch.keys():
            mask = left_out[..., None] if batch[key].ndim == 3 else left_out
            batch[key] = batch[key].masked_fill(mask, PADDING[key])

    def _rewrite(self, batch: Sample, elements: Tensor) -> Tensor:
        """Rewrite questions and labels of a batch in place.

        Args:
            batch: The batch.
            elements: Elements drawn, (B,).

        Returns:
            Elements with 0 where a pair has to keep its geometry, (B,).
        """
        question = batch['question']
        device = question.device
        drawn = elements.to(device)
        possible = torch.ones_like(drawn, dtype=torch.bool)
        label = batch.get('label')
        if label is not None:
            self._table = self._table.to(device)
            kind = batch.get('question_type', torch.full_like(label, -1))
            kind = torch.where(kind < self._table.shape[1] - 1, kind, -1)
            new_label = self._table[drawn[:, None], kind, label]
            possible &= (new_label != IMPOSSIBLE).all(dim=1)
        rows = self._rewriter.suspects(question) & (possible & (drawn > 0))[:, None]
        pairs, slots = rows.nonzero(as_tuple=True)
        texts = question[pairs, slots].cpu()
        turned = [
            self._rewriter(text, element)
            for text, element in zip(texts, drawn[pairs].tolist(), strict=True)
        ]
        failed = [
            pair
            for pair, text in zip(pairs.tolist(), turned, strict=True)
            if text is None
        ]
        possible[failed] = False
        new_question = question.clone()
        if turned:
            new = [
                t if t is not None else q for t, q in zip(turned, texts, strict=True)
            ]
            new_question[pairs, slots] = torch.stack(new).to(device)
        batch['question'] = torch.where(possible[:, None, None], new_question, question)
        if label is not None:
            batch['label'] = torch.where(possible[:, None], new_label, label)
        return torch.where(possible, drawn, 0).to(elements.device)
