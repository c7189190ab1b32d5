# SPDX-License-Identifier: MIT
"""Methods of the robustness benchmark: TGFNet, its ablations, and what it is compared with."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).parents[1]

BOTH, OPTICAL, SAR = ['optical', 'sar'], ['optical'], ['sar']

#: The image tower of tgfnet_tiny, for methods that have a CNN.
BACKBONE = 'tgfnet_tiny_conv'

#: How long every method is trained: 1,050 steps.
BUDGET = {'trainer.max_epochs': 7}

#: How CLIP is fine-tuned first: 1,200 steps. After that it learns slower than the rest.
CLIP = ROOT / 'torchgeo_vqa/configs/clip.yaml'
FINE_TUNED = {'clip_lr': 1e-3}

#: Under what all are tested that the plots show.
DEGRADATION = {
    'cloud': [0.0, 0.2, 0.4, 0.6, 0.8, 1.0],
    'low_light': [1.0, 0.5, 0.25, 0.1, 0.05],
    'speckle': [4.0, 1.0],
    'blank': BOTH,
    'shuffle': [*BOTH, 'both'],
}

#: Under what the others are.
EXTREMES = {'cloud': [1.0], 'low_light': [0.05]}


@dataclass(frozen=True)
class Method:
    """What is trained and tested."""

    #: Label in tables and plots.
    label: str
    #: Model in the zoo.
    model: str = 'tgfnet_tiny'
    #: Arguments of the model.
    model_args: dict[str, Any] = field(default_factory=dict)
    #: Images it sees.
    modalities: list[str] = field(default_factory=lambda: BOTH)
    #: Options of the task.
    task: dict[str, Any] = field(default_factory=dict)
    #: Options of the data module.
    data: dict[str, Any] = field(default_factory=dict)
    #: Which table it belongs to.
    table: Literal['methods', 'ablations', 'hardened'] = 'methods'
    #: Whether it starts from a CLIP that was fine-tuned on the sample.
    fine_tuned: bool = False

    @property
    def plotted(self) -> bool:
        """Whether the plots show it."""
        return self.table != 'ablations' or len(self.modalities) == 1

    @property
    def options(self) -> dict[str, Any]:
        """Options of the command line."""
        task = {**(FINE_TUNED if self.fine_tuned else {}), **self.task}
        return {
            'model.model': self.model,
            'data.modalities': self.modalities,
            **({'model.model_args': self.model_args} if self.model_args else {}),
            **{f'model.{name}': value for name, value in task.items()},
            **{f'data.{name}': value for name, value in self.data.items()},
        }


def _cnn(
    label: str, model: str, modalities: list[str], lr: float, **args: Any
) -> Method:
    """Return a method with a CNN, on optical images or on both as channels of one."""
    args = {'backbone': BACKBONE, **args}
    return Method(label, model, args, modalities, {'lr': lr, 'clip_lr': lr})


def _without(label: str, task: dict[str, Any] | None = None, **args: Any) -> Method:
    """Return TGFNet without a part."""
    task = task or {}
    return Method(label, model_args=args, task=task, table='ablations', fine_tuned=True)


#: Sizes and learning rates that suit small images and few steps, found on the validation
#: split.
RSVQA = {'dropout': 0.0}
GFTRANSFORMER = {'width': 64, 'num_layers': 2, 'fusion_width': 128}

METHODS = {
    'tgfnet': Method('TGFNet', fine_tuned=True),
    'clip_concat': Method(
        'CLIP, concatenated', 'clip_concat', {'clip': 'tgfnet-tiny'}, fine_tuned=True
    ),
    'rsvqa_early': _cnn('RSVQA, early fusion', 'rsvqa', BOTH, 1e-3, **RSVQA),
    'main_early': _cnn('MAIN, early fusion', 'main', BOTH, 3e-3),
    'gftransformer_early': _cnn(
        'GFTransformer, early fusion', 'gftransformer', BOTH, 1e-3, **GFTRANSFORMER
    ),
    'rsvqa': _cnn('RSVQA', 'rsvqa', OPTICAL, 1e-3, **RSVQA),
    'main': _cnn('MAIN', 'main', OPTICAL, 3e-3),
    'gftransformer': _cnn(
        'GFTransformer', 'gftransformer', OPTICAL, 1e-3, **GFTRANSFORMER
    ),
    'blind': Method('blind network', 'blind'),
    'optical': Method(
        'optical only', modalities=OPTICAL, table='ablations', fine_tuned=True
    ),
    'sar': Method('SAR only', modalities=SAR, table='ablations', fine_tuned=True),
    'from_scratch': Method('CLIP not fine-tuned first', table='ablations'),
    'no_guidance': _without('no text guidance', text_guidance=False),
    'no_cfar': _without('without CFAR', cfar=False),
    'one_stage': _without('one stage instead of two', grids=[8], keeps=[8]),
    'mean_pooling': _without('experts average the patches', guided_pooling=False),
    'mean_pooling_no_cfar': _without(
        'experts average the patches, without CFAR', guided_pooling=False, cfar=False
    ),
    'no_krr': _without('without KRR (all regions)', keeps=[None, None]),
    'no_routing_loss': _without('without routing loss', {'routing_loss_weight': 0.0}),
    'no_rqaf': _without('without RQAF (mean)', rqaf=False),
    'no_af': _without('without AF (mean of experts)', adaptive_fusion=False),
    'fusion_expert': _without('fusion expert alone', experts='fusion'),
    'no_expert_loss': _without('without expert loss', {'expert_loss_weight': 0.0}),
}

#: How often training shows images that are as bad as those of the test, found on the
#: validation split.
HARDENING = {
    'augmentation.cloud': 0.3,
    'augmentation.low_light': 0.3,
    'augmentation.missing_optical': 0.1,
}

METHODS |= {
    f'{name}_hardened': replace(METHODS[name], data=HARDENING, table='hardened')
    for name in (
        'tgfnet',
        'clip_concat',
        'main_early',
        'gftransformer_early',
        'rsvqa_early',
    )
}

#: Whose routing is measured.
ROUTED = ('tgfnet', 'from_scratch', 'no_routing_loss')
