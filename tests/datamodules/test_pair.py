# SPDX-License-Identifier: MIT
"""Pairs are loaded, augmented and normalized, again and again the same."""

import inspect
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from subprocess import CompletedProcess
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
import yaml
from lightning.pytorch import LightningModule, Trainer, seed_everything
from torch import Tensor
from torchgeo.datasets.utils import Sample
from torchgeo.main import main

from torchgeo_vqa.datamodules import (
    OSVQADataModule,
    OSVQAMiniDataModule,
    PairDataModule,
)
from torchgeo_vqa.datamodules.pair import FlatOptions
from torchgeo_vqa.datasets import OSVQAMini
from torchgeo_vqa.transforms import Augmentation

NUM_SCENES = {'train': 24, 'val': 5, 'test': 3}


@pytest.fixture(scope='session')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('mini')


def make(root: Path, **kwargs: Any) -> OSVQAMiniDataModule:
    """Make a data module of few scenes."""
    kwargs = {'batch_size': 4, 'size': 64} | kwargs
    dm = OSVQAMiniDataModule(str(root), num_scenes=NUM_SCENES, **kwargs)
    dm.prepare_data()
    return dm


class Recorder(LightningModule):
    """Keeps the batches it gets."""

    def __init__(self) -> None:
        """Initialize a new Recorder instance."""
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.batches: dict[str, list[Sample]] = {'train': [], 'val': []}

    def training_step(self, batch: Sample) -> Tensor:
        self.batches['train'].append(batch)
        return self.weight.sum()

    def validation_step(self, batch: Sample) -> None:
        if not self.trainer.sanity_checking:
            self.batches['val'].append(batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters())


def fit(dm: OSVQAMiniDataModule, tmp_path: Path) -> dict[str, list[Sample]]:
    """Run an epoch and return the batches that arrived."""
    recorder = Recorder()
    trainer = Trainer(
        max_epochs=1,
        accelerator='cpu',
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(recorder, datamodule=dm)
    return recorder.batches


def equal(a: Sample, b: Sample) -> bool:
    """Tell whether two batches are the same."""
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_statistics_are_numpys(root: Path) -> None:
    dm = make(root)
    dataset = dm.dataset_for('train')
    for modality, column in (('optical', 'filepath'), ('sar', 'filepath_sar')):
        pixels = []
        for path in dataset.index[column]:
            with rasterio.open(path) as file:
                pixels.append(file.read().astype(np.float64))
        result = dm.statistics[modality]
        mean, std = np.mean(pixels, axis=(0, 2, 3)), np.std(pixels, axis=(0, 2, 3))
        np.testing.assert_allclose(result['mean'], mean, rtol=1e-6)
        np.testing.assert_allclose(result['std'], std, rtol=1e-6)


def test_trainer_augments_training_only(root: Path, tmp_path: Path) -> None:
    seed_everything(0, verbose=False)
    dm = make(root, questions_per_sample=6)
    batches = fit(dm, tmp_path)
    assert [len(b['label']) for b in batches['train']] == [4] * 6
    assert [len(b['label']) for b in batches['val']] == [4, 1]
    assert batches['train'][0]['question'].shape == (4, 6, 77)
    means = torch.stack([b['image_sar'].mean((0, 2, 3)) for b in batches['train']])
    torch.testing.assert_close(means.mean(0), torch.zeros(2), atol=0.02, rtol=0)

    def pixels(split: str, i: int) -> Sample:
        loader = getattr(dm, f'{split}_dataloader')()
        return dm.on_after_batch_transfer(list(loader)[i], 0)

    assert equal(batches['val'][1], pixels('val', 1))
    # Neither shuffled nor turned, pixels of a location could be found again.
    locations = {
        tuple(b['bounds'][i, :6].tolist()) for b in batches['train'] for i in range(4)
    }
    assert len(locations) == 24
    dataset, turned = dm.dataset_for('train'), 0
    for batch in batches['train']:
        for i, question_ids in enumerate(batch['question_id']):
            (name,) = set(dataset.location(question_ids[question_ids >= 0]))
            row = dataset.index[dataset.index['image'] == name]
            xmin, ymin, xmax, ymax = row.geometry.bounds.to_numpy()[0].tolist()
            sample = dataset[xmin:xmax, ymin:ymax]
            image = dm.on_after_batch_transfer({'image_sar': sample['image_sar'][None]})
            same = torch.equal(image['image_sar'][0], batch['image_sar'][i])
            turned += not same
    assert 12 <= turned < 24


def test_last_evaluation_batch_is_kept(root: Path) -> None:
    dm = make(root, eval_batch_size=3)
    for stage, split in (('validate', 'val'), ('test', 'test'), ('predict', 'predict')):
        dm.setup(stage)
        loader = getattr(dm, f'{split}_dataloader')()
        dataset = dm.dataset_for(split)  # type: ignore[arg-type]
        ids = torch.cat([b['question_id'][b['question_id'] >= 0] for b in loader])
        assert sorted(ids.tolist()) == list(range(len(dataset.table)))


@pytest.mark.parametrize(
    ('batch_size', 'sizes'), [(5, [5] * 4), (24, [24]), (99, [24])]
)
def test_training_drops_only_a_last_batch(
    root: Path, batch_size: int, sizes: list[int]
) -> None:
    dm = make(root, batch_size=batch_size)
    dm.setup('fit')
    assert [len(batch['label']) for batch in dm.train_dataloader()] == sizes


def test_reproducible(root: Path, tmp_path: Path) -> None:
    augmentation = Augmentation(color_jitter=0.5, cloud=0.5, low_light=0.5, speckle=0.5)
    runs = []
    for seed in (1, 1, 2):
        seed_everything(seed, verbose=False)
        dm = make(root, augmentation=augmentation)
        runs.append(fit(dm, tmp_path)['train'])
    assert all(equal(a, b) for a, b in zip(runs[0], runs[1], strict=True))
    assert not any(equal(a, b) for a, b in zip(runs[0], runs[2], strict=True))


def test_order_of_tiles_follows_the_seed(root: Path) -> None:
    orders = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        dm = make(root)
        dm.setup('fit')
        orders.append(torch.cat([batch['bounds'] for batch in dm.train_dataloader()]))
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])


