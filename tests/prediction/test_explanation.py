# SPDX-License-Identifier: MIT
"""Tests of explanations."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from torchgeo_vqa.prediction import Explanation, Predictor, plot_explanation
from torchgeo_vqa.prediction.answer import as_batch

QUESTION = 'Is there a ship?'

MakePredictor = Callable[..., Predictor]

Pair = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def pair() -> Pair:
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (3, 48, 64)), rng.normal(-12, 4, (2, 48, 64))


def check_figure(explanation: Explanation, num_panels: int, **images: Any) -> None:
    """The figure has so many panels, and one for what the experts say."""
    figure = plot_explanation(explanation, **images)
    figure.canvas.draw()
    assert len(figure.axes) == num_panels + 1
    assert QUESTION in figure.texts[0].get_text()  # the title above all
    plt.close(figure)


class TestExplain:
    def test_maps_are_those_of_the_model(
        self, predictor: Predictor, pair: Pair
    ) -> None:
        explanation = predictor.explain(*pair, QUESTION)
        assert explanation.answer == predictor.ask(*pair, [QUESTION])[0]
        model, metadata = predictor.model, predictor.metadata
        batch, _ = as_batch(*pair, [QUESTION], model, metadata, {})
        with torch.no_grad():
            output: Any = predictor.model(batch, explain=True)
        for i, modality in enumerate(('optical', 'sar')):
            stages = explanation.regions[modality]
            assert [int((s > 0).sum()) for s in stages] == [16, 8]
            for stage, region in enumerate(stages):
                routing = output.regions[modality][stage]
                inside = region.flatten().nonzero().flatten()
                assert set(inside.tolist()) == set(routing.patches[0].tolist())
                # the first region is the best
                best = region.flatten()[routing.patches[0, 0]]
                torch.testing.assert_close(best, routing.weights[0, 0])
                looked = explanation.attention[modality][stage]
                assert float(looked.sum()) == pytest.approx(1, abs=1e-5)
                assert (looked[region == 0] == 0).all()
            quality = explanation.quality[modality]
            torch.testing.assert_close(quality.flatten(), output.quality[0, :, i])
        total = explanation.quality['optical'] + explanation.quality['sar']
        torch.testing.assert_close(total, torch.ones(8, 8))
        names = ('optical', 'sar', 'fusion')
        assert tuple(explanation.experts) == names
        for name, logits in zip(names, output.expert_logits[0], strict=True):
            expert = explanation.experts[name]
            assert expert.answer == predictor.metadata.answers[int(logits.argmax())]
            assert expert.weight == explanation.answer.expert_weights[name]
        check_figure(explanation, 8, optical=pair[0], sar=pair[1])

    def test_missing_image(self, predictor: Predictor, pair: Pair) -> None:
        explanation = predictor.explain(None, pair[1], QUESTION)
        assert tuple(explanation.experts) == ('sar',)
        assert tuple(explanation.regions) == ('sar',)
        assert explanation.quality == {}
        check_figure(explanation, 3, sar=pair[1])
        with pytest.raises(ValueError, match='no image to plot'):
            plot_explanation(explanation)

    @pytest.mark.parametrize(
        ('args', 'num_panels'),
        [
            ({'cfar': False}, 4),
            ({'keeps': [None, None]}, 8),
            ({'keeps': [4, None]}, 8),
            ({'experts': 'fusion'}, 8),
            ({'rqaf': False}, 8),
        ],
        ids=str,
    )
    def test_parts_switched_off(
        self, make_predictor: MakePredictor, pair: Pair, args: Any, num_panels: int
    ) -> None:
        explanation = make_predictor(**args).explain(*pair, QUESTION)
        assert bool(explanation.regions) is (
            args.get('keeps', [4])[0] is not None and ('cfar' not in args)
        )
        check_figure(explanation, num_panels, optical=pair[0], sar=pair[1])

    def test_other_models(self, make_predictor: MakePredictor, pair: Pair) -> None:
        rsvqa = make_predictor('rsvqa', backbone='tgfnet_tiny_conv')
        explanation = rsvqa.explain(*pair, QUESTION)
        assert len(explanation.experts) == 1
        assert explanation.regions == explanation.attention == explanation.quality == {}
        check_figure(explanation, 2, optical=pair[0], sar=pair[1])
