# SPDX-License-Identifier: MIT
"""Draw docs/_static/explanation.png: a question, its answer, and what it rests on."""

import sys
from pathlib import Path

import torch

from torchgeo_vqa.models import TGFNet_Weights
from torchgeo_vqa.prediction import Predictor, plot_explanation
from torchgeo_vqa.synthetic.mini import draw_scene
from torchgeo_vqa.transforms import Degradation

FIGURE = Path(__file__).parent / '_static' / 'explanation.png'
SCENE = 'test_00005'
COVER = 0.5
QUESTION = 'How many ships are there?'


def main(path: Path = FIGURE) -> None:
    """Draw the figure.

    Args:
        path: PNG file to write.
    """
    _, optical, sar = draw_scene(SCENE)
    batch = {'image_optical': torch.from_numpy(optical).float()[None]}
    batch = Degradation('cloud', COVER)(batch, torch.tensor([0]))
    cloudy, radar = batch['image_optical'][0], torch.from_numpy(sar)
    predictor = Predictor.from_weights(TGFNet_Weights.TINY_OSVQA_MINI)
    explanation = predictor.explain(cloudy, radar, QUESTION)
    path.parent.mkdir(parents=True, exist_ok=True)
    plot_explanation(explanation, cloudy, radar).savefig(path, dpi=90)


if __name__ == '__main__':
    main(*map(Path, sys.argv[1:]))
