# SPDX-License-Identifier: MIT
"""The accuracy reported for each degradation is that of the degraded images."""

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor
from torchgeo.datasets.utils import Sample

from torchgeo_vqa.callbacks import DegradationTest
from torchgeo_vqa.datamodules import (
    OSVQADataModule,
    OSVQAMiniDataModule,
    PairVQADataModule,
)
from torchgeo_vqa.models import VQAOutput
from torchgeo_vqa.trainers import VQATask
from torchgeo_vqa.transforms import Degradation

NUM_SCENES = {'train': 8, 'val': 2, 'test': 10}

#: Few conditions of each kind.
CONDITIONS: dict[str, Any] = {
    'cloud': [0.0, 0.5, 1.0],
    'low_light': [1.0, 0.1],
    'speckle': [1.0],
    'blank': ['optical', 'sar', 'both'],
    'shuffle': ['optical', 'sar', 'both'],
}
NOTHING: dict[str, Any] = dict.fromkeys(CONDITIONS, ())


class PixelTask(VQATask):
    """Answers by the brightness of the images: any change of them changes answers."""

    def forward(self, *args: Any, **kwargs: Any) -> VQAOutput:
        batch = args[0]
        images = [v.flatten(1) for k, v in sorted(batch.items()) if 'image' in k]
        brightness = sum((i + 1) * x.float().sum(1) for i, x in enumerate(images))
        assert isinstance(brightness, Tensor)
        label, ids = batch['label'], batch['question_id']
        # Right for two thirds of the questions, which ones is up to the images
        wrong = (brightness.mul(10).round()[:, None] + ids) % 3 == 0
        preds = torch.where(wrong, label + 1, label)[ids >= 0]
        logits = torch.nn.functional.one_hot(preds, int(label.max()) + 2).float()
        return VQAOutput(logits, logits[:, None], logits.new_ones(len(logits), 1))


def mini(root: Path, **kwargs: Any) -> OSVQAMiniDataModule:
    """Data module of a few scenes."""
    return OSVQAMiniDataModule(str(root), num_scenes=NUM_SCENES, **kwargs)


def run(
    folder: Path,
    task: VQATask,
    dm: PairVQADataModule,
    callback: DegradationTest | None,
    **kwargs: Any,
) -> Trainer:
    """Test a task, with the callback."""
    trainer = Trainer(
        accelerator='cpu',
        default_root_dir=folder,
        callbacks=callback,
        enable_progress_bar=False,
        enable_model_summary=False,
        **kwargs,
    )
    trainer.test(task, datamodule=dm, verbose=False)
    return trainer


def read(trainer: Trainer, name: str = 'degradation') -> dict[str, Any]:
    """Read what a test wrote."""
    folder = Path(str(trainer.log_dir))
    assert not list(folder.glob('*.part'))
    report: dict[str, Any] = json.loads((folder / f'{name}_metrics.json').read_text())
    return report


def evaluate(root: Path, folder: Path, **kwargs: Any) -> None:
    """Test `PixelTask` under conditions that do not depend on the number of devices."""
    callback = DegradationTest(**CONDITIONS | {'shuffle': ()})
    dm = mini(root, batch_size=2)
    run(folder, PixelTask('tgfnet_tiny'), dm, callback, **kwargs)


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('mini')


