# SPDX-License-Identifier: MIT
"""Metrics for visual question answering."""

import torch
from torch import Tensor
from torchmetrics import Metric


class VQAAccuracy(Metric):
    """Overall accuracy, average accuracy, and accuracy per question type and group.

    * **OA**, overall accuracy: share of questions answered right.
    * **AA**, average accuracy: mean over question types of the accuracy within the type,
      of those types that have questions.

    Only sums are kept, so the result is the same however questions are spread over
    batches, devices and machines. A target outside the vocabulary cannot be predicted
    and so counts as wrong; a target of -1 is padding and does not count.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    correct: Tensor
    total: Tensor
    group_correct: Tensor
    group_total: Tensor

    def __init__(self, num_types: int, num_groups: int = 0) -> None:
        """Initialize a metric of T question types and G groups of images."""
        super().__init__()
        for name, size in (('', num_types), ('group_', num_groups)):
            zeros = torch.zeros(size, dtype=torch.int64)
            self.add_state(f'{name}correct', zeros, dist_reduce_fx='sum')
            self.add_state(f'{name}total', zeros.clone(), dist_reduce_fx='sum')

    def update(
        self,
        preds: Tensor,
        target: Tensor,
        question_type: Tensor,
        group: Tensor | None = None,
    ) -> None:
        """Count questions, all int64 (Q,): predicted and true labels, types and groups.

        A target of -1 is padding, a group of -1 is unknown. Raise a ValueError for a type that is
        not one of the types.
        """
        real = target >= 0
        right = (preds == target)[real]
        kinds = question_type[real]
        if len(kinds) and not 0 <= int(kinds.min()) <= int(kinds.max()) < len(
            self.total
        ):
            raise ValueError(
                f'question_type must be in [0, {len(self.total)}), got '
                f'[{int(kinds.min())}, {int(kinds.max())}]'
            )
        size = len(self.total)
        self.correct += torch.bincount(kinds[right], minlength=size)
        self.total += torch.bincount(kinds, minlength=size)
        if group is not None:
            groups = group[real]
            known = groups >= 0
            size = len(self.group_total)
            self.group_correct += torch.bincount(groups[right & known], minlength=size)
            self.group_total += torch.bincount(groups[known], minlength=size)

    def compute(self) -> dict[str, Tensor]:
        """Compute the accuracies.

        Returns:
            ``OA`` and ``AA``, scalars; ``per_type`` (T,) and ``groups`` (G,), NaN where
            there is no question; ``num_questions``, an int64 scalar.
        """
        per_type = self.correct / self.total
        return {
            'OA': self.correct.sum() / self.total.sum(),
            'AA': per_type.nanmean(),
            'per_type': per_type,
            'groups': self.group_correct / self.group_total,
            'num_questions': self.total.sum(),
        }
