# SPDX-License-Identifier: MIT
"""OSVQAMini data module."""

from typing import Any, override

from ..datasets import OSVQAMini
from ..synthetic.mini import NUM_SCENES
from .pair_vqa import PairVQADataModule


class OSVQAMiniDataModule(PairVQADataModule):
    """Synthetic optical-SAR pairs with questions, made on first use: nothing to download.

    See :class:`~torchgeo_vqa.datasets.OSVQAMini`.
    """

    def __init__(
        self,
        root: str | None = None,
        seed: int = 0,
        size: int = 64,
        num_scenes: dict[str, int] | None = None,
        batch_size: int = 32,
        questions_per_sample: int | None = 16,
        **kwargs: Any,
    ) -> None:
        """Initialize a new OSVQAMiniDataModule instance.

        Args:
            root: Folder to keep the dataset in (defaults to the user's cache folder).
            seed: Seed the scenes are made from.
            size: Side of an image in pixels.
            num_scenes: Number of scenes of each split, ``{'train': ..., 'val': ...,
                'test': ...}``.
            batch_size: Pairs per batch.
            questions_per_sample: Questions drawn at random for each pair in training;
                None takes all, as evaluation always does.
            **kwargs: Other arguments of :class:`.PairVQADataModule`.
        """
        dataset_args = {'root': root, 'seed': seed, 'size': size}
        super().__init__(
            OSVQAMini,
            dataset_args | ({} if num_scenes is None else {'num_scenes': num_scenes}),
            batch_size=batch_size,
            questions_per_sample=questions_per_sample,
            **kwargs,
        )

    @override
    def prepare_data(self) -> None:
        """Make the dataset, once per machine."""
        # To open any split makes them all; the smallest opens fastest.
        num_scenes = self.kwargs.get('num_scenes', NUM_SCENES)
        self.dataset_for(min(num_scenes, key=num_scenes.__getitem__))
