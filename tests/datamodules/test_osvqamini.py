# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""The synthetic data module serves true batches, again and again the same."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from open_clip import decode, tokenize
from torch import Tensor
from torchgeo.datasets.utils import Sample

from torchgeo_vqa.datamodules import OSVQAMiniDataModule
from torchgeo_vqa.datasets.osvqamini import OSVQAMini
from torchgeo_vqa.questions import candidates
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


def text_of(tokens: Tensor) -> str:
    """Read a tokenized question."""
    special = (0, 49406, 49407)
    return decode(
        torch.tensor([t for t in tokens.tolist() if t not in special])
    ).strip()


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


def test_every_training_answer_is_true(root: Path) -> None:
    """Answers of augmented batches match a re-derivation from the flipped scene."""
    dm = make(root, batch_size=8, questions_per_sample=None)
    dm.setup('fit')
    dataset = dm.dataset_for('train')
    assert isinstance(dataset, OSVQAMini)
    seed_everything(0, verbose=False)
    truths: dict[tuple[str, int], dict[str, str]] = {}
    checked: Counter[str] = Counter()
    for _ in range(6):
        for raw in dm.train_dataloader():
            batch = dm.paired_augmentation(raw)
            assert dm.paired_augmentation.geometry is not None
            elements = dm.paired_augmentation.geometry._params['dihedral'].tolist()
            for i, element in enumerate(elements):
                real = batch['question_id'][i] >= 0
                (name,) = set(dataset.location(batch['question_id'][i][real]))
                if (name, element) not in truths:
                    turned = candidates(dataset.scene(name).dihedral(element))
                    texts = [text_of(tokenize([q.question])[0]) for q in turned]
                    truths[name, element] = {
                        f'{q.question_type}: {text}': q.answer
                        for q, text in zip(turned, texts, strict=True)
                    }
                kinds = batch['question_type'][i][real].tolist()
                labels = batch['label'][i][real].tolist()
                for kind, label, tokens, old in zip(
                    *(
                        kinds,
                        labels,
                        batch['question'][i][real],
                        raw['question'][i][real],
                    ),
                    strict=True,
                ):
                    kind = dm.question_types[kind]
                    key = f'{kind}: {text_of(tokens)}'
                    assert truths[name, element][key] == dm.answers[label]
                    checked['rewritten' if not torch.equal(tokens, old) else kind] += 1
    assert checked['rewritten'] > 200
    assert sum(checked.values()) > 3000


def test_interface(root: Path) -> None:
    dm = make(root)
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
    with pytest.raises(ValueError, match="'predict', got 'fit'"):
        dm.dataset_for('fit')  # type: ignore[arg-type]


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
    # Neither shuffled nor turned, pixels of a place could be found again.
    places = {
        tuple(b['bounds'][i, :6].tolist()) for b in batches['train'] for i in range(4)
    }
    assert len(places) == 24
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


def test_vocabulary_is_settable(root: Path) -> None:
    dm = make(root)
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


def test_statistics_are_settable_and_saved(root: Path) -> None:
    dm = make(root)
    assert dm.state_dict() == {'statistics': None}
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
