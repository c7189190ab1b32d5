# SPDX-License-Identifier: MIT
"""Figure of a pair of images and its questions."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from ..sample import TITLES

# By whether the prediction is right
_COLORS = {None: 'black', True: 'tab:green', False: 'tab:red'}

# Inches
_PANEL, _LINE = 3.2, 0.18

# Characters on an inch of text
_CHARACTERS = 13


class QAPair(NamedTuple):
    """A question with its true answer and, if there is one, the predicted one, to show."""

    question: str
    answer: str
    prediction: str | None = None


def stretch(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Stretch each band of an image (H, W, C) to [0, 1], from 2nd to 98th percentile.

    Pixels that are not finite become 0.
    """
    finite = np.where(np.isfinite(image), image, np.nan)
    low, high = np.zeros(image.shape[-1]), np.ones(image.shape[-1])
    for band in np.flatnonzero(np.isfinite(image).any(axis=(0, 1))):
        low[band], high[band] = np.nanpercentile(finite[..., band], (2, 98))
    scale = np.maximum(high - low, 1e-6)
    return np.nan_to_num(np.clip((finite - low) / scale, 0, 1)).astype(np.float32)


def to_rgb(modality: str, image: Tensor) -> NDArray[np.float32]:
    """Convert an image (C, H, W) of a modality to RGB, (H, W, 3) in [0, 1]."""
    array = np.moveaxis(image.detach().cpu().float().numpy(), 0, -1)
    if modality == 'optical':
        array = array[..., :3]
        # Not stretched, if it can be helped, so that what is dark looks dark
        if np.nanmin(array) >= 0 and np.nanmax(array) <= 255:
            return np.nan_to_num(array / (255 if np.nanmax(array) > 1 else 1))
    elif array.shape[-1] == 2:
        # The difference in dB is the ratio of the polarizations
        array = np.concatenate([array, array[..., :1] - array[..., 1:]], axis=-1)
    elif array.shape[-1] < 3:
        array = array[..., :1].repeat(3, axis=-1)
    return stretch(array[..., :3])


def plot_pair(
    images: Mapping[str, Tensor],
    pairs: Sequence[QAPair],
    num_hidden: int = 0,
    show_titles: bool = True,
    suptitle: str | None = None,
) -> Figure:
    """Plot the image (C, H, W) of each modality side by side, and questions below.

    *num_hidden* is the number of questions that are not shown.
    """
    width = _PANEL * max(len(images), 2)
    lines: list[tuple[str, str]] = []
    for question, answer, prediction in pairs:
        right = None if prediction is None else prediction == answer
        text = f'{question} → {answer}'
        if prediction is not None:
            text += f' (predicted: {prediction})'
        for line in textwrap.wrap(
            text, int(width * _CHARACTERS), subsequent_indent='    '
        ):
            lines.append((line, _COLORS[right]))
    if num_hidden:
        lines.append((f'and {num_hidden} more', 'gray'))

    text_height = _LINE * (len(lines) + 1)
    top = 0.3 * show_titles + 0.4 * (suptitle is not None)
    height = _PANEL + text_height + top
    figure = plt.figure(figsize=(width, height))
    for i, (modality, image) in enumerate(images.items()):
        left = (width - _PANEL * len(images)) / 2 + _PANEL * i
        corner = (left + 0.1) / width, (text_height + 0.1) / height
        side = _PANEL - 0.2
        axes = figure.add_axes((*corner, side / width, side / height))
        axes.imshow(to_rgb(modality, image), vmin=0, vmax=1)
        axes.axis('off')
        if show_titles:
            axes.set_title(TITLES[modality])
    for i, (line, color) in enumerate(lines):
        at = 0.1 / width, (text_height - _LINE * i) / height
        figure.text(*at, line, color=color, fontsize=9, va='top', parse_math=False)
    if suptitle is not None:
        figure.suptitle(suptitle)
    return figure
