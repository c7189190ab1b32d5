# SPDX-License-Identifier: MIT
"""Union of datasets of image pairs."""

import abc
from collections.abc import Sequence
from typing import cast, override

import torch
from torchgeo.datasets import GeoDataset, UnionDataset
from torchgeo.datasets.utils import GeoSlice, Sample

from ..sample import PADDING, pad


class TileDataset(GeoDataset):
    """Base class for datasets that know which of their queries are whole tiles."""

    @abc.abstractmethod
    def holds_tile(self, index: GeoSlice) -> bool:
        """Tell whether a query is for a whole tile."""

    @override
    def __or__(self, other: GeoDataset) -> UnionDataset:
        if isinstance(other, TileDataset):
            return PairUnion(self, other)
        return super().__or__(other)


class PairUnion(TileDataset, UnionDataset):
    """Union of datasets of image pairs, such as ``train | val``.

    TorchGeo merges samples by their maximum. That is wrong for pixels without data, which
    are NaN, and for questions. A tile of one of the datasets is
    returned as it is; elsewhere the first dataset's pixels are on top, and questions
    of all are returned.

    ``question_id`` remains the row in the table of the question's own dataset.
    """

    def __init__(self, dataset1: TileDataset, dataset2: TileDataset) -> None:
        """Initialize a new PairUnion instance."""
        super().__init__(dataset1, dataset2, collate_fn=merge_pairs)

    @override
    def holds_tile(self, index: GeoSlice) -> bool:
        datasets = cast(list[TileDataset], self.datasets)
        return any(dataset.holds_tile(index) for dataset in datasets)

    @override
    def __getitem__(self, index: GeoSlice) -> Sample:
        # Slices that are left open mean the bounds of both datasets
        index = self._disambiguate_slice(index)
        for dataset in cast(list[TileDataset], self.datasets):
            if dataset.holds_tile(index):
                return dataset[index]
        return super().__getitem__(index)


def merge_pairs(samples: Sequence[Sample]) -> Sample:
    """Merge samples of the same query: the first one's pixels, everyone's questions."""
    merged = dict(samples[0])
    for sample in samples[1:]:
        kept = [s['question_id'] >= 0 for s in (merged, sample)]
        num_questions = int(kept[0].sum() + kept[1].sum())
        size = max(len(kept[0]), len(kept[1]), num_questions)
        for key, value in sample.items():
            if key.startswith('image'):
                merged[key] = torch.where(merged[key].isnan(), value, merged[key])
            elif key not in ('bounds', 'transform'):
                real = torch.cat([merged[key][kept[0]], value[kept[1]]])
                merged[key] = pad(real, size, PADDING.get(key, -1))
    return merged
