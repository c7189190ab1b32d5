# SPDX-License-Identifier: MIT
"""MapVQADataModule: splits that share no pixel, fresh and true questions, one command."""

import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import torch
import yaml
from lightning.pytorch import Trainer, seed_everything
from numpy.typing import NDArray
from rasterio.shutil import copy
from rasterio.vrt import WarpedVRT
from torchgeo.main import main as torchgeo_main

from torchgeo_vqa.datamodules import MapVQADataModule
from torchgeo_vqa.datasets import MapVQA
from torchgeo_vqa.questions import Scene, answer
from torchgeo_vqa.synthetic.area import write_area
from torchgeo_vqa.trainers import VQATask

SIZE, PATCH, BLOCK = 256, 32, 48
# A data module that is set up: its samplers are not None
MakeModule = Callable[..., Any]


@pytest.fixture(autouse=True, scope='module')
def few_patches() -> Iterator[None]:
    """Balance by few patches, which is faster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('torchgeo_vqa.datamodules.mapvqa.NUM_MEASURED', 60)
        yield


@pytest.fixture(scope='module')
def area(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of two images, a map and the names of its codes."""
    folder = tmp_path_factory.mktemp('area')
    classes = write_area(folder, SIZE)
    (folder / 'classes.yaml').write_text(yaml.safe_dump(classes))
    return folder


@pytest.fixture
def make(area: Path) -> MakeModule:
    """Function that makes a data module of the area."""

    def make(folder: Path = area, **options: Any) -> Any:
        files = {
            'optical': folder / 'sentinel2.tif',
            'sar': folder / 'sentinel1.tif',
            'labels': folder / 'land_cover.tif',
            'classes': area / 'classes.yaml',
        }
        sizes = {'patch_size': PATCH, 'block_size': BLOCK, 'batch_size': 4}
        return MapVQADataModule(**(files | sizes | options))

    return make


@pytest.fixture(scope='module')
def module(area: Path) -> Any:
    """A data module that is set up, for tests that change nothing."""
    dm = MapVQADataModule(
        optical=area / 'sentinel2.tif',
        sar=area / 'sentinel1.tif',
        labels=area / 'land_cover.tif',
        classes=area / 'classes.yaml',
        urban_classes=['built-up land'],
        patch_size=PATCH,
        block_size=BLOCK,
        fractions=(0.6, 0.2, 0.2),
    )
    for stage in ('fit', 'test', 'predict'):
        dm.setup(stage)
    return dm


def seen(dm: Any, queries: Iterable[Any]) -> NDArray[np.bool_]:
    """Pixels of the area that patches show."""
    x, y, _ = dm.dataset_for('train').bounds
    mask = np.zeros((SIZE, SIZE), bool)
    for query in queries:
        top, left = (y.stop - query[1].stop) / 10, (query[0].start - x.start) / 10
        assert top == int(top)
        assert left == int(left)
        mask[int(top) :, int(left) :][:PATCH, :PATCH] = True
    return mask


def real_ids(batches: Iterable[dict[str, Any]]) -> list[int]:
    ids = torch.cat([batch['question_id'].flatten() for batch in batches])
    return ids[ids >= 0].tolist()


def test_splits_share_no_pixel(module: Any) -> None:
    val, test = seen(module, module.val_sampler), seen(module, module.test_sampler)
    epochs = [list(module.train_sampler) for _ in range(4)]
    train = seen(module, [query for epoch in epochs for query in epoch])
    measured = seen(module, module.overview(module.dataset_for('train')))
    assert val.any()
    assert test.any()
    assert not (val & test).any()
    assert not ((train | measured) & (val | test)).any()
    # over the epochs, training sees nearly all the rest
    assert train.mean() > 0.3
    assert len({tuple(epoch) for epoch in map(str, epochs)}) == 4
    assert list(module.predict_sampler) == list(module.test_sampler)


def test_questions_are_fresh_in_every_epoch(make: MakeModule) -> None:
    dm = make()
    dm.setup('fit')
    train, val = dm.train_dataloader(), dm.val_dataloader()
    first, second = real_ids(train), real_ids(train)
    assert len(set(first) & set(second)) < 0.2 * len(set(first))
    assert real_ids(val) == real_ids(val) != []


