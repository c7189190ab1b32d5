# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""OSVQAMini data module."""

from collections.abc import Sequence
from typing import Literal

from ..datasets import OSVQAMini
from ..synthetic.mini import NUM_SCENES
from .osvqa import OSVQADataModule


class OSVQAMiniDataModule(OSVQADataModule):
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
        eval_batch_size: int | None = None,
        questions_per_sample: int | None = 16,
        length: int | None = None,
        num_workers: int = 0,
        image_size: int | None = None,
        modalities: Sequence[str] = ('optical', 'sar'),
        question_types: Sequence[str] | None = None,
        num_answers: int | None = None,
        cache: bool = True,
        statistics: dict[str, dict[str, list[float]]] | None = None,
        geometry: bool = True,
        color_jitter: float = 0.0,
        cloud: float = 0.0,
        low_light: float = 0.0,
        speckle: float = 0.0,
        missing_optical: float = 0.0,
        missing_sar: float = 0.0,
        predict_split: Literal['train', 'val', 'test'] = 'test',
    ) -> None:
        """Initialize a new OSVQAMiniDataModule instance.

        Args:
            root: Folder to keep the dataset in (defaults to the user's cache folder).
            seed: Seed the scenes are made from.
            size: Side of an image in pixels.
            num_scenes: Number of scenes of each split, ``{'train': ..., 'val': ...,
                'test': ...}``.
            batch_size: Pairs per batch.
            eval_batch_size: Pairs per batch in validation, test and prediction
                (defaults to *batch_size*).
            questions_per_sample: Questions drawn at random for each pair in training;
                None takes all, as evaluation always does.
            length: Pairs per training epoch (defaults to all).
            num_workers: Worker processes that load data.
            image_size: Side in pixels that images are resized to. None leaves that to
                the model.
            modalities: 'optical', 'sar' or both.
            question_types: Types of questions to use (defaults to all).
            num_answers: Size of the vocabulary: the most frequent answers of the
                training split (defaults to all). Other answers count as wrong.
            cache: Keep decoded tiles in memory.
            statistics: Mean and standard deviation per band, ``{'optical': {'mean':
                [...], 'std': [...]}, 'sar': ...}`` (defaults to those of the training
                split; a checkpoint brings its own).
            geometry: Flip and turn training pairs, and rewrite the direction words of
                their questions and answers.
            color_jitter: Probability of changing the colours of an optical image.
            cloud: Probability of clouds over an optical image. Of a pair that
                photometry changes, questions of type ``modality_quality`` are left
                out: they would be false.
            low_light: Probability of low light in an optical image.
            speckle: Probability of speckle on a SAR image.
            missing_optical: Probability that an optical image is missing.
            missing_sar: Probability that a SAR image is missing.
            predict_split: Split that predict answers.
        """
        super().__init__(
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            questions_per_sample=questions_per_sample,
            length=length,
            num_workers=num_workers,
            image_size=image_size,
            modalities=modalities,
            question_types=question_types,
            num_answers=num_answers,
            cache=cache,
            statistics=statistics,
            geometry=geometry,
            color_jitter=color_jitter,
            cloud=cloud,
            low_light=low_light,
            speckle=speckle,
            missing_optical=missing_optical,
            missing_sar=missing_sar,
            predict_split=predict_split,
        )
        self.dataset_class = OSVQAMini
        self.kwargs |= {'root': root, 'seed': seed, 'size': size}
        if num_scenes is not None:
            self.kwargs['num_scenes'] = num_scenes
        for name in ('optical_dir', 'sar_dir', 'on_error'):
            del self.kwargs[name]

    def prepare_data(self) -> None:
        """Make the dataset, once per machine."""
        # To open any split makes them all; the smallest opens fastest.
        num_scenes = self.kwargs.get('num_scenes', NUM_SCENES)
        self.dataset_for(min(num_scenes, key=num_scenes.__getitem__))
