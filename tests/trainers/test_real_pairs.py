# SPDX-License-Identifier: MIT
"""The pipeline can learn from real pixels."""

import json
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from lightning.pytorch import Trainer, seed_everything

from torchgeo_vqa.datamodules import OSVQADataModule
from torchgeo_vqa.trainers import VQATask
from torchgeo_vqa.transforms import Augmentation


@pytest.fixture
def root(real_root: Path, tmp_path: Path) -> Path:
    """Every third of the training pairs, in four UTM zones, with 110 questions."""
    root, source = tmp_path / 'OSVQA_1.0', real_root / 'OSVQA_1.0'
    (root / 'annotations').mkdir(parents=True)
    (root / 'images').symlink_to(source / 'images')
    for path in (source / 'annotations').glob('*.json'):
        content = json.loads(path.read_text())
        if path.name == 'all_train_annotation.json':
            names = sorted({row[0] for row in content})[::3]
            content = [row for row in content if row[0] in names]
        (root / 'annotations' / path.name).write_text(json.dumps(content))
    return root


@pytest.mark.slow
def test_tiny_model_learns_real_pairs_by_heart(root: Path, tmp_path: Path) -> None:
    """Real Sentinel-1/2 pairs in several UTM zones, until the training answers are right.

    The most frequent answer to each question is right for three in four.
    """
    seed_everything(0)
    task = VQATask('tgfnet_tiny', lr=3e-3, clip_lr=3e-3)
    dm = OSVQADataModule(
        root=str(root),
        batch_size=3,
        questions_per_sample=None,
        augmentation=Augmentation(geometry=False),
        predict_split='train',
    )
    trainer = Trainer(
        max_epochs=60,
        accelerator='cpu',
        default_root_dir=tmp_path,
        gradient_clip_val=1.0,
        limit_val_batches=0,
        enable_progress_bar=False,
        log_every_n_steps=1,
    )
    trainer.fit(task, datamodule=dm)
    trainer.predict(task, datamodule=dm, return_predictions=False)
    (path,) = tmp_path.glob('lightning_logs/*/predictions.parquet')
    rows = pd.read_parquet(path)
    assert len(rows) == 110
    assert (rows.answer == rows.target).mean() > 0.95

    layer = geopandas.read_parquet(path)
    dataset = dm.dataset_for('predict')
    assert layer.crs == dataset.crs
    for place, group in layer.groupby('location'):
        with rasterio.open(dataset.tiles[str(place)].files['optical'].path) as src:
            own = group.to_crs(src.crs)
            np.testing.assert_allclose(own.total_bounds, src.bounds, atol=src.res[0])
            assert own.geometry.iloc[0].area == pytest.approx(
                shapely.box(*src.bounds).area, rel=1e-3
            )
