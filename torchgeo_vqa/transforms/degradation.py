# SPDX-License-Identifier: MIT
"""Degradations of a known severity, the same in every evaluation.

Augmentations draw how strong they are; to measure a model, that has to be given, and no
result may depend on the batch size, the number of workers or what ran before.
"""

from typing import Literal

import kornia.augmentation as K
import numpy as np
import torch
from torch import Tensor
from torchgeo.datasets.utils import Sample

from ..sample import MODALITIES
from .cloud import RandomCloud
from .noise import RandomLowLight, RandomSpeckle

# B pairs, C channels

#: Types of questions that degradation makes false, in any dataset.
QUALITY_TYPES = ('modality_quality',)

# Standard deviation of a sensor's noise in low light, of the brightest value: 5 of 255.
# Without noise, darkness would take nothing away that a gain does not bring back.
NOISE = 0.02

# Least and greatest severity of a kind, the one that changes nothing, and the modality;
# beyond a million looks, there is no speckle to see.
_SEVERITIES: dict[str, tuple[float, float, float | None, str]] = {
    'cloud': (0, 1, 0, 'optical'),
    'low_light': (0, 1, 1, 'optical'),
    'speckle': (1, 1e6, None, 'sar'),
}

# Images between a sample and the one whose images it gets: neighbours in a dataset often
# show neighbouring ground, which would answer the same.
DISTANCE = 64


class Degradation:
    """Degrade the images of a batch by a given severity.

    =============  ====================================  ================================
    kind           severity                              what it does
    =============  ====================================  ================================
    ``cloud``      share of the image covered, 0 to 1    :class:`RandomCloud`
    ``low_light``  share of the light left, 0 to 1       :class:`RandomLowLight`, noise 0.02
    ``speckle``    number of looks, 1 or more            :class:`RandomSpeckle`, on top of
                                                         the image's own
    ``blank``      'optical', 'sar' or 'both'            no data: all pixels become NaN, and
                                                         so 0, the mean, when normalized
    =============  ====================================  ================================

    What an image goes through depends on *seed* and on the image's number, and on nothing
    else; PyTorch's random numbers go on as if nothing had happened. At all severities an
    image has the same clouds, which grow, and the same noise, which rises: so a
    difference between two severities is not one between two draws.

    A cover of 0 and a light of 1 leave the batch exactly as it is.

    Questions that stay true: all about the ground. Questions about the quality of the
    images become **false**: leave them out of the evaluation.

    Shape:
        - ``image_optical``: (B, 3, H, W), in the units of the files
        - ``image_sar``: (B, C, H, W), in dB

    Example:
        >>> import torch
        >>> batch = {'image_optical': torch.full((2, 3, 8, 8), 200.0)}
        >>> dark = Degradation('low_light', 0.1)(batch, torch.arange(2))
        >>> round(dark['image_optical'].mean().item())
        20
    """

    def __init__(
        self,
        kind: Literal['cloud', 'low_light', 'speckle', 'blank'],
        severity: float | str,
        seed: int = 0,
        optical_max: float = 255.0,
    ) -> None:
        """Initialize a degradation; *optical_max* is the optical value that stands for 1.

        Raise a ValueError if *kind* is unknown, or *severity*, see above, out of its range.
        """
        self.seed = seed
        self._scale = 1.0 if kind == 'speckle' else optical_max
        self._augmentation: K.IntensityAugmentationBase2D | None = None
        #: Modalities it changes: none where the severity is no degradation at all.
        self.modalities: tuple[str, ...]
        if kind == 'blank':
            self.modalities = _modalities(severity)
        elif kind in _SEVERITIES:
            least, most, harmless, modality = _SEVERITIES[kind]
            if isinstance(severity, str) or not least <= severity <= most:
                raise ValueError(
                    f'severity of {kind} must be in [{least:g}, {most:g}], got '
                    f'{severity!r}'
                )
            self.modalities = () if severity == harmless else (modality,)
            known = float(severity), float(severity)
            self._augmentation = {
                'cloud': lambda: RandomCloud(known, p=1.0),
                'low_light': lambda: RandomLowLight(known, (NOISE, NOISE), p=1.0),
                'speckle': lambda: RandomSpeckle(known, p=1.0),
            }[kind]()
        else:
            raise ValueError(
                f"kind must be 'cloud', 'low_light', 'speckle' or 'blank', got {kind!r}"
            )

    def __call__(self, batch: Sample, index: Tensor) -> Sample:
        """Degrade the images of a batch, in the units of the files, before normalization.

        *index* is the number of each image among those evaluated, (B,) int64. Return a new
        batch of the same shapes; a missing image is a KeyError.
        """
        batch = dict(batch)
        for modality in self.modalities:
            key = f'image_{modality}'
            if self._augmentation is None:
                batch[key] = torch.full_like(batch[key], torch.nan)
            else:
                batch[key] = self._augment(self._augmentation, batch[key], index)
        return batch

    def _augment(
        self, augmentation: K.IntensityAugmentationBase2D, image: Tensor, index: Tensor
    ) -> Tensor:
        """Augment each of the images (B, C, H, W) with random numbers of its own."""
        output = torch.empty_like(image)
        # On any device, augmentations draw from the CPU's generator
        with torch.random.fork_rng(devices=[]):
            for i, number in enumerate(index.tolist()):
                state = np.random.SeedSequence([self.seed, number])
                seed = int(state.generate_state(1, np.uint64)[0])
                torch.default_generator.manual_seed(seed)
                unit = image[i : i + 1] / self._scale
                output[i : i + 1] = augmentation(unit) * self._scale
        return output


