# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""OSVQA data module."""

from collections.abc import Sequence
from typing import Literal

from ..datasets import OSVQA
from .pair_vqa import PairVQADataModule


class OSVQADataModule(PairVQADataModule):
    """Optical-SAR pairs with questions, in the layout of OSVQA.

    A batch is *batch_size* places, each with its pair of images and its questions.
    """

    def __init__(
        self,
        root: str = 'data',
        batch_size: int = 16,
        eval_batch_size: int | None = None,
        questions_per_sample: int | None = 32,
        patch_size: int | None = None,
        length: int | None = None,
        num_workers: int = 0,
        image_size: int | None = None,
        modalities: Sequence[str] = ('optical', 'sar'),
        question_types: Sequence[str] | None = None,
        num_answers: int | None = None,
        answers: Sequence[str] | None = None,
        optical_dir: str = 'images/rgb',
        sar_dir: str = 'images/sar',
        on_error: Literal['raise', 'skip'] = 'raise',
        cache: bool = True,
        statistics: dict[str, dict[str, list[float]]] | None = None,
        geometry: bool = True,
        color_jitter: float = 0.0,
        cloud: float = 0.0,
        low_light: float = 0.0,
        speckle: float = 0.0,
        missing_optical: float = 0.0,
        missing_sar: float = 0.0,
        optical_max: float = 255.0,
        predict_split: Literal['train', 'val', 'test'] = 'test',
    ) -> None:
        """Initialize a new OSVQADataModule instance.

        Args:
            root: The dataset's folder, or the folder that holds it.
            batch_size: Pairs per batch.
            eval_batch_size: Pairs per batch in validation, test and prediction
                (defaults to *batch_size*).
            questions_per_sample: Questions drawn at random for each pair in training;
                None takes all, as evaluation always does.
            patch_size: Side in pixels of patches: random ones in training, a grid in
                evaluation. None takes whole tiles, which is what questions are about: a
                patch only gets the questions of tiles that lie inside it.
            length: Pairs per training epoch (defaults to all tiles once, or as many
                patches as fit).
            num_workers: Worker processes that load data.
            image_size: Side in pixels that images are resized to. None leaves that to
                the model.
            modalities: 'optical', 'sar' or both.
            question_types: Types of questions to use (defaults to all).
            num_answers: Size of the vocabulary: the most frequent answers of the
                training split (defaults to all). Other answers count as wrong.
            answers: The vocabulary itself, for a dataset without training questions.
            optical_dir: Folder of the optical images, below *root*.
            sar_dir: Folder of the SAR images, below *root*.
            on_error: Whether to 'raise' or 'skip' a pair with a missing or broken file.
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
            speckle: Probability of speckle on a SAR image, which must be in dB.
            missing_optical: Probability that an optical image is missing.
            missing_sar: Probability that a SAR image is missing.
            optical_max: Value of the optical images that stands for 1 in *color_jitter*,
                *cloud* and *low_light*.
            predict_split: Split that predict answers.

        Raises:
            ValueError: If an argument is out of its range.
        """
        super().__init__(
            OSVQA,
            {'root': root, 'optical_dir': optical_dir, 'sar_dir': sar_dir},
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            questions_per_sample=questions_per_sample,
            patch_size=patch_size,
            length=length,
            num_workers=num_workers,
            image_size=image_size,
            modalities=modalities,
            question_types=question_types,
            num_answers=num_answers,
            answers=answers,
            on_error=on_error,
            cache=cache,
            statistics=statistics,
            geometry=geometry,
            color_jitter=color_jitter,
            cloud=cloud,
            low_light=low_light,
            speckle=speckle,
            missing_optical=missing_optical,
            missing_sar=missing_sar,
            optical_max=optical_max,
            predict_split=predict_split,
        )
