# SPDX-License-Identifier: MIT
"""Tests of the generation of datasets from maps."""

import json
import os
import random
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
from distributed import LocalCluster
from rasterio.transform import from_origin, xy
from rasterio.windows import from_bounds
from torchgeo.main import main as torchgeo_main

from torchgeo_vqa import storage
from torchgeo_vqa.cli import main
from torchgeo_vqa.datamodules import OSVQADataModule
from torchgeo_vqa.datasets import OSVQA
from torchgeo_vqa.generation import generate, patch_file
from torchgeo_vqa.questions import Question, candidates

ROOT = Path(__file__).parents[2]
CLASSES = {
    1: 'water',
    2: 'trees',
    3: 'flooded vegetation',
    4: 'crops',
    5: 'built area',
    6: 'bare ground',
    7: 'snow',
    9: 'rangeland',
}


def contents(root: Path) -> dict[str, bytes]:
    """Bytes of every file of a folder, without what reading it has cached."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob('*'))
        if path.is_file() and '.cache' not in path.parts
    }


def annotations(root: Path) -> dict[str, list[list[str]]]:
    rows = {}
    for split in ('train', 'val', 'test'):
        path = root / f'annotations/all_{split}_annotation.json'
        if path.exists():
            rows[split] = json.loads(path.read_text(encoding='utf-8'))
    return rows


# --- the real pairs -------------------------------------------------------------------


@pytest.fixture(scope='module')
def terramesh(real_data: Callable[[str], Path]) -> Path:
    """Real Sentinel-1 and Sentinel-2 images with land cover, in three UTM zones."""
    return real_data('terramesh')


@pytest.fixture(scope='module')
def real_args(terramesh: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Command line for a dataset of the real pairs, without its output."""
    classes = tmp_path_factory.mktemp('classes') / 'classes.json'
    classes.write_text(json.dumps(CLASSES))
    return [
        *('--optical', str(terramesh / 'S2RGB'), '--sar', str(terramesh / 'S1RTC')),
        *('--labels', str(terramesh / 'LULC'), '--classes', str(classes)),
        *('--ignore', '8', '--urban_classes', 'built area', '--seed', '1'),
        *('--patch_size', '64', '--block_size', '112', '--num_patches', '60'),
        *('--fractions', '0.5', '0.25', '0.25', '--num_workers', '1'),
    ]


