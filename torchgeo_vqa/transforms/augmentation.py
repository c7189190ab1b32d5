# SPDX-License-Identifier: MIT
"""What is done to training pairs: one object of a data module's options."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import kornia.augmentation as K

from .cloud import RandomCloud
from .degradation import QUALITY_TYPES
from .dihedral import RandomDihedral
from .missing import RandomMissing
from .noise import RandomLowLight, RandomSpeckle
from .paired import PairedAugmentation

PROBABILITIES = (
    *('color_jitter', 'cloud', 'low_light', 'speckle'),
    *('missing_optical', 'missing_sar'),
)
"""Parts of an :class:`Augmentation` that are probabilities."""


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training pairs, off but for flips and turns.

    Geometry keeps every question true: direction words are rewritten along with it. Of a
    pair that anything else changes, questions of type ``modality_quality`` are left out:
    they would be false.

    Args:
        geometry: Flip and turn pairs, and rewrite the direction words of their questions
            and answers. A :class:`RandomDihedral` of one's own chooses among flips and
            turns.
        color_jitter: Probability of changing the colours of an optical image.
        cloud: Probability of clouds over an optical image, see :class:`RandomCloud`.
        low_light: Probability of low light in an optical image, see
            :class:`RandomLowLight`.
        speckle: Probability of speckle on a SAR image, which must be in dB, see
            :class:`RandomSpeckle`.
        missing_optical: Probability that an optical image is missing.
        missing_sar: Probability that a SAR image is missing.
        optical: Further augmentations of optical images in [0, 1], by Kornia or one's
            own.
        sar: Further augmentations of SAR images in their own units.
        optical_max: Value of the optical images that stands for 1 (defaults to that of
            the dataset).

    Raises:
        ValueError: If a number is out of its range.
        TypeError: If *optical* or *sar* holds what may move pixels.

    Example:
        >>> Augmentation(cloud=0.3).parts
        {'geometry': True, 'cloud': 0.3}
    """

    geometry: bool | RandomDihedral = True
    color_jitter: float = 0.0
    cloud: float = 0.0
    low_light: float = 0.0
    speckle: float = 0.0
    missing_optical: float = 0.0
    missing_sar: float = 0.0
    optical: Sequence[K.IntensityAugmentationBase2D] = ()
    sar: Sequence[K.IntensityAugmentationBase2D] = ()
    optical_max: float | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in PROBABILITIES:
            if not 0 <= (p := getattr(self, name)) <= 1:
                raise ValueError(f'{name} is a probability in [0, 1], got {p!r}')
        if self.optical_max is not None and not 0 < self.optical_max < math.inf:
            raise ValueError(f'optical_max must be positive, got {self.optical_max!r}')
        for part in (*self.optical, *self.sar):
            if not isinstance(part, K.IntensityAugmentationBase2D):
                raise TypeError(
                    'optical and sar take augmentations that move no pixel '
                    '(kornia.augmentation.IntensityAugmentationBase2D), because questions '
                    f'must stay true, got {type(part).__name__}'
                )

    @property
    def parts(self) -> dict[str, Any]:
        """Parts that change images, by name; empty if none does."""
        names = ('geometry', *PROBABILITIES, 'optical', 'sar')
        return {name: part for name in names if (part := getattr(self, name))}

    def bind(
        self,
        answers: Sequence[str],
        usual_answers: Sequence[Collection[int]],
        question_types: Sequence[str],
        optical_max: float,
    ) -> PairedAugmentation:
        """Make the module that augments batches of a dataset, whose answers it has to know."""
        optical = [
            K.ColorJiggle(0.2, 0.2, 0.2, 0.05, p=self.color_jitter),
            RandomCloud(p=self.cloud),
            RandomLowLight(p=self.low_light),
            *self.optical,
            # Last, because what is missing cannot be augmented
            RandomMissing(p=self.missing_optical),
        ]
        sar = [
            RandomSpeckle(p=self.speckle),
            *self.sar,
            RandomMissing(p=self.missing_sar),
        ]
        return PairedAugmentation(
            answers,
            usual_answers=usual_answers,
            geometry=self.geometry,
            optical=[part for part in optical if part.p],
            sar=[part for part in sar if part.p],
            optical_max=self.optical_max or optical_max,
            quality_types=[
                i for i, name in enumerate(question_types) if name in QUALITY_TYPES
            ],
        )
