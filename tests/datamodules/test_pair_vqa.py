# SPDX-License-Identifier: MIT
"""Any dataset of questions trains like any other, and tells a task its vocabulary."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from jsonargparse import ArgumentParser
from lightning.pytorch import Trainer, seed_everything

from torchgeo_vqa.datamodules import (
    BigEarthNetTextDataModule,
    OSVQAMiniDataModule,
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


NUM_SCENES = {'train': 24, 'val': 5, 'test': 3}


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('mini')


@pytest.fixture
def mini(folder: Path) -> OSVQAMiniDataModule:
    return OSVQAMiniDataModule(str(folder), num_scenes=NUM_SCENES, batch_size=4)


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
    assert task.metadata.modalities == modalities
    assert task.metadata.sar_channels == 2 * ('sar' in modalities)
    (path,) = tmp_path.glob('lightning_logs/*/test_metrics.json')
    report = json.loads(path.read_text())
    assert report['num_questions'] == num_questions
    assert report['convention'] == convention
    # The title says which convention its numbers are of
    printed = ' '.join(capsys.readouterr().out.split())
    title = f'Test, {convention} (' if convention else 'Test ('
    assert f'{title}{num_questions} questions)' in printed


def test_options_reach_the_dataset() -> None:
    seen: list[dict[str, Any]] = []

    class Recorder:
        answers = ('no', 'yes')

        def __init__(self, **kwargs: Any) -> None:
            seen.append(kwargs)

    dm = PairVQADataModule(
        Recorder,  # type: ignore[arg-type]
        {'root': 'here'},
        modalities=['sar'],
        questions_per_sample=7,
        question_types=['presence'],
        num_answers=2,
        on_error='skip',
        cache=False,
        test_split='bench',
        predict_split='val',
    )
    for stage in ('train', 'val', 'test', 'predict'):
        dm.dataset_for(stage)  # type: ignore[arg-type]
    expected = {
        'root': 'here',
        'modalities': ('sar',),
        'question_types': ['presence'],
        'num_answers': 2,
        'on_error': 'skip',
        'cache': False,
    }
    assert seen == [
        expected | {'split': 'train', 'questions_per_sample': 7, 'answers': None},
        *(
            expected
            | {
                'split': split,
                'questions_per_sample': None,
                'answers': Recorder.answers,
            }
            for split in ('val', 'bench', 'val')
        ),
    ]


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


def test_interface(mini: OSVQAMiniDataModule) -> None:
    dm = mini
    dm.setup('fit')
    assert len(dm.question_types) == 16
    assert dm.groups == ('clear', 'cloudy', 'dark')
    assert dm.modalities == ('optical', 'sar')
    assert dm.sar_channels == 2
    assert dm.image_size is None
    assert dm.answers == dm.dataset_for('val').answers
    assert len(dm.dataset_for('test')) == NUM_SCENES['test']
    ids = torch.tensor([3, 0])
    blind = dm.dataset_for('val').blind_labels(ids)
    assert torch.equal(dm.blind_labels('val', ids), blind)
    with pytest.raises(ValueError, match=r"'predict'.*, got 'fit'"):
        dm.dataset_for('fit')  # type: ignore[arg-type]


def test_vocabulary_is_settable(mini: OSVQAMiniDataModule) -> None:
    dm = mini
    dm.setup('fit')
    every = torch.arange(len(dm.dataset_for('val').table))
    _ = dm.paired_augmentation, dm.blind_labels('val', every)
    dm.set_answers(['forest', 'no', 'yes'])
    assert dm.answers == ('forest', 'no', 'yes')
    assert dm.dataset_for('test').answers == dm.answers
    assert dm.blind_labels('val', every).max() <= 3
    batch = next(iter(dm.val_dataloader()))
    ids = batch['question_id'][batch['question_id'] >= 0]
    known = [
        dm.answers.index(a) if a in dm.answers else 3
        for a in dm.dataset_for('val').answer_text(ids)
    ]
    assert batch['label'][batch['label'] >= 0].tolist() == known
    assert dm.paired_augmentation._table.shape[-1] == 3 + 2