@pytest.fixture(scope='module')
def real_output(real_args: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset of the real pairs, made in one go."""
    output = tmp_path_factory.mktemp('real') / 'output'
    main(['generate', *real_args, '--output', str(output)])
    return output


def windows(terramesh: Path, kind: str, path: Path) -> np.ndarray[Any, Any]:
    """What the source holds where a patch is."""
    with rasterio.open(path) as patch:
        for source in sorted((terramesh / kind).iterdir()):
            with rasterio.open(source) as src:
                if src.crs == patch.crs:
                    window = from_bounds(*patch.bounds, transform=src.transform)
                    # whole pixels but for rounding
                    whole = window.round_offsets().round_lengths()
                    assert abs(window.col_off - whole.col_off) < 1e-3
                    assert abs(window.row_off - whole.row_off) < 1e-3
                    array: np.ndarray[Any, Any] = src.read(window=whole)
                    return array
    raise AssertionError(f'{path} is nowhere')


def test_real_pixels_are_the_sources(real_output: Path, terramesh: Path) -> None:
    zones = set()
    for folder, kind in (('rgb', 'S2RGB'), ('sar', 'S1RTC')):
        paths = sorted((real_output / 'images' / folder).iterdir())
        assert len(paths) > 20
        for path in paths:
            with rasterio.open(path) as src:
                array = src.read()
                zones.add(src.crs.to_epsg())
            expected = windows(terramesh, kind, path)
            assert array.dtype == expected.dtype
            assert array.shape[1:] == (64, 64)
            np.testing.assert_array_equal(array, expected)
    assert zones == {32718, 32722, 32736}


def test_real_answers_are_true(real_output: Path, terramesh: Path) -> None:
    checked = 0
    for rows in annotations(real_output).values():
        for name, kind, _, answer in rows:
            if kind == 'main_land_cover':
                path = real_output / f'images/rgb/{name}.tif'
                codes = windows(terramesh, 'LULC', path).ravel().tolist()
                counts = Counter(codes)
                del counts[8]
                assert CLASSES[counts.most_common(1)[0][0]] == answer
                checked += 1
    assert checked > 10


def test_real_dataset_is_read(real_output: Path) -> None:
    rows = annotations(real_output)
    assert sorted(rows) == ['test', 'train', 'val']
    for split, own in rows.items():
        dataset = OSVQA(real_output, split)  # type: ignore[arg-type]
        assert len(dataset.table) == len(own)
        assert dataset.georeferenced
    module = OSVQADataModule(root=str(real_output), batch_size=4, num_workers=0)
    module.setup('fit')
    batch = next(iter(module.train_dataloader()))
    assert batch['image_optical'].shape == (4, 3, 64, 64)
    assert batch['image_sar'].shape == (4, 2, 64, 64)


@pytest.mark.slow
def test_real_dataset_is_trained_on(real_output: Path, tmp_path: Path) -> None:
    torchgeo_main(
        [
            *('fit', '--model', 'VQATask', '--model.model', 'tgfnet_tiny'),
            *('--data', 'OSVQADataModule', '--data.root', str(real_output)),
            *('--data.batch_size', '2', '--data.num_workers', '0'),
            *('--trainer.fast_dev_run', '1', '--trainer.accelerator', 'cpu'),
            *('--trainer.default_root_dir', str(tmp_path)),
        ]
    )


def test_real_killed_and_restarted(
    real_args: list[str],
    real_output: Path,
    tmp_path: Path,
    start_python: Callable[..., Any],
) -> None:
    output = tmp_path / 'output'
    args = [*real_args, '--output', str(output)]
    moment = random.SystemRandom().uniform(0, 1)
    process = start_python('-m', 'torchgeo_vqa', 'generate', *args)
    written = tmp_path / 'output.partial/questions'
    while not written.exists() and process.poll() is None:
        time.sleep(0.005)
    # it takes a second or so from here on
    time.sleep(moment)
    process.send_signal(signal.SIGKILL)
    process.wait()
    main(['generate', *args])
    assert contents(output) == contents(real_output), f'killed after {moment} s'
    assert [path.name for path in tmp_path.iterdir()] == ['output']


@pytest.mark.slow
def test_real_two_workers(
    start_python: Callable[..., Any],
    real_args: list[str],
    real_output: Path,
    tmp_path: Path,
) -> None:
    args = [*real_args[:-1], '2', '--output', str(tmp_path / 'output')]
    done = start_python('-m', 'torchgeo_vqa', 'generate', *args).wait()
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / 'output') == contents(real_output)


# --- interruptions --------------------------------------------------------------------


def interrupted_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Stop for good before the file of that number gets its name."""
    replace = os.replace
    calls = iter(range(1, 10_000))

    def stop(source: str, target: str) -> None:
        if next(calls) == number:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(storage.os, 'replace', stop)


def test_interrupted_anywhere(
    tmp_path: Path, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments['num_patches'] = 8
    calls: Iterator[int] = iter(range(10_000))
    replace = os.replace
    with monkeypatch.context() as patch:
        patch.setattr(
            storage.os, 'replace', lambda *args: (next(calls), replace(*args))
        )
        generate(tmp_path / 'whole', **arguments)
    expected = contents(tmp_path / 'whole')
    num_files = next(calls)
    # manifest, three files a patch, and the whole dataset's
    assert num_files > 3 * 8
    output = tmp_path / 'output'
    interruptions = 0
    while True:
        try:
            with monkeypatch.context() as patch:
                interrupted_at(patch, 7)
                generate(output, **arguments)
        except KeyboardInterrupt:
            interruptions += 1
            assert not output.exists()
        else:
            break
    assert interruptions > 3
    assert contents(output) == expected
    # and once more: it is complete
    report = json.loads((output / 'report.json').read_text())
    assert generate(output, **arguments).report == report
    assert not (tmp_path / 'output.partial').exists()


def test_written_files_are_kept(
    tmp_path: Path, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupted_at(patch, 40)
        with pytest.raises(KeyboardInterrupt):
            generate(tmp_path / 'output', **arguments)
    partial = tmp_path / 'output.partial'
    before = {p: p.stat().st_mtime_ns for p in (partial / 'questions').rglob('*.json')}
    assert len(before) > 10
    # of a worker on another machine, which nobody else can know to have ended
    leftover = partial / 'dataset/images/rgb/.a.torchgeo-vqa-elsewhere-1-0123abcd.tif'
    leftover.touch()
    read = []

    def counted(*args: Any) -> list[Question]:
        read.append(args)
        return candidates(*args)

    monkeypatch.setattr(patch_file, 'candidates', counted)
    generate(tmp_path / 'output', **arguments)
    assert len(read) == 24 - len(before)
    assert not [p for p in (tmp_path / 'output').rglob('*') if p.name[0] == '.']


# --- what is generated ----------------------------------------------------------------


def test_splits_do_not_touch(tmp_path: Path, arguments: dict[str, Any]) -> None:
    arguments |= {'num_patches': 60, 'fractions': (0.4, 0.3, 0.3)}
    generate(tmp_path / 'output', balance_by='none', **arguments)
    seen: dict[tuple[str, int, int], set[str]] = defaultdict(set)
    counts: Counter[str] = Counter()
    for path in (tmp_path / 'output/images/rgb').iterdir():
        split = path.stem.partition('_')[0]
        counts[split] += 1
        with rasterio.open(path) as src:
            left = round((src.bounds.left - 400_003.7) / 10)
            top = round((5_000_001.3 - src.bounds.top) / 10)
            for x in range(left, left + 32):
                for y in range(top, top + 32):
                    seen[str(src.crs), x, y].add(split)
    assert counts == {'train': 24, 'val': 18, 'test': 18}
    assert all(len(splits) == 1 for splits in seen.values())
    assert set.union(*seen.values()) == {'train', 'val', 'test'}


def test_grid(tmp_path: Path, arguments: dict[str, Any]) -> None:
    arguments |= {'num_patches': None, 'patch_size': 24}
    generate(tmp_path / 'output', balance_by='none', **arguments)
    corners = set()
    for path in (tmp_path / 'output/images/sar').iterdir():
        with rasterio.open(path) as src:
            left = round((src.bounds.left - 400_003.7) / 10)
            corners.add((src.crs, left, round((5_000_001.3 - src.bounds.top) / 10)))
    # 4 x 4 patches of each place
    for crs in {corner[0] for corner in corners}:
        own = {corner[1:] for corner in corners if corner[0] == crs}
        assert own == {(24 * i, 24 * j) for i in range(4) for j in range(4)}


def test_parquet_tells_where(tmp_path: Path, arguments: dict[str, Any]) -> None:
    generate(tmp_path / 'output', **arguments)
    table = pq.read_table(tmp_path / 'output/questions.parquet').to_pylist()
    rows = annotations(tmp_path / 'output')
    assert [
        [row[key] for key in ('split', 'image', 'question_type', 'question', 'answer')]
        for row in table
    ] == [[split, *row] for split, own in rows.items() for row in own]
    parts = 0
    for row in table:
        path = tmp_path / f'output/images/rgb/{row["image"]}.tif'
        with rasterio.open(path) as src:
            rows_of, columns = (row['top'], row['bottom']), (row['left'], row['right'])
            expected = src.window_bounds((rows_of, columns))
            assert row['crs'] == src.crs.to_string()
        found = [row[key] for key in ('xmin', 'ymin', 'xmax', 'ymax')]
        np.testing.assert_allclose(found, expected, atol=1e-6)
        parts += (row['right'] - row['left'], row['bottom'] - row['top']) != (32, 32)
        # about 100 km west of the zone's central meridian, 15 or 3 degrees east
        longitude = {'EPSG:32633': 13.7, 'EPSG:32631': 1.7}[row['crs']]
        assert abs(row['longitude'] - longitude) < 0.1
        assert abs(row['latitude'] - 45.15) < 0.1
    assert 0 < parts < len(table)


def test_objects_are_counted(tmp_path: Path, arguments: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    place = from_origin(400_003.7, 5_000_001.3, 10, 10)
    barns = {}
    for crs in ('EPSG:32633', 'EPSG:32631'):
        # middles of pixels, so that none is cut by an edge
        x, y = xy(place, *rng.integers(0, 96, (2, 12)))
        barns[crs] = gpd.GeoSeries(gpd.points_from_xy(x, y), crs=crs)
    everywhere = pd.concat([points.to_crs('EPSG:4326') for points in barns.values()])
    layer = gpd.GeoDataFrame(
        {'use': 'barn'}, index=everywhere.index, geometry=everywhere
    )
    layer.to_file(tmp_path / 'barns.geojson')
    args = arguments | {'question_types': ['object_count'], 'balance_by': 'none'}
    args |= {'objects': tmp_path / 'barns.geojson', 'object_column': 'use'}
    generate(tmp_path / 'output', **args)
    table = pq.read_table(tmp_path / 'output/questions.parquet').to_pylist()
    for row in table:
        box = shapely.box(*(row[key] for key in ('xmin', 'ymin', 'xmax', 'ymax')))
        assert row['answer'] == str(barns[row['crs']].within(box).sum())
        assert 'barns' in row['question']
    assert len({row['answer'] for row in table}) > 2


def test_quality_is_asked_about(
    tmp_path: Path, arguments: dict[str, Any], write_image: Callable[..., None]
) -> None:
    # The west is under clouds
    for name, crs, state in (('east', 32633, 0), ('west', 32631, 1)):
        write_image(
            tmp_path / f'quality/{name}.tif',
            np.full((1, 96, 96), state, np.uint8),
            400_003.7,
            5_000_001.3,
            crs=f'EPSG:{crs}',
        )
    args = arguments | {'question_types': ['modality_quality'], 'balance_by': 'none'}
    generate(tmp_path / 'output', **args, quality=tmp_path / 'quality')
    table = pq.read_table(tmp_path / 'output/questions.parquet').to_pylist()
    answers = defaultdict(set)
    for row in table:
        answers[row['crs']].add(row['answer'])
    assert answers == {
        'EPSG:32633': {'nothing', 'optical'},
        'EPSG:32631': {'clouds', 'SAR'},
    }


def test_report(tmp_path: Path, arguments: dict[str, Any]) -> None:
    result = generate(tmp_path / 'output', **arguments)
    rows = annotations(tmp_path / 'output')
    report = json.loads((tmp_path / 'output/report.json').read_text())
    assert report == result.report
    by_text: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows['train']:
        by_text[row[2]][row[3]] += 1
    best = sum(counts.most_common(1)[0][1] for counts in by_text.values())
    train = report['splits']['train']
    assert train['questions'] == len(rows['train'])
    assert train['patches'] == len({row[0] for row in rows['train']})
    assert train['blind'] == pytest.approx(best / len(rows['train']))
    for name, numbers in train['types'].items():
        expected = Counter(row[3] for row in rows['train'] if row[1] == name)
        assert numbers['answers'] == dict(expected)
        top = max(expected.values()) / expected.total()
        assert numbers['top'] == pytest.approx(top)
    assert 'train: ' in str(result)


def test_balance(tmp_path: Path, arguments: dict[str, Any]) -> None:
    blind = {}
    for how in ('dataset', 'patch', 'none'):
        result = generate(tmp_path / how, balance_by=how, **arguments)  # type: ignore[arg-type]
        blind[how] = result.report['splits']['train']['blind']
    assert blind['dataset'] < blind['none']
    assert blind['dataset'] < 0.7


def test_bands_and_one_modality(tmp_path: Path, arguments: dict[str, Any]) -> None:
    arguments |= {'sar': None, 'optical_bands': [3, 1, 2], 'num_patches': 6}
    generate(tmp_path / 'output', balance_by='patch', **arguments)
    assert sorted(os.listdir(tmp_path / 'output/images')) == ['rgb']
    assert len(OSVQA(tmp_path / 'output', modalities=['optical'])) > 0
    for path in (tmp_path / 'output/images/rgb').iterdir():
        with rasterio.open(path) as src:
            image = src.read()
        # of a class, band 3 is 7 or more, band 1 is 60 or more, and they vary by 8
        assert image[0].max() < 40 < image[1].min()


def test_same_arguments_same_bytes(tmp_path: Path, arguments: dict[str, Any]) -> None:
    generate(tmp_path / 'a', **arguments)
    generate(tmp_path / 'b', **arguments)
    generate(tmp_path / 'c', **arguments | {'seed': 1})
    assert contents(tmp_path / 'a') == contents(tmp_path / 'b')
    assert annotations(tmp_path / 'a') != annotations(tmp_path / 'c')


# --- errors ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('options', 'error', 'message'),
    [
        ({'optical': 'nowhere'}, FileNotFoundError, 'nowhere is neither a raster'),
        ({'optical': None, 'sar': None}, ValueError, 'name an optical or a SAR raster'),
        ({'patch_size': 0}, ValueError, 'patch_size must be at least 1, got 0'),
        ({'block_size': 16}, ValueError, 'block_size must be at least patch_size'),
        ({'block_size': 200}, ValueError, 'hold 2 blocks of 200 pixels'),
        ({'num_patches': 10**6}, ValueError, 'train has room for'),
        ({'fractions': (0.5, 0.1, 0.1)}, ValueError, 'sum to 1'),
        (
            {'balance_by': 'luck'},
            ValueError,
            "must be dataset, patch or none, got 'luck'",
        ),
        ({'optical_bands': [4, 3, 2]}, ValueError, r'three of 1 to 3.*got \[4, 3, 2\]'),
        ({'classes': 'few.yaml'}, ValueError, 'no name'),
        ({'classes': 'text.yaml'}, ValueError, 'must name the code of each class'),
        ({'classes': 'bad.yaml'}, ValueError, 'neither YAML nor JSON'),
        ({'labels': 'nocrs.tif'}, ValueError, r'nocrs\.tif has no CRS'),
        ({'labels': 'far.tif'}, RuntimeError, 'no location in common'),
        ({'labels': 'broken.tif'}, OSError, r'cannot read .*broken\.tif'),
        ({'question_types': ['rural_urban']}, ValueError, 'rural_urban'),
    ],
)
def test_errors(
    tmp_path: Path,
    arguments: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    write_image: Callable[..., None],
    options: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path('few.yaml').write_text('{1: water, 2: trees}')
    Path('text.yaml').write_text('water')
    Path('bad.yaml').write_text('{1: water')
    Path('broken.tif').write_bytes(b'II*\0 nothing')
    labels = np.ones((1, 96, 96), np.uint8)
    write_image(Path('nocrs.tif'), labels)
    write_image(Path('far.tif'), labels, 600_000.0, 100_000.0)
    with pytest.raises(error, match=message):
        generate('output', **arguments | options)
    assert not Path('output').exists()


def test_other_arguments(tmp_path: Path, arguments: dict[str, Any]) -> None:
    arguments['num_patches'] = 6
    generate(tmp_path / 'output', **arguments)
    with pytest.raises(FileExistsError, match='is not what these arguments make'):
        generate(tmp_path / 'output', **arguments | {'seed': 1})
    (tmp_path / 'output').rename(tmp_path / 'dataset')
    partial = tmp_path / 'output.partial'
    partial.mkdir()
    (tmp_path / 'dataset/manifest.json').rename(partial / 'manifest.json')
    with pytest.raises(FileExistsError, match='was begun with other arguments'):
        generate(tmp_path / 'output', **arguments | {'seed': 1})


@pytest.mark.parametrize('what', ['folder', 'file', 'link', 'manifest'])
def test_what_is_in_the_way(
    what: str, tmp_path: Path, arguments: dict[str, Any]
) -> None:
    """A folder that is not ours stays as it is, whatever its name."""
    mine = tmp_path / 'mine'
    mine.mkdir()
    (mine / 'thesis.txt').write_text('years of work')
    partial = tmp_path / 'output.partial'
    match what:
        case 'folder':
            mine.rename(partial)
        case 'file':
            partial.write_text('years of work')
        case 'link':
            partial.symlink_to(mine)
        case _:
            (mine / 'manifest.json').write_text('{"name": "page"}')
            mine.rename(partial)
    before = contents(tmp_path)
    with pytest.raises(FileExistsError, match=r'output\.partial is in the way'):
        generate(tmp_path / 'output', **arguments)
    assert contents(tmp_path) == before
    assert partial.is_symlink() == (what == 'link')


def test_foreign_folder_beside_a_complete_dataset(
    tmp_path: Path, arguments: dict[str, Any]
) -> None:
    arguments['num_patches'] = 6
    report = generate(tmp_path / 'output', **arguments).report
    (tmp_path / 'output.partial').mkdir()
    (tmp_path / 'output.partial/thesis.txt').write_text('years of work')
    assert generate(tmp_path / 'output', **arguments).report == report
    assert (tmp_path / 'output.partial/thesis.txt').exists()


@pytest.mark.parametrize('text', [None, '', '[]', '{}'])
def test_without_report(
    text: str | None, tmp_path: Path, arguments: dict[str, Any]
) -> None:
    arguments['num_patches'] = 6
    generate(tmp_path / 'output', **arguments)
    report = tmp_path / 'output/report.json'
    report.unlink() if text is None else report.write_text(text)
    with pytest.raises(FileExistsError, match=r'report\.json is missing or damaged'):
        generate(tmp_path / 'output', **arguments)


def test_output_among_the_rasters(tmp_path: Path, arguments: dict[str, Any]) -> None:
    """Its patches would be images of the next run."""
    output = arguments['optical'] / 'output'
    with pytest.raises(ValueError, match=r'lies in .*optical, whose rasters are read'):
        generate(output, **arguments)
    assert not list(output.parent.glob('*output*'))


def test_another_process(tmp_path: Path, arguments: dict[str, Any]) -> None:
    output = tmp_path / 'output'
    with (
        storage.locked(output),
        pytest.raises(BlockingIOError, match=f'output is being .* {os.getpid()} on'),
    ):
        generate(output, **arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_running_scheduler(tmp_path: Path, arguments: dict[str, Any]) -> None:
    generate(tmp_path / 'alone', **arguments)
    # Its worker is a thread: that of `test_real_two_workers` imports for seconds
    with LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        protocol='tcp',
        dashboard_address=None,
    ) as cluster:
        generate(tmp_path / 'cluster', **arguments, scheduler=cluster.scheduler_address)
    assert contents(tmp_path / 'cluster') == contents(tmp_path / 'alone')


def test_dask_is_asked_for(
    tmp_path: Path, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'distributed', None)
    with pytest.raises(ImportError, match=r'pip install .torchgeo-vqa\[generate\]'):
        generate(tmp_path / 'output', **arguments | {'num_workers': 2})
