# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Tests of explanations."""

from typing import Any

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from torchgeo_vqa.prediction.answer import as_batch
from torchgeo_vqa.trainers import Explanation, VQATask, plot_explanation

QUESTION = 'Is there a ship?'
ANSWERS = ['yes', 'no', '1', '2']

Pair = tuple[np.ndarray, np.ndarray]


def make_task(
    model: str = 'tgfnet_tiny', modalities: Any = ('optical', 'sar'), **args: Any
) -> VQATask:
    """A task that knows its data, with random weights."""
    torch.manual_seed(0)
    task = VQATask(model, model_args=args)
    statistics = {
        'optical': {'mean': [100.0] * 3, 'std': [50.0] * 3},
        'sar': {'mean': [-12.0] * 2, 'std': [4.0] * 2},
    }
    task.metadata = {
        'answers': ANSWERS,
        'question_types': ['presence'],
        'groups': [],
        'modalities': list(modalities),
        'sar_channels': 2,
        'image_size': 64,
        'statistics': {m: statistics[m] for m in modalities},
    }
    task._build(None)
    return task.eval()


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
    def test_maps_are_those_of_the_model(self, pair: Pair) -> None:
        task = make_task()
        explanation = task.explain(*pair, QUESTION)
        assert explanation.answer == task.ask(*pair, [QUESTION])[0]
        assert task.model is not None
        assert task.metadata is not None
        batch = as_batch(*pair, [QUESTION], task.model, task.metadata)
        with torch.no_grad():
            output = task.model(batch, explain=True)
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
        assert tuple(explanation.opinions) == names
        for name, logits in zip(names, output.expert_logits[0], strict=True):
            opinion = explanation.opinions[name]
            assert opinion.answer == ANSWERS[int(logits.argmax())]
            assert opinion.weight == explanation.answer.expert_weights[name]
        check_figure(explanation, 8, optical=pair[0], sar=pair[1])
        assert task.training is False

    def test_missing_image(self, pair: Pair) -> None:
        explanation = make_task().explain(None, pair[1], QUESTION)
        assert tuple(explanation.opinions) == ('sar',)
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
    def test_parts_switched_off(self, pair: Pair, args: Any, num_panels: int) -> None:
        explanation = make_task(**args).explain(*pair, QUESTION)
        assert bool(explanation.regions) is (
            args.get('keeps', [4])[0] is not None and ('cfar' not in args)
        )
        check_figure(explanation, num_panels, optical=pair[0], sar=pair[1])

    def test_other_models(self, pair: Pair) -> None:
        task = make_task('rsvqa', backbone='tgfnet_tiny_conv')
        explanation = task.explain(*pair, QUESTION)
        assert len(explanation.opinions) == 1
        assert explanation.regions == explanation.attention == explanation.quality == {}
        check_figure(explanation, 2, optical=pair[0], sar=pair[1])

    def test_invalid(self, pair: Pair) -> None:
        with pytest.raises(TypeError, match='single string'):
            make_task().explain(*pair, [QUESTION])  # type: ignore[arg-type]
        with pytest.raises(RuntimeError, match='no vocabulary'):
            VQATask('tgfnet_tiny').explain(*pair, QUESTION)
