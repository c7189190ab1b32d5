# SPDX-License-Identifier: MIT
"""Draw docs/_static/osvqamini_sheet.png: scenes of the embedded sample, clear, cloudy and dark."""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from torchgeo_vqa.questions import QUALITIES
from torchgeo_vqa.synthetic.mini import draw_scene

SHEET = Path(__file__).parent / '_static' / 'osvqamini_sheet.png'
PAIRS = 4


def stretch(sar: NDArray[np.float32]) -> NDArray[np.float64]:
    """False colour of (VV, VH) in dB: VV red, VH green, their ratio blue."""
    vv, vh = sar.astype(np.float64)
    channels = [(vv + 24) / 26, (vh + 31) / 26, (vv - vh) / 20]
    return np.clip(np.stack(channels, axis=-1), 0, 1)


def main(path: Path = SHEET) -> None:
    """Draw the sheet.

    Args:
        path: PNG file to write.
    """
    shown: dict[str, list[tuple[NDArray[np.uint8], NDArray[np.float32]]]] = {
        q: [] for q in QUALITIES
    }
    index = 0
    while any(len(pairs) < PAIRS for pairs in shown.values()):
        scene, optical, sar = draw_scene(f'test_{index:05d}')
        index += 1
        # only scenes with several classes and objects
        pairs = shown[str(scene.condition)]
        if len(pairs) < PAIRS and len(scene.present) >= 2 and len(scene.objects) >= 3:
            pairs.append((optical, sar))

    figure = Figure(figsize=(2 * PAIRS * 1.3, 3 * 1.42), dpi=95, layout='constrained')
    axes = figure.subplots(len(shown), 2 * PAIRS)
    for row, (quality, pairs) in zip(axes, shown.items(), strict=True):
        for i, (optical, sar) in enumerate(pairs):
            row[2 * i].imshow(optical.transpose(1, 2, 0), interpolation='nearest')
            row[2 * i + 1].imshow(stretch(sar), interpolation='nearest')
        row[0].set_ylabel(quality)
    for i in range(2 * PAIRS):
        axes[0, i].set_title(('optical', 'SAR')[i % 2], fontsize=9)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


if __name__ == '__main__':
    main(*map(Path, sys.argv[1:]))