class ImageShuffle:
    """Give every sample the images of another one, over a whole evaluation.

    What a model still answers right, it does not see in the images. Each sample gets the
    images of the sample that came *distance* before it; the first ones wait for the last,
    so every image is used once, whatever the batch size. Of no more samples than
    *distance*, each gets the images of the one half of them before. If both modalities are
    shuffled, a pair stays together.

    With several devices, each shuffles its share of the images.

    Example:
        >>> import torch
        >>> shuffle = ImageShuffle('sar', distance=1)
        >>> batch = {'image_sar': torch.arange(3.0).view(3, 1, 1, 1)}
        >>> shuffle(batch)['image_sar'].flatten()
        tensor([0., 1.])
        >>> [last['image_sar'].flatten() for last in shuffle.rest()]
        [tensor([2.])]
    """

    def __init__(
        self, modality: Literal['optical', 'sar', 'both'], distance: int = DISTANCE
    ) -> None:
        """Initialize a shuffle of 'optical', 'sar' or 'both' images.

        *distance* is the number of samples from one to that whose images it gets, at least
        1. Raise a ValueError if one of both is out of its range.
        """
        #: Modalities it changes.
        self.modalities = _modalities(modality)
        if distance < 1:
            raise ValueError(f'distance must be at least 1, got {distance!r}')
        self.distance = distance
        self._num_samples = 0
        # Samples that wait for images, and images that wait for samples
        self._waiting: list[Sample] = []
        self._images: dict[str, Tensor] = {}

    def __call__(self, batch: Sample) -> Sample:
        """Take the next batch of an evaluation, whose images have one size.

        Return at most as many samples of the batch, with the images of others.
        """
        images = dict(self._images)
        for modality in self.modalities:
            key = f'image_{modality}'
            before = [images[key]] if key in images else []
            images[key] = torch.cat([*before, batch[key]])
        size, known = (len(x[f'image_{self.modalities[0]}']) for x in (batch, images))
        num_ready = max(0, known - self.distance)
        num_waiting = size - num_ready
        if num_waiting:
            self._waiting.append({k: v[:num_waiting] for k, v in batch.items()})
        self._num_samples += size
        self._images = {k: v[-self.distance :] for k, v in images.items()}
        ready = {k: v[num_waiting:] for k, v in batch.items()}
        return ready | {k: v[:num_ready] for k, v in images.items()}

    def rest(self) -> list[Sample]:
        """Return batches of the samples that are still waiting, after the last batch.

        Raise a ValueError if there was a single sample in all.
        """
        if self._num_samples == 1:
            raise ValueError(
                'a single image cannot be shuffled: evaluate at least 2 images on each '
                'device, or do not shuffle'
            )
        images = self._images
        if self._num_samples <= self.distance:
            images = {k: v.roll(self._num_samples // 2, 0) for k, v in images.items()}
        done, batches = 0, []
        for batch in self._waiting:
            stop = done + len(batch[f'image_{self.modalities[0]}'])
            batches.append(batch | {k: v[done:stop] for k, v in images.items()})
            done = stop
        return batches


def _modalities(name: float | str) -> tuple[str, ...]:
    """Return the modalities that are blanked or shuffled."""
    if name not in (*MODALITIES, 'both'):
        raise ValueError(f"modality must be 'optical', 'sar' or 'both', got {name!r}")
    return MODALITIES if name == 'both' else (str(name),)
