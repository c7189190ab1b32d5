# SPDX-License-Identifier: MIT
"""Which images a model uses, and what stands in for an absent one."""

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

from ..sample import MODALITIES

# B images, C channels, H/W pixels


def channels_of(modalities: Sequence[str], sar_channels: int) -> dict[str, int]:
    """Return the number of channels of each modality's image, optical first.

    Raise a ValueError if *modalities* is empty or holds anything but 'optical' and 'sar'.
    """
    if not modalities or not set(modalities) <= set(MODALITIES):
        raise ValueError(f'modalities must be of {MODALITIES}, got {tuple(modalities)}')
    channels = {'optical': 3, 'sar': sar_channels}
    return {m: channels[m] for m in MODALITIES if m in modalities}


def present_images(
    image_optical: Tensor | None, image_sar: Tensor | None, modalities: Iterable[str]
) -> dict[str, Tensor]:
    """Return the images (B, C, H, W) that a model uses, by modality.

    Raise a ValueError if all of them are absent.
    """
    images = {'optical': image_optical, 'sar': image_sar}
    present = {m: image for m in modalities if (image := images[m]) is not None}
    if not present:
        given = [f'image_{m}' for m, image in images.items() if image is not None]
        raise ValueError(
            f'the model uses {tuple(modalities)} but was given {given or "no image"}'
        )
    return present


def fill_absent(
    image_optical: Tensor | None, image_sar: Tensor | None, channels: Mapping[str, int]
) -> dict[str, Tensor]:
    """Put zeros, the mean of normalised images, in the place of absent images.

    Raise a ValueError if all that the model has channels for are absent.
    """
    present = present_images(image_optical, image_sar, channels)
    like = next(iter(present.values()))
    return {
        m: present[m] if m in present else like.new_zeros(len(like), c, *like.shape[2:])
        for m, c in channels.items()
    }