def test_same_seed_same_run(make: MakeModule) -> None:
    runs = []
    for seed in (0, 0, 1):
        seed_everything(seed)
        dm = make()
        dm.setup('fit')
        runs.append((real_ids(dm.train_dataloader()), real_ids(dm.val_dataloader())))
    assert runs[0] == runs[1]
    # blocks and questions depend on the seed of the data module alone
    assert runs[0][0] != runs[2][0]
    assert runs[0][1] == runs[2][1]
    dm = make(seed=1)
    dm.setup('validate')
    assert real_ids(dm.val_dataloader()) != runs[0][1]


def test_answers_are_true(module: Any, area: Path) -> None:
    dataset = module.dataset_for('train')
    with rasterio.open(area / 'land_cover.tif') as file:
        codes, (left, top) = file.read(1), (file.bounds.left, file.bounds.top)
    names = yaml.safe_load((area / 'classes.yaml').read_text())
    types: Counter[str] = Counter()
    ids = real_ids([*module.train_dataloader(), *module.test_dataloader()])
    for place, name, text, truth in zip(
        dataset.location(ids),
        dataset.question_type(ids),
        dataset.question_text(ids),
        dataset.answer_text(ids),
        strict=True,
    ):
        x, y = map(float, place.split())
        row, column = round((top - y) / 10), round((x - left) / 10)
        patch = codes[row : row + PATCH, column : column + PATCH]
        types[name] += 1
        mentioned = next((n for n in names.values() if n in text), '')
        shares = {n: (patch == code).mean() for code, n in names.items()}
        if name == 'land_cover_presence':
            assert truth == ('yes' if shares[mentioned] else 'no')
        elif name == 'main_land_cover':
            assert truth == max(shares, key=lambda n: shares[n])
        elif name == 'area_share':
            bounds = [
                int(word) for word in truth.replace('%', ' ').split() if word.isdigit()
            ]
            share = 100 * shares[mentioned]
            assert min(bounds, default=0) * ('under' not in truth) <= share
            assert share <= (100 if 'over' in truth else max(bounds, default=0))
        else:
            scene = Scene(
                (patch - 1).astype(np.uint8),
                tuple(names.values()),
                urban_classes=('built-up land',),
            )
            assert answer(name, text, scene) == truth
    assert {'land_cover_presence', 'main_land_cover', 'area_share'} < set(types)


def test_footprints_are_the_patches(module: Any) -> None:
    dataset = module.dataset_for('test')
    for query in module.test_sampler:
        ids = [i for i in dataset[query]['question_id'].tolist() if i >= 0]
        outlines = module.dataset_for('predict').footprint(ids)
        assert outlines.crs == module.dataset_for('test').crs
        x, y, _ = query
        for bounds in outlines.bounds.to_numpy():
            np.testing.assert_allclose(bounds, (x.start, y.start, x.stop, y.stop))


def test_only_training_blocks_are_measured(
    module: Any, make: MakeModule, area: Path, tmp_path: Path
) -> None:
    dm = make()
    dm.setup('fit')
    # everything that training may see
    train = np.zeros((SIZE, SIZE), bool)
    for cell in dm._samplers['train'].cells:
        row, column = (i * BLOCK for i in cell.block)
        train[row : row + BLOCK, column : column + BLOCK] = True
    assert 0.5 < train.mean() < 0.95
    for name in ('sentinel2', 'sentinel1', 'land_cover'):
        with rasterio.open(area / f'{name}.tif') as file:
            pixels, profile = file.read(), file.profile
        pixels[:, ~train] = 1
        with rasterio.open(tmp_path / f'{name}.tif', 'w', **profile) as file:
            file.write(pixels)
    other = make(tmp_path)
    assert other.statistics == dm.statistics
    one, two = (m.dataset_for('train') for m in (dm, other))
    assert one.balance._chances == two.balance._chances
    ids = np.arange(len(one.table))
    assert torch.equal(one.blind_labels(ids), two.blind_labels(ids))
    assert real_ids(dm.val_dataloader())


def test_blind_answers_are_the_most_frequent_of_training(module: Any) -> None:
    dataset: MapVQA = module.dataset_for('val')
    counts: dict[str, Counter[str]] = {}
    wordings: dict[str, set[str]] = {}
    for query in module.overview(dataset):
        for question in dataset.questions(query):
            counts.setdefault(question.canonical, Counter())[question.answer] += 1
            wordings.setdefault(question.canonical, set()).update(question.wordings)
    ids = np.arange(len(dataset.table))
    texts = dict(zip(dataset.question_text(ids), ids.tolist(), strict=True))
    for canonical, answers in counts.items():
        best = max(answers.values())
        for text in wordings[canonical]:
            label = int(module.blind_labels('val', torch.tensor([texts[text]])))
            assert answers[dataset.answers[label]] == best


