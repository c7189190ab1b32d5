# SPDX-License-Identifier: MIT
"""Batches of pairs that differ in size and in the number of questions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torchgeo.datasets.utils import Sample

from ..rasters.units import convert, mask_range
from ..sample import PADDING
from ..transforms import resize


@dataclass(frozen=True)
class PairCollate:
    """Stacks pairs into a batch.

    Images are converted from the *scales* that are named to *units*, those of a model, and
    resized to *image_size*, unless it is None; questions are padded to the largest number in
    the batch (at least 1), everything else is stacked.
    """

    image_size: int | None = None
    scales: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, samples: Sequence[Sample]) -> Sample:
        """Stack samples; raise a ValueError if their images differ in size."""
        batch: Sample = {}
        for key in samples[0]:
            values = [sample[key] for sample in samples]
            if key.startswith('image'):
                batch[key] = self._stack_images(key, values)
            elif key in PADDING:
                # A row more, for one slot where no pair has a question
                row = values[0].new_zeros((1, *values[0].shape[1:]))
                batch[key] = pad_sequence(
                    [*values, row], batch_first=True, padding_value=PADDING[key]
                )[:-1]
            else:
                batch[key] = torch.stack(values)
        if 'question_id' in batch:
            # The dataset pads too, to the most questions of any pair.
            used = (batch['question_id'] >= 0).any(dim=0).nonzero()
            num_used = max(int(used.max()) + 1 if len(used) else 0, 1)
            for key in PADDING.keys() & batch.keys():
                batch[key] = batch[key][:, :num_used]
        return batch

    def _stack_images(self, key: str, images: Sequence[Tensor]) -> Tensor:
        """Resize and stack the images of one modality."""
        modality = key.removeprefix('image_')
        scale, unit = self.scales.get(modality), self.units.get(modality)
        images = [convert(image, scale, unit) for image in images]
        if unit is not None:
            images = [mask_range(image, unit) for image in images]
        images = [resize(image, self.image_size) for image in images]
        shapes = sorted({tuple(image.shape) for image in images})
        if len(shapes) > 1:
            sizes = ', '.join(' x '.join(map(str, shape)) for shape in shapes)
            way_out = 'all images of a modality need the same bands'
            if self.image_size is None:
                way_out = 'set image_size to bring them to one size'
            raise ValueError(
                f'{key} differs in shape within a batch ({sizes}): {way_out}'
            )
        return torch.stack(images)
