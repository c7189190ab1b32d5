# SPDX-License-Identifier: MIT
"""What a trained model knows of its data."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from ..rasters.units import ImageSpec, spec_of
from ..transforms.preprocessing import Statistics


@dataclass(frozen=True)
class Metadata:
    """What a trained model knows of its data, saved with its weights.

    Attributes:
        answers: Vocabulary that the logits index.
        question_types: Names of the question types.
        groups: Names of the groups of images, such as clear and cloudy; may be empty.
        modalities: Modalities of the images.
        sar_channels: Number of bands of a SAR image, 0 without SAR.
        image_size: Side of the images in pixels, None before a model has decided.
        statistics: Mean and standard deviation per modality and band.
        images: Unit, bands and values of the images of each modality.
        dataset: Name of the class of the dataset, '' where it is not known.
    """

    answers: tuple[str, ...]
    question_types: tuple[str, ...]
    groups: tuple[str, ...]
    modalities: tuple[str, ...]
    sar_channels: int
    image_size: int | None
    statistics: Statistics
    images: dict[str, ImageSpec] = field(default_factory=dict)
    dataset: str = ''

    def __post_init__(self) -> None:
        """Guess from the statistics what images are that nothing else is known of.

        Raise a ValueError if the metadata cannot be those of a model.
        """
        if len(set(self.answers)) != len(self.answers):
            raise ValueError(f'answers must differ, got {self.answers}')
        if not all(isinstance(answer, str) for answer in self.answers):
            raise ValueError(f'answers must be texts, got {self.answers}')
        bands = self.channels
        for modality in self.modalities:
            numbers = self.statistics.get(modality, {})
            mean, std = numbers.get('mean', ()), numbers.get('std', ())
            good = len(mean) == len(std) == bands[modality] and all(
                isinstance(x, int | float) and math.isfinite(x) for x in (*mean, *std)
            )
            if not good or min(std) <= 0:
                raise ValueError(
                    f'statistics of {modality} need a mean and a positive std of each of '
                    f'{bands[modality]} bands, got {numbers}'
                )
        for modality, numbers in self.statistics.items():
            self.images.setdefault(modality, spec_of(modality, numbers))

    @property
    def channels(self) -> dict[str, int]:
        """Number of bands of an image of each modality."""
        return {'optical': 3, 'sar': self.sar_channels}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Read the content of a checkpoint or of a file of weights.

        Raise a ValueError if an entry is missing.
        """
        # Which checkpoints of version 0.1 do not hold
        content = {'dataset': '', 'images': {}, **content}
        names = [own.name for own in fields(cls)]
        if missing := [name for name in names if name not in content]:
            raise ValueError(
                f'the metadata of the model lacks {", ".join(missing)}: it was not saved '
                'by VQATask'
            )
        values = {name: content[name] for name in names}
        for name in ('answers', 'question_types', 'groups', 'modalities'):
            values[name] = tuple(values[name])
        values['images'] = {
            m: ImageSpec(**{**spec, 'bands': tuple(spec['bands'])})
            for m, spec in content['images'].items()
        }
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the content as a checkpoint holds it: lists, numbers and texts."""
        content = asdict(self)
        for name in ('answers', 'question_types', 'groups', 'modalities'):
            content[name] = list(content[name])
        for spec in content['images'].values():
            spec['bands'] = list(spec['bands'])
        return content