def test_balance_leaves_little_to_guess(module: Any) -> None:
    dataset = module.dataset_for('train')

    def blind() -> float:
        ids = real_ids(dataset[query] for query in module.overview(dataset))
        truth = dataset._label_of[dataset.table.codes['answer'][dataset._rows(ids)]]
        return float((dataset.blind_labels(ids).numpy() == truth).mean())

    balanced, balance = blind(), dataset.balance
    dataset.balance = None
    try:
        assert balanced < blind() + 0.05
    finally:
        dataset.balance = balance
    assert balanced < 0.6


def test_what_a_task_asks(make: MakeModule) -> None:
    dm = make(sar=None, question_types=['area_share', 'adjacency'])
    assert dm.modalities == ('optical',)
    assert dm.sar_channels == 0
    assert dm.question_types == ('area_share', 'adjacency')
    assert dm.groups == ()
    assert dm.convention == ''
    assert set(dm.statistics) == {'optical'}
    assert dm.dataset_for('val').coverage == 1
    answers = dm.answers
    fresh = make(sar=None, question_types=['area_share', 'adjacency'])
    fresh.set_answers(['yes', 'none'])  # of a checkpoint
    assert fresh.answers == ('yes', 'none')
    assert 0 < fresh.dataset_for('val').coverage < 1
    assert len(answers) > 4
    given = {'optical': {'mean': [0.0] * 3, 'std': [1.0] * 3}}
    assert make(sar=None, statistics=given).statistics == given


