# SPDX-License-Identifier: MIT
"""Tests of predictions on disk."""

from pathlib import Path

import geopandas
import pandas as pd
import pytest
from lightning.pytorch import Trainer

from torchgeo_vqa.callbacks import PredictionWriter
from torchgeo_vqa.datamodules import OSVQADataModule
from torchgeo_vqa.storage import locked
from torchgeo_vqa.trainers import VQATask


def predict(root: Path, folder: Path, filename: str) -> OSVQADataModule:
    """Write predictions of an untrained model."""
    dm = OSVQADataModule(str(root), batch_size=1)
    task = VQATask('tgfnet_tiny')
    trainer = Trainer(
        accelerator='cpu',
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        callbacks=[PredictionWriter(filename)],
    )
    trainer.predict(task, datamodule=dm, return_predictions=False)
    return dm


@pytest.mark.parametrize('layout', ['release_root', 'png_root'])
@pytest.mark.parametrize('filename', ['answers.parquet', 'answers.gpkg'])
def test_layer(
    layout: str, filename: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Every question of every batch, with the outline of its place."""
    dm = predict(request.getfixturevalue(layout), tmp_path, filename)
    dataset = dm.dataset_for('predict')
    path = tmp_path / filename
    assert [p.name for p in tmp_path.iterdir()] == [filename]
    read = geopandas.read_parquet if path.suffix == '.parquet' else geopandas.read_file
    layer = read(path)
    assert len(layer) == len(dataset.table)
    if dataset.georeferenced:
        assert layer.crs == dataset.crs
    else:
        assert layer.crs.is_engineering
    outlines = dataset.index.set_index('image').geometry
    assert layer['location'].nunique() == 3
    for row in layer.itertuples():
        assert row.geometry.equals(outlines[row.location])
    if path.suffix == '.parquet':
        # a plain reader finds the columns too
        assert set(pd.read_parquet(path)['answer']) <= set(dm.answers)


def test_invalid() -> None:
    with pytest.raises(ValueError, match=r'answers\.csv'):
        PredictionWriter('answers.csv')


@pytest.mark.parametrize('name', ['a.parquet', 'a.gpkg', 'a.gpkg.parquet'])
def test_foreign_files(name: str, release_root: Path, tmp_path: Path) -> None:
    """They stay, also one with the name under which a failed GeoPackage is kept."""
    (tmp_path / name).write_text('years of work')
    filename = name.removesuffix('.parquet') if name.count('.') == 2 else name
    with pytest.raises(FileExistsError, match=f'{name} exists'):
        predict(release_root, tmp_path, filename)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == 'years of work'


def test_another_process(release_root: Path, tmp_path: Path) -> None:
    with (
        locked(tmp_path / 'a.parquet'),
        pytest.raises(BlockingIOError, match=r'a\.parquet is being written'),
    ):
        predict(release_root, tmp_path, 'a.parquet')
    assert not list(tmp_path.iterdir())