def test_iterators_cost_no_random_number(root: Path) -> None:
    """Lightning makes one more of them when it resumes."""
    dm = make(root)
    dm.setup('fit')
    loader = dm.train_dataloader()
    before = torch.get_rng_state()
    iter(loader)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(('world_size', 'counts'), [(2, [3, 2]), (6, [5] * 6)])
def test_ranks_share_an_evaluation(
    root: Path, world_size: int, counts: list[int]
) -> None:
    """Fewer pairs than ranks are evaluated by all of them."""
    names = []
    for rank in range(world_size):
        dm = make(root)
        dm.trainer = SimpleNamespace(world_size=world_size, global_rank=rank)  # type: ignore[assignment]
        dm.setup('validate')
        dataset = dm.dataset_for('val')
        ids = [b['question_id'][b['question_id'] >= 0] for b in dm.val_dataloader()]
        names.append(set(dataset.location(torch.cat(ids))))
    assert [len(share) for share in names] == counts
    assert len(set.union(*names)) == 5


def test_missing_images_become_the_mean(root: Path, tmp_path: Path) -> None:
    batches = fit(make(root, augmentation=Augmentation(missing_optical=1.0)), tmp_path)
    quality = make(root).question_types.index('modality_quality')
    for batch in batches['train']:
        assert not batch['image_optical'].any()
        assert batch['image_sar'].any()
        assert not (batch['question_type'] == quality).any()
    assert any(batch['image_optical'].any() for batch in batches['val'])


def test_statistics_do_not_shift_random_numbers(root: Path) -> None:
    dm = make(root)
    dm.dataset_for('train')
    states = [torch.get_rng_state()]
    assert dm.statistics
    states.append(torch.get_rng_state())
    assert torch.equal(*states)


def test_epochs_differ(root: Path) -> None:
    dm = make(root)
    dm.setup('fit')
    loader = dm.train_dataloader()
    first, second = ([b['bounds'] for b in loader] for _ in range(2))
    assert not torch.equal(torch.cat(first), torch.cat(second))


def test_worker_process(root: Path) -> None:
    dm = make(root, num_workers=1)
    dm.setup('validate')
    alone = make(root)
    alone.setup('validate')
    for a, b in zip(dm.val_dataloader(), alone.val_dataloader(), strict=True):
        assert equal(a, b)


@pytest.mark.parametrize('modality', ['optical', 'sar'])
def test_one_modality(root: Path, tmp_path: Path, modality: str) -> None:
    dm = make(root, modalities=[modality])
    batch = fit(dm, tmp_path)['train'][0]
    assert {k for k in batch if k.startswith('image')} == {f'image_{modality}'}
    assert dm.sar_channels == (2 if modality == 'sar' else 0)
    assert list(dm.statistics) == [modality]


def test_image_size_is_settable(root: Path) -> None:
    dm = make(root)
    dm.setup('validate')
    dm.image_size = 48
    batch = next(iter(dm.val_dataloader()))
    assert batch['image_optical'].shape == (4, 3, 48, 48)
    assert batch['image_sar'].shape == (4, 2, 48, 48)


