# SPDX-License-Identifier: MIT
"""Augmentations and preprocessing of image pairs, on batches and on the device."""

from .augmentation import Augmentation
from .cloud import RandomCloud
from .degradation import Degradation, ImageShuffle
from .dihedral import RandomDihedral
from .directions import rewrite
from .missing import RandomMissing
from .noise import RandomLowLight, RandomSpeckle
from .paired import PairedAugmentation
from .preprocessing import Preprocess, normalize, resize

__all__ = (
    'Augmentation',
    'Degradation',
    'ImageShuffle',
    'PairedAugmentation',
    'Preprocess',
    'RandomCloud',
    'RandomDihedral',
    'RandomLowLight',
    'RandomMissing',
    'RandomSpeckle',
    'normalize',
    'resize',
    'rewrite',
)
