# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Tests that any dataset of questions trains like any other."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonargparse import ArgumentParser
from lightning.pytorch import Trainer, seed_everything

from torchgeo_vqa.datamodules import (
    BigEarthNetTextDataModule,
    PairVQADataModule,
    RSVQAHRDataModule,
    RSVQALRDataModule,
    RSVQAxBENDataModule,
)
from torchgeo_vqa.trainers import VQATask
from torchgeo_vqa.transforms import Augmentation

#: Data module, fixture, modalities, convention, questions of the test split.
CASES: list[tuple[type[PairVQADataModule], str, tuple[str, ...], str, int]] = [
    (RSVQALRDataModule, 'rsvqalr', ('optical',), 'counts in five ranges', 12),
    (RSVQAHRDataModule, 'rsvqahr', ('optical',), 'areas in five ranges', 4),
    (RSVQAxBENDataModule, 'rsvqaxben', ('optical', 'sar'), '', 10),
    (
        BigEarthNetTextDataModule,
        'bigearthnettext',
        ('optical', 'sar'),
        'multiple choice by letter',
        5,
    ),
]


@pytest.mark.parametrize(
    ('dm_class', 'name', 'modalities', 'convention', 'num_questions'), CASES
)
def test_trains_and_tests(
    dm_class: Any,
    name: str,
    modalities: tuple[str, ...],
    convention: str,
    num_questions: int,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = request.getfixturevalue(f'{name}_root')
    seed_everything(0)
    dm = dm_class(
        root=str(root), batch_size=3, augmentation=Augmentation(speckle=0.5, cloud=0.5)
    )
    task = VQATask('tgfnet_tiny')
    trainer = Trainer(
        accelerator='cpu',
        max_steps=2,
        default_root_dir=tmp_path,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )
    trainer.fit(task, datamodule=dm)
    assert trainer.global_step == 2
    trainer.test(task, datamodule=dm, verbose=False)
    assert task.metadata is not None
    assert tuple(task.metadata['modalities']) == modalities
    assert task.metadata['sar_channels'] == 2 * ('sar' in modalities)
    (path,) = tmp_path.glob('lightning_logs/*/test_metrics.json')
    report = json.loads(path.read_text())
    assert report['num_questions'] == num_questions
    assert report['convention'] == convention
    # The title says which convention its numbers are of
    printed = ' '.join(capsys.readouterr().out.split())
    title = f'Test, {convention} (' if convention else 'Test ('
    assert f'{title}{num_questions} questions)' in printed


def test_conventions_differ(rsvqalr_root: Path) -> None:
    ranges = RSVQALRDataModule(root=str(rsvqalr_root))
    exact = RSVQALRDataModule(root=str(rsvqalr_root), buckets=False)
    assert 'between 1 and 10' in ranges.answers
    assert '7' in exact.answers
    assert exact.convention == 'counts as integers'


@pytest.mark.parametrize(
    ('dm_class', 'name', 'split'),
    [
        (RSVQAHRDataModule, 'rsvqahr', 'test_phili'),
        (BigEarthNetTextDataModule, 'bigearthnettext', 'bench'),
    ],
)
def test_second_test_split(
    dm_class: Any, name: str, split: str, request: pytest.FixtureRequest
) -> None:
    root = str(request.getfixturevalue(f'{name}_root'))
    dm = dm_class(root=root, test_split=split, predict_split=split)
    assert dm.dataset_for('test').split == split
    assert dm.dataset_for('predict').split == split
    assert dm.dataset_for('val').split == 'val'


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
@pytest.mark.parametrize('dm_class', [case[0] for case in CASES])
def test_command_line(dm_class: type[PairVQADataModule]) -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(PairVQADataModule, 'data')
    options = {
        'root': 'here',
        'num_answers': '9',
        'num_workers': '2',
        'augmentation.cloud': '0.5',
    }
    args = [f'--data.{key}={value}' for key, value in options.items()]
    parsed = parser.parse_args([f'--data={dm_class.__name__}', *args])
    dm = parser.instantiate_classes(parsed).data
    assert type(dm) is dm_class
    assert dm.num_workers == 2
    assert dm.augmentation == Augmentation(cloud=0.5, optical=[], sar=[])
    assert dm.kwargs['root'] == 'here'
    assert dm.kwargs['num_answers'] == 9


def test_download_is_passed_on(
    rsvqalr_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(
        'torchgeo_vqa.datasets.RSVQALR._download', lambda self: asked.append(self.root)
    )
    empty = rsvqalr_root.parent / 'empty'
    with pytest.raises(FileNotFoundError):
        RSVQALRDataModule(root=str(empty), download=True).prepare_data()
    assert asked == [str(empty)]