@pytest.fixture(scope='module')
def trained(root: Path) -> VQATask:
    """A real task after an epoch."""
    seed_everything(0, verbose=False)
    task = VQATask('tgfnet_tiny', lr=3e-3, clip_lr=3e-3)
    trainer = Trainer(
        accelerator='cpu',
        max_epochs=1,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(task, datamodule=mini(root, batch_size=4))
    return task


def recount(
    dm: PairVQADataModule, kind: str, severity: Any, groups: Sequence[str]
) -> dict[str, float]:
    """Degrade the files' own pixels, all in one batch; count the answers one by one."""
    dm.setup('test')
    dm.test_batch_size = 99
    (raw,) = list(dm.test_dataloader())
    pairs = torch.tensor([dm.groups[i] in groups for i in raw['group'][:, 0]])
    if kind == 'shuffle':
        raw = {k: v[pairs] for k, v in raw.items()}
        half = len(raw['label']) // 2
        for m in ('optical', 'sar') if severity == 'both' else (severity,):
            raw[f'image_{m}'] = raw[f'image_{m}'].roll(half, 0)
    else:
        if kind != 'none':
            raw = Degradation(kind, severity)(raw, torch.arange(len(pairs)))  # type: ignore[arg-type]
        raw = {k: v[pairs] for k, v in raw.items()}
    batch: Sample = dm.on_after_batch_transfer(raw)
    answers = iter(PixelTask('tgfnet_tiny')(batch).logits.argmax(-1).tolist())
    right = defaultdict(list)
    for labels, types in zip(batch['label'], batch['question_type'], strict=True):
        for label, kind_of_question in zip(labels, types, strict=True):
            if label >= 0:
                name = dm.question_types[kind_of_question]
                right[name].append(next(answers) == label)
    del right['modality_quality']
    every = [x for values in right.values() for x in values]
    return {
        'OA': float(np.mean(every)),
        'AA': float(np.mean([np.mean(values) for values in right.values()])),
        'num_questions': len(every),
    } | {name: float(np.mean(values)) for name, values in right.items()}


@pytest.mark.parametrize('batch_size', [1, 3, 8])
def test_equals_a_recount(root: Path, tmp_path: Path, batch_size: int) -> None:
    groups = ('clear', 'dark')
    callback = DegradationTest(**CONDITIONS, groups=groups)
    dm = mini(root, batch_size=batch_size, image_size=64)
    report = read(run(tmp_path, PixelTask('tgfnet_tiny'), dm, callback))

    rows = [{'kind': 'none', 'severity': None, **report['reference']}]
    rows += report['degradations']
    wanted = [(kind, s) for kind, grid in CONDITIONS.items() for s in grid]
    assert [(row['kind'], row['severity']) for row in rows[1:]] == wanted
    assert len({row['OA'] for row in rows}) > 5  # the images do matter
    for row in rows:
        expected = recount(mini(root), row['kind'], row['severity'], groups)
        assert report['num_questions'] == expected.pop('num_questions')
        found = {'OA': row['OA'], 'AA': row['AA']} | row['per_type']
        assert found == pytest.approx(expected, rel=1e-6), row['kind']
    assert report['restricted_to'] == list(groups)
    assert report['excluded_types'] == ['modality_quality']
    assert set(report['reference']['groups']) == set(groups)
    everything = mini(root).dataset_for('test')
    assert report['num_images'] == everything.index['group'].isin(groups).sum() > 2


@pytest.mark.parametrize('precision', ['32-true', 'bf16-mixed'])
def test_no_degradation_is_the_plain_test(
    root: Path,
    tmp_path: Path,
    trained: VQATask,
    precision: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    callback = DegradationTest(
        **NOTHING | {'cloud': [0.0, 0.7], 'low_light': [1.0]},
        groups=None,
        exclude_types=(),
    )
    trainer = run(tmp_path, trained, mini(root), callback, precision=precision)
    report, plain = read(trainer), read(trainer, 'test')
    for row in (report['reference'], report['degradations'][0]):
        for key in ('OA', 'AA', 'per_type', 'groups'):
            assert row[key] == plain[key]
    assert report['num_questions'] == plain['num_questions']
    assert report['restricted_to'] is None
    out = capsys.readouterr().out
    assert f'{plain["num_questions"]} questions' in out
    assert f'{report["degradations"][1]["OA"]:.4f}' in out


def test_excluded_types_are_in_the_title(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    types = ['modality_quality', 'area_share']
    callback = DegradationTest(**NOTHING, groups=None, exclude_types=types)
    report = read(run(tmp_path, PixelTask('tgfnet_tiny'), mini(root), callback))
    assert report['excluded_types'] == types
    assert not set(types) & set(report['reference']['per_type'])
    assert 'without modality_quality, area_share' in capsys.readouterr().out


def test_random_numbers_go_on(root: Path, tmp_path: Path, trained: VQATask) -> None:
    states, reports = [], []
    for callback in (None, DegradationTest(**CONDITIONS, groups=None)):
        seed_everything(1, verbose=False)
        trainer = run(tmp_path, trained, mini(root, batch_size=4), callback)
        states.append(torch.get_rng_state())
        reports.append(read(trainer, 'test'))
    assert torch.equal(*states)
    assert reports[0] == reports[1]


def test_one_modality(root: Path, tmp_path: Path) -> None:
    dm = mini(root, modalities=['sar'])
    callback = DegradationTest(**CONDITIONS)
    report = read(run(tmp_path, PixelTask('tgfnet_tiny'), dm, callback))
    rows = [(row['kind'], row['severity']) for row in report['degradations']]
    # no cloud is no degradation, with or without an optical image
    assert rows == [
        ('cloud', 0),
        ('low_light', 1),
        ('speckle', 1),
        ('blank', 'sar'),
        ('shuffle', 'sar'),
    ]


def test_no_groups_and_no_decibels(png_root: Path, tmp_path: Path) -> None:
    root = tmp_path / 'png'
    shutil.copytree(png_root, root)
    (root / 'annotations' / 'image_groups.json').unlink()
    dm = OSVQADataModule(str(root))
    callback = DegradationTest(**CONDITIONS)
    with pytest.warns(UserWarning, match=r'set speckle to \[\]'):
        trainer = run(tmp_path, PixelTask('tgfnet_tiny'), dm, callback)
    report = read(trainer)
    assert report['restricted_to'] is None
    assert report['num_images'] == 3
    assert report['reference']['groups'] == {}


@pytest.mark.parametrize(
    ('args', 'match'),
    [
        ({'groups': ['foggy']}, r"groups must be among \['clear'.*'foggy'"),
        ({'exclude_types': ['colour']}, r"exclude_types must be among .*'colour'"),
        # the release has one clear image
        ({'shuffle': ['sar']}, 'single image'),
        ({'groups': []}, 'choose other groups'),
    ],
)
def test_invalid_for_the_data(
    release_root: Path, tmp_path: Path, args: dict[str, Any], match: str
) -> None:
    dm = OSVQADataModule(str(release_root))
    with pytest.raises(ValueError, match=match):
        run(
            tmp_path,
            PixelTask('tgfnet_tiny'),
            dm,
            DegradationTest(**{**NOTHING, **args}),
        )


@pytest.mark.parametrize(
    ('args', 'match'),
    [({'cloud': [0.5, 50]}, 'got 50'), ({'shuffle': ['radar']}, "'radar'")],
)
def test_invalid(args: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        DegradationTest(**args)


@pytest.mark.slow
def test_two_processes(
    run_python: Callable[..., CompletedProcess[str]], root: Path, tmp_path: Path
) -> None:
    """Images are the same, and all are counted, whatever the number of devices."""
    folders = tmp_path / 'one', tmp_path / 'two'
    evaluate(root, folders[0])
    script = tmp_path / 'evaluate.py'
    script.write_text(f"""
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

spec = spec_from_file_location('module', {__file__!r})
module = module_from_spec(spec)
spec.loader.exec_module(module)
root, folder = Path({str(root)!r}), Path({str(folders[1])!r})
module.evaluate(root, folder, devices=2, strategy='ddp_fork')
""")
    done = run_python(script)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count('under degradation') == 1
    texts = [
        path.read_text()
        for folder in folders
        for path in folder.rglob('degradation_metrics.json')
    ]
    assert len(texts) == 2
    assert texts[0] == texts[1]