def test_statistics_are_settable_and_saved(root: Path) -> None:
    dm = make(root)
    assert dm.state_dict() == {'statistics': None, 'seed': 0}
    given = {
        'optical': {'mean': [1.0, 2.0, 3.0], 'std': [1.0, 1.0, 2.0]},
        'sar': {'mean': [-10.0, -20.0], 'std': [4.0, 5.0]},
    }
    dm.statistics = given
    images = {'image_sar': torch.full((1, 2, 4, 4), -10.0), 'label': torch.ones(1, 1)}
    images['image_sar'][0, 0, 0, 0] = float('nan')
    output = dm.on_after_batch_transfer(images)
    assert (output['image_sar'][:, 0] == 0).all()
    assert (output['image_sar'][:, 1] == 2).all()
    assert output['label'] is images['label']
    other = make(root)
    other.load_state_dict(dm.state_dict())
    assert other.statistics == given
    assert make(root, statistics=given).statistics == given
    with pytest.raises(ValueError, match=r"\['sar'\]"):
        dm.statistics = {'optical': given['optical']}


def test_augments_names_what_changes_training_images(root: Path) -> None:
    assert make(root).augments == {'augmentation.geometry': True}
    still = Augmentation(geometry=False)
    assert make(root, augmentation=still).augments == {}
    assert make(root, augmentation=still, patch_size=32).augments == {'patch_size': 32}
    foggy = Augmentation(geometry=False, cloud=0.5)
    assert make(root, augmentation=foggy).augments == {'augmentation.cloud': 0.5}


def test_optical_max(root: Path) -> None:
    assert make(root).optical_max == 255
    assert make(root, augmentation=Augmentation(optical_max=100)).optical_max == 100


def test_base_class_has_no_dataset() -> None:
    with pytest.raises(TypeError, match='_make_dataset'):
        PairDataModule(OSVQAMini, {})  # type: ignore[abstract]


def test_unknown_argument() -> None:
    with pytest.raises(TypeError, match="OSVQADataModule has no argument 'lenght'"):
        OSVQADataModule(lenght=3)


@pytest.mark.parametrize('name', [field.name for field in fields(Augmentation)])
def test_flat_option_says_the_new_form(name: str) -> None:
    if name in FlatOptions.__annotations__:
        match = rf'augmentation=Augmentation\({name}=0\).*--data.augmentation.{name} 0'
    else:
        match = f'no argument {name!r}'
    with pytest.raises(TypeError, match=match):
        OSVQADataModule(**{name: 0})  # type: ignore[arg-type]


def test_flat_option_on_the_command_line(
    run_python: Callable[..., CompletedProcess[str]],
) -> None:
    options = ['--model', 'tgfnet', '--data', 'OSVQADataModule']
    done = run_python('-m', 'torchgeo', 'fit', *options, '--data.geometry', 'false')
    assert done.returncode == 2
    assert 'now --data.augmentation.geometry' in done.stderr
    assert 'Traceback' not in done.stderr


def test_flat_option_in_yaml(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = {'class_path': 'OSVQADataModule', 'init_args': {'cloud': 0.3}}
    path = tmp_path / 'old.yaml'
    path.write_text(yaml.safe_dump({'data': data}))
    with pytest.raises(SystemExit):
        main(['fit', '--config', str(path), '--model', 'tgfnet'])
    assert 'now --data.augmentation.cloud' in capsys.readouterr().err


@pytest.mark.parametrize('dm_class', [OSVQADataModule, OSVQAMiniDataModule])
def test_help_lists_the_options_of_all_levels(
    dm_class: type[PairDataModule], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(['fit', '--data.help', f'torchgeo_vqa.datamodules.{dm_class.__name__}'])
    text = ' '.join(capsys.readouterr().out.split())
    options = {'self', 'dataset_class', 'dataset_args', 'kwargs', 'flat'}
    given = set(options)
    for level in dm_class.__mro__[: dm_class.__mro__.index(PairDataModule) + 1]:
        options |= set(inspect.signature(level.__init__).parameters)  # type: ignore[misc]
    options -= given
    assert {'root', 'questions_per_sample', 'batch_size', 'augmentation'} < options
    options |= {f'augmentation.{field.name}' for field in fields(Augmentation)}
    helps = dict(re.findall(r' --data\.([\w.]+)(.*?)(?= --data\.\w|$)', text))
    for name in options - {'augmentation'}:
        described = re.match(r'(.*)\(type: .*default: ', helps[name])
        assert described, (name, helps[name])
        assert len(described[1].split()) > 3, (name, helps[name])
    assert 'Flip and turn pairs' in text
    assert 'Pairs per batch.' in text
    for name in FlatOptions.__annotations__:
        assert f'now --data.augmentation.{name}' in text


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
def test_nested_options(capsys: pytest.CaptureFixture[str]) -> None:
    nested = '--data.augmentation'
    with pytest.raises(SystemExit):
        main(
            [
                *('fit', '--model', 'tgfnet', '--data', 'OSVQAMiniDataModule'),
                *(f'{nested}.cloud', '0.3', f'{nested}.geometry', 'false'),
                '--print_config',
            ]
        )
    config = yaml.safe_load(capsys.readouterr().out)
    init_args = config['data']['init_args']['augmentation']
    assert Augmentation(**init_args).parts == {'cloud': 0.3}
    assert not set(FlatOptions.__annotations__) & set(config['data']['init_args'])
