# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Which images a model uses, and what stands in for an absent one."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from ..sample import MODALITIES

# B images, C channels, H/W pixels


def channels_of(modalities: Sequence[str], sar_channels: int) -> dict[str, int]:
    """Number of channels of each modality's image.

    Args:
        modalities: Modalities to use, of 'optical' and 'sar'.
        sar_channels: Number of channels of the SAR image.

    Returns:
        Channels by modality, optical first.

    Raises:
        ValueError: If *modalities* is empty or holds anything but 'optical' and 'sar'.
    """
    if not modalities or not set(modalities) <= set(MODALITIES):
        raise ValueError(f'modalities must be of {MODALITIES}, got {tuple(modalities)}')
    channels = {'optical': 3, 'sar': sar_channels}
    return {m: channels[m] for m in MODALITIES if m in modalities}


def fill_absent(
    images: Mapping[str, Tensor | None], channels: Mapping[str, int]
) -> dict[str, Tensor]:
    """Put zeros, the mean of normalised images, in the place of absent images.

    Args:
        images: Normalised images of each modality, shape (B, C, H, W), or None.
        channels: Channels of each modality to use.

    Returns:
        Images of the modalities to use, shape (B, C, H, W) each.

    Raises:
        ValueError: If all of them are absent.
    """
    there = {m: image for m in channels if (image := images.get(m)) is not None}
    if not there:
        given = [f'image_{m}' for m, image in images.items() if image is not None]
        raise ValueError(
            f'the model uses {tuple(channels)} but was given {given or "no image"}'
        )
    like = next(iter(there.values()))
    return {
        m: there[m] if m in there else like.new_zeros(len(like), c, *like.shape[2:])
        for m, c in channels.items()
    }
