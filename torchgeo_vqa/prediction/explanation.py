# SPDX-License-Identifier: MIT
"""What a model looked at to answer a question."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ..models import Routing, TGFNetOutput
from ..rasters.figure import to_rgb
from ..sample import TITLES
from .answer import Answer, best_answer, in_words

# P patches per side, N = P * P patches

# Inches
_PANEL, _BAR = 2.2, 0.3

# Characters of the title in an inch
_CHARACTERS = 12


class ExpertPrediction(NamedTuple):
    """What an expert answers by itself."""

    #: Its own answer.
    answer: str
    #: Probability of that answer, in [0, 1].
    probability: float
    #: Its weight in the answer of all, in [0, 1].
    weight: float


class Explanation(NamedTuple):
    """What a model looked at to answer a question.

    Maps have shape (P, P), a value for each patch. Of models other than TGFNet there
    are none.
    """

    #: The answer.
    answer: Answer
    #: What each expert answers by itself; those whose image is missing are left out.
    experts: dict[str, ExpertPrediction]
    #: For each modality and stage, the share of the key region that a patch is in, 0
    #: outside of them. Empty without CFAR, or if nothing routes.
    regions: dict[str, list[Tensor]]
    #: For each modality and stage, the attention that the question paid to each patch; it
    #: adds up to 1. Empty without CFAR.
    attention: dict[str, list[Tensor]]
    #: For each modality, its weight in the fusion at each patch; they add up to 1. Empty
    #: without an expert that fuses.
    quality: dict[str, Tensor]


def as_explanation(
    output: Any,
    question: str,
    answers: Sequence[str],
    expert_names: Sequence[str],
    modalities: Sequence[str],
    note: str = '',
) -> Explanation:
    """Put a model's output for one question, with ``explain=True``, into maps and words."""
    (answer,) = in_words(output, [question], answers, expert_names, [note])
    experts = {}
    for i, name in enumerate(expert_names):
        if answer.expert_weights[name] > 0:
            probability, best = best_answer(output.expert_logits[0, i])
            experts[name] = ExpertPrediction(
                answers[int(best)], float(probability), answer.expert_weights[name]
            )
    explanation = Explanation(answer, experts, {}, {}, {})
    if not isinstance(output, TGFNetOutput):
        return explanation
    for modality, stages in (output.attention or {}).items():
        explanation.attention[modality] = [_as_map(weights[0]) for weights in stages]
    for modality, routings in (output.regions or {}).items():
        if any(routing is not None for routing in routings):
            maps = zip(routings, explanation.attention[modality], strict=True)
            explanation.regions[modality] = [_region_map(*pair) for pair in maps]
    if output.quality is not None:
        for i, modality in enumerate(modalities):
            explanation.quality[modality] = _as_map(output.quality[0, :, i])
    return explanation


def _as_map(weights: Tensor) -> Tensor:
    """Lay N patches out on the image, (P, P)."""
    side = math.isqrt(len(weights))
    return weights.detach().float().cpu().reshape(side, side)


