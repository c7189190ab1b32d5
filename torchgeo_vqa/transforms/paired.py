# SPDX-License-Identifier: MIT
"""Augmentation of optical-SAR pairs together with their questions and answers."""

from collections.abc import Collection, Mapping, Sequence

import kornia.augmentation as K
import torch
from torch import Tensor, nn
from torchgeo.datasets.utils import Sample

from ..sample import mask_questions
from .dihedral import RandomDihedral
from .question_rewriter import IMPOSSIBLE, QuestionRewriter, answer_table

# B pairs, K questions per pair, L tokens


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
        geometry: bool | RandomDihedral = True,
        optical: Sequence[K.IntensityAugmentationBase2D] = (),
        sar: Sequence[K.IntensityAugmentationBase2D] = (),
        optical_max: float = 255.0,
        quality_types: Collection[int] = (),
    ) -> None:
        """Initialize a new PairedAugmentation instance.

        *answers* is the vocabulary that labels index; *usual_answers*, the indices of the
        answers that each question type is known to have, choose among synonyms. *geometry*
        may be a :class:`RandomDihedral` of one's own. *optical* are Kornia augmentations of
        optical images in [0, 1], 1 being *optical_max*, *sar* of SAR images in their own
        units; *quality_types* are the question types about the quality of the images.

        Raise a ValueError if *optical_max* is not positive, or *geometry* leaves out pairs.
        """
        super().__init__()
        if optical_max <= 0:
            raise ValueError(f'optical_max must be positive, got {optical_max!r}')
        self.optical_max = optical_max
        self.quality_types = tuple(quality_types)
        self.geometry = RandomDihedral() if geometry is True else geometry or None
        if self.geometry is not None:
            if self.geometry.p != 1:
                # Questions are rewritten by the element drawn, used or not
                raise ValueError(
                    f'geometry must have p=1, got p={self.geometry.p}: list the identity '
                    'more than once in its elements'
                )
            self._rewriter = QuestionRewriter()
            self._table = answer_table(answers, usual_answers)
        self.optical = K.AugmentationSequential(*optical, data_keys=None)
        self.sar = K.AugmentationSequential(*sar, data_keys=None)

    def forward(self, batch: Sample) -> Sample:
        """Augment a batch before normalization, as our data modules collate it.

        Return a new batch of the same shapes; the old one is left as it is.
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
        """Pad the questions about quality of pairs whose images changed, in place."""
        types = batch['question_type']
        changed = torch.zeros(len(types), dtype=torch.bool, device=types.device)
        for key, image in before.items():
            if batch[key] is not image:
                # NaN differs from itself, but no data is no change
                same = torch.isclose(batch[key], image, equal_nan=True)
                changed |= ~same.flatten(1).all(dim=1)
        quality = torch.tensor(self.quality_types, device=types.device)
        left_out = changed[:, None] & torch.isin(types, quality)
        batch |= mask_questions(batch, ~left_out)

    def _rewrite(self, batch: Sample, elements: Tensor) -> Tensor:
        """Rewrite questions and labels of a batch in place.

        Return the elements drawn, (B,), with 0 where a pair has to keep its geometry.
        """
        question, label = batch['question'], batch.get('label')
        drawn = elements.to(question.device)
        possible = torch.ones_like(drawn, dtype=torch.bool)
        if label is not None:
            self._table = self._table.to(question.device)
            types = batch.get('question_type', torch.full_like(label, -1))
            types = torch.where(types < self._table.shape[1] - 1, types, -1)
            new_label = self._table[drawn[:, None], types, label]
            possible &= (new_label != IMPOSSIBLE).all(dim=1)
        rows = self._rewriter.suspects(question) & (possible & (drawn > 0))[:, None]
        texts, turns, failed = question.to('cpu', copy=True), drawn.tolist(), []
        for pair, slot in rows.nonzero().tolist():
            text = self._rewriter(texts[pair, slot], turns[pair])
            if text is None:
                failed.append(pair)
            else:
                texts[pair, slot] = text
        possible[failed] = False
        texts = texts.to(question.device)
        batch['question'] = torch.where(possible[:, None, None], texts, question)
        if label is not None:
            batch['label'] = torch.where(possible[:, None], new_label, label)
        return torch.where(possible, drawn, 0).to(elements.device)