def test_a_map_with_holes(make: MakeModule, area: Path, tmp_path: Path) -> None:
    with rasterio.open(area / 'land_cover.tif') as file:
        codes, profile = file.read(), file.profile
    codes[:, :, : SIZE // 2] = 0
    with rasterio.open(tmp_path / 'map.tif', 'w', **profile) as file:
        file.write(codes)
    with rasterio.open(area / 'sentinel1.tif') as file:
        sar, profile = file.read(), file.profile
    sar[:, 40:44, 140:144] = -9999
    with rasterio.open(
        tmp_path / 'sar.tif', 'w', **profile | {'nodata': -9999}
    ) as file:
        file.write(sar)
    dm = make(labels=tmp_path / 'map.tif', sar=tmp_path / 'sar.tif')
    dm.setup('fit')
    shares = [float(dm.train_dataset[query]['nodata']) for query in dm.train_sampler]
    assert max(shares) <= 0.1
    assert all(cell.left >= 400_000 + 960 for cell in dm._samplers['val'].cells)
    # what the image lacks is no number, and neither counts nor reaches a model
    x, y, _ = dm.train_dataset.bounds
    left, top = x.start + 1360, y.stop - 360
    hole = dm.train_dataset[left : left + 320, top - 320 : top]['image_sar']
    assert hole.isnan()[:, 4:8, 4:8].all()
    assert hole.isnan().sum() == 2 * 16
    assert dm.statistics['sar']['mean'][0] > -20
    batch = {'image_sar': torch.full((1, 2, 4, 4), torch.nan)}
    assert (dm.on_after_batch_transfer(batch)['image_sar'] == 0).all()


def test_a_map_of_another_crs(make: MakeModule, area: Path, tmp_path: Path) -> None:
    path = tmp_path / 'map.tif'
    with (
        rasterio.open(area / 'land_cover.tif') as file,
        WarpedVRT(file, crs='EPSG:3857') as warped,
    ):
        copy(warped, path, driver='GTiff')
    dm = make(labels=path)
    dataset = dm.dataset_for('train')
    assert dataset.crs.to_epsg() == 32633
    assert dataset.res == (10, 10)
    with rasterio.open(area / 'land_cover.tif') as file:
        codes = file.read(1)
    query = dm._samplers['train'].within(dm._samplers['train'].blocks)
    label = dataset.read(next(iter(query))).scene.label
    assert np.isin(label + 1, codes).mean() > 0.9


@pytest.mark.parametrize(
    ('options', 'error', 'message'),
    [
        ({'optical': None, 'sar': None}, ValueError, 'optical or a SAR raster'),
        ({'labels': 'nowhere.tif'}, FileNotFoundError, 'nowhere.tif'),
        ({'fractions': (0.5, 0.1, 0.1)}, ValueError, 'fractions'),
        ({'patch_size': 0}, ValueError, 'patch_size must be at least 1, got 0'),
        ({'block_size': 16}, ValueError, r'at least size \(32\), got 16'),
        ({'block_size': 250}, ValueError, '1 blocks of 250 pixels.*3 splits'),
        ({'patch_size': 300, 'block_size': 300}, ValueError, '0 blocks of 300'),
        ({'fractions': (0.9, 0.1, 0)}, ValueError, 'no block for test'),
        ({'fractions': (0, 0.5, 0.5)}, ValueError, 'training needs a share'),
        ({'categories': ['ship']}, ValueError, r"\('ship',\) need objects"),
        ({'classes': {1: 'water'}}, ValueError, 'no name'),
        ({'seed': -1}, ValueError, 'seed must not be negative'),
        ({'cloud': 0.5}, TypeError, 'part of augmentation'),
        ({'kind': 'ship'}, TypeError, 'kind'),
    ],
)
def test_errors(
    make: MakeModule, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make(**options).setup('test')


def test_images_elsewhere(
    make: MakeModule, tmp_path: Path, write_image: Callable[..., None]
) -> None:
    write_image(tmp_path / 'map.tif', np.ones((1, 64, 64), np.uint8), 900_000.0)
    with pytest.raises(RuntimeError, match='labels does not overlap'):
        make(labels=tmp_path / 'map.tif').setup('fit')


def test_batches_without_questions_do_not_stop_training(make: MakeModule) -> None:
    dm = make(question_types=['rural_urban'], urban_classes=['built-up land'])
    dm.setup('fit')
    dm.dataset_for('train').max_nodata = -1  # no patch has any
    assert real_ids(dm.train_dataloader()) == []
    task = VQATask('tgfnet_tiny')
    trainer = Trainer(
        max_epochs=1,
        limit_train_batches=2,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator='cpu',
    )
    trainer.fit(task, datamodule=dm)
    assert trainer.global_step == 2
    assert all(p.isfinite().all() for p in task.parameters())


@pytest.mark.slow
def test_command_line(
    area: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_python: Callable[..., Any],
) -> None:
    monkeypatch.chdir(tmp_path)
    small = [
        *('--trainer.enable_progress_bar', 'false', '--trainer.accelerator', 'cpu'),
        *('--trainer.enable_model_summary', 'false'),
    ]
    fit = [
        *('--model', 'tgfnet', '--model.model', 'tgfnet_tiny'),
        *('--data', 'MapVQADataModule', '--data.optical', f'{area}/sentinel2.tif'),
        *('--data.sar', f'{area}/sentinel1.tif'),
        *('--data.labels', f'{area}/land_cover.tif'),
        *('--data.classes', f'{area}/classes.yaml', '--data.patch_size', '32'),
        *('--data.block_size', '48', '--data.batch_size', '4'),
        *('--trainer.max_epochs', '1', '--trainer.limit_train_batches', '2', *small),
    ]
    done = run_python('-m', 'torchgeo', 'fit', *fit)
    assert done.returncode == 0, done.stderr
    (checkpoint,) = tmp_path.rglob('*.ckpt')
    config = next(tmp_path.rglob('config.yaml'))
    again = ['--config', str(config), '--ckpt_path', str(checkpoint)]
    torchgeo_main(['test', *again])
    assert list(tmp_path.rglob('test_metrics.json'))
    torchgeo_main(['predict', *again])
    (path,) = tmp_path.rglob('predictions.parquet')
    layer = gpd.read_parquet(path)
    dm: Any = MapVQADataModule(
        **yaml.safe_load(config.read_text())['data']['init_args']
    )
    dm.setup('test')
    assert len(layer) == len(real_ids(dm.test_dataloader()))
    boxes = {(q[0].start, q[1].start, q[0].stop, q[1].stop) for q in dm.test_sampler}
    assert set(map(tuple, layer.bounds.to_numpy().tolist())) <= boxes


def test_documented_commands(capsys: pytest.CaptureFixture[str]) -> None:
    docs = Path(__file__).parents[2] / 'docs'
    pages = ('user/own_data.md', 'user/datasets.md', 'tutorials/own_area.ipynb')
    for page in pages:
        text = (docs / page).read_text()
        command = re.search(r'torchgeo (fit [^"\n]*MapVQADataModule[^"\n\\]*)', text)
        assert command, page
        with pytest.raises(SystemExit, match='0'):
            torchgeo_main([*shlex.split(command[1]), '--print_config'])
        config = yaml.safe_load(capsys.readouterr().out)
        assert config['data']['init_args']['classes'].endswith('classes.yaml')