def _region_map(routing: Routing | None, like: Tensor) -> Tensor:
    """Lay the shares of the kept regions out on the image, (P, P)."""
    if routing is None:
        return torch.full_like(like, 1.0)
    share = routing.weights[0].detach().float().cpu()
    patches = routing.patches[0].cpu()
    shares = torch.zeros(like.numel())
    shares[patches] = share.repeat_interleave(len(patches) // len(share))
    return shares.reshape(like.shape)


def plot_explanation(
    explanation: Explanation, optical: Tensor | None = None, sar: Tensor | None = None
) -> Figure:
    """Plot what a model looked at over the images, a row for each.

    The image, (3, H, W) or (C, H, W) in the units of its file; for each stage of refinement
    the key regions (outlined) and the attention inside of them; and how far the fusion
    relied on this image at each patch. Below, what each expert answers by itself, and its
    weight. No image at all is a ValueError.
    """
    given = {'optical': optical, 'sar': sar}
    images = {m: torch.as_tensor(x) for m, x in given.items() if x is not None}
    if not images:
        raise ValueError('there is no image to plot over: give optical, sar or both')
    num_stages = max([len(s) for s in explanation.attention.values()], default=0)
    num_columns = 1 + num_stages + bool(explanation.quality)
    width = max(_PANEL * num_columns, 5.0)
    heights = [_PANEL * len(images), _BAR * (len(explanation.experts) + 1)]
    figure = plt.figure(figsize=(width, sum(heights) + 0.8), layout='constrained')
    grid = figure.add_gridspec(2, 1, height_ratios=heights)
    above, below = (figure.add_subfigure(cell) for cell in (grid[0], grid[1]))
    panels = above.subplots(len(images), num_columns, squeeze=False)
    for row, (modality, image) in zip(panels, images.items(), strict=True):
        rgb = to_rgb(modality, image)
        for axes in row:
            axes.imshow(rgb, vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
        row[0].set_ylabel(TITLES[modality])
        maps = explanation.attention.get(modality, [])
        regions = explanation.regions.get(modality, [None] * len(maps))
        for axes, attention, region in zip(row[1:], maps, regions, strict=False):
            _overlay(axes, attention, rgb.shape, 'inferno')
            if region is not None:
                _outline(axes, (region > 0).numpy(), rgb.shape)
        if modality in explanation.quality:
            quality = explanation.quality[modality]
            _overlay(row[-1], quality, rgb.shape, 'RdYlGn').set_clim(0, 1)
    titles = ['image', *(f'stage {i + 1}' for i in range(num_stages)), 'relied on']
    for axes, title in zip(panels[0], titles[:num_columns], strict=True):
        axes.set_title(title, fontsize=9)
    _plot_experts(below.subplots(), explanation.experts)
    answer = explanation.answer
    title = f'{answer.question}  →  {answer.answer} ({answer.probability:.0%})'
    # Matplotlib's own wrapping reads math whatever parse_math says
    wrapped = textwrap.fill(title, int(_CHARACTERS * width))
    figure.suptitle(wrapped, fontsize=10, parse_math=False)
    return figure


def _overlay(axes: Axes, weights: Tensor, size: tuple[int, ...], cmap: str) -> Any:
    """Lay a map over an image."""
    extent = (-0.5, size[1] - 0.5, size[0] - 0.5, -0.5)
    return axes.imshow(weights.numpy(), cmap=cmap, alpha=0.6, extent=extent)


def _outline(axes: Axes, inside: np.ndarray, size: tuple[int, ...]) -> None:
    """Draw a line around the patches inside."""
    height, width = size[0] / inside.shape[0], size[1] / inside.shape[1]
    padded = np.pad(inside, 1)
    for row, column in np.argwhere(padded[1:] != padded[:-1]):
        x, y = (column - 1) * width - 0.5, row * height - 0.5
        axes.plot([x, x + width], [y, y], color='cyan', linewidth=1.2)
    for row, column in np.argwhere(padded[:, 1:] != padded[:, :-1]):
        x, y = column * width - 0.5, (row - 1) * height - 0.5
        axes.plot([x, x], [y, y + height], color='cyan', linewidth=1.2)


def _plot_experts(axes: Axes, experts: Mapping[str, ExpertPrediction]) -> None:
    """Plot the weight of each expert, labelled with its answer."""
    names = list(experts)[::-1]
    axes.barh(names, [experts[name].weight for name in names], color='tab:blue')
    for i, (answer, probability, weight) in enumerate(experts[n] for n in names):
        label = f'{answer} ({probability:.0%})'
        axes.text(weight + 0.01, i, label, va='center', fontsize=8, parse_math=False)
    axes.set(xlim=(0, 1.35), xticks=[0, 0.5, 1], xlabel='weight of the expert')
    axes.spines[['top', 'right']].set_visible(False)
    axes.tick_params(labelsize=8)
