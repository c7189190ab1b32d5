# SPDX-License-Identifier: MIT
"""Tests of the command `torchgeo-vqa ask`."""

from collections.abc import Callable
from pathlib import Path

import geopandas
import numpy as np
import pytest
from shapely import Point

from torchgeo_vqa.cli import main
from torchgeo_vqa.prediction import Predictor, ask_pair
from torchgeo_vqa.storage import locked

QUESTIONS = ['Is there a ship?', 'How many ships are there?']


@pytest.fixture
def pair(tmp_path: Path, write_image: Callable[..., None]) -> list[str]:
    """Options that name a pair of files of 64 px."""
    rng = np.random.default_rng(0)
    optical = rng.integers(1, 256, (3, 64, 64), np.uint8)
    sar = rng.normal(-12, 4, (2, 64, 64)).astype(np.float32)
    paths = tmp_path / 'o.tif', tmp_path / 's.tif'
    for path, image in zip(paths, (optical, sar), strict=True):
        write_image(path, image, 400_000.0)
    return ['--optical', str(paths[0]), '--sar', str(paths[1])]


def test_pair_and_area(
    pair: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(['ask', *QUESTIONS, *pair])
    truth = ask_pair(Predictor.from_weights(), QUESTIONS, pair[1], pair[3])
    assert capsys.readouterr().out.splitlines() == [
        f'{a.question}  {a.answer} ({a.probability:.0%})' for a in truth
    ]
    for name in ('answers.gpkg', 'answers.parquet'):
        output = tmp_path / name
        main(['ask', *QUESTIONS, *pair, '--patch_size', '32', '--output', str(output)])
        assert capsys.readouterr().out.splitlines()[-1] == f'Layer: {output}'
        read = geopandas.read_file if name.endswith('gpkg') else geopandas.read_parquet
        layer = read(output)
        assert len(layer) == 8
        assert layer.crs == 'EPSG:32633'


def test_bands_of_a_pair(
    tmp_path: Path, write_image: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """An image of more than three bands can be asked about."""
    path = tmp_path / 'five.tif'
    image = np.random.default_rng(0).integers(1, 256, (5, 64, 64), np.uint8)
    write_image(path, image, 400_000.0)
    options = ['--optical', str(path), '--optical_bands', '5', '2', '1']
    main(['ask', *QUESTIONS, *options])
    truth = ask_pair(Predictor.from_weights(), QUESTIONS, path, None, [5, 2, 1])
    assert capsys.readouterr().out.splitlines() == [
        f'{a.question}  {a.answer} ({a.probability:.0%})' for a in truth
    ]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--output', 'a.shp'], '.parquet or .gpkg'),
        (['--patch_size', '32'], 'name one with output'),
        (['--stride', '32'], 'name one with output'),
        ([], 'none.tif'),
        (['--ckpt_path', 'none.ckpt'], 'none.ckpt'),
    ],
    ids=str,
)
def test_errors(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as error:
        main(['ask', 'Is it?', '--optical', 'none.tif', *options])
    assert error.value.code == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    'name', ['mine.parquet', 'mine.gpkg', 'text.parquet', 'dir.gpkg']
)
def test_foreign_files(
    name: str, pair: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They stay, and the model is not even loaded."""
    path = tmp_path / name
    layer = geopandas.GeoDataFrame({'a': [1]}, geometry=[Point(0, 0)], crs=32633)
    if name == 'mine.gpkg':
        # a layer of answers, with another one that would be lost
        answers = layer.assign(question='', answer='', probability=0.5)
        answers.to_file(path, layer='predictions')
        layer.to_file(path, layer='roads')
    elif name == 'mine.parquet':
        layer.to_parquet(path)
    elif name == 'text.parquet':
        path.write_text('years of work')
    else:
        path.mkdir()
    before = {p: p.is_dir() or p.read_bytes() for p in tmp_path.iterdir()}
    options = ['--ckpt_path', 'none.ckpt', '--output', str(path)]
    with pytest.raises(SystemExit):
        main(['ask', *QUESTIONS, *pair, *options])
    assert f'{name} exists and is no layer of answers' in capsys.readouterr().err
    assert {p: p.is_dir() or p.read_bytes() for p in tmp_path.iterdir()} == before


def test_another_process(
    pair: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / 'a.parquet'
    options = ['--ckpt_path', 'none.ckpt', '--output', str(output)]
    with locked(output), pytest.raises(SystemExit):
        main(['ask', *QUESTIONS, *pair, *options])
    assert f'{output} is being written by process' in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ['o.tif', 's.tif']
