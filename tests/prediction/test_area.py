# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Tests of asking about image files."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import shapely
import torch
from lightning.pytorch import Trainer, seed_everything
from numpy.typing import NDArray
from rasterio.windows import Window

from torchgeo_vqa.datamodules import OSVQADataModule
from torchgeo_vqa.prediction.area import ask_area, ask_pair, load_task
from torchgeo_vqa.trainers import VQATask

WriteImage = Callable[..., None]

QUESTIONS = ['Is there a ship?', 'How many ships are there?']
WEST, NORTH, RES = 400_000.0, 5_000_000.0, 10.0


@pytest.fixture(scope='module')
def checkpoint(release_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    seed_everything(0)
    path = tmp_path_factory.mktemp('checkpoint') / 'model.ckpt'
    trainer = Trainer(
        max_steps=2,
        accelerator='cpu',
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        limit_val_batches=0,
    )
    dm = OSVQADataModule(root=str(release_root), batch_size=2)
    trainer.fit(VQATask('tgfnet_tiny', lr=1e-2, clip_lr=1e-2), datamodule=dm)
    trainer.save_checkpoint(path)
    return path


@pytest.fixture(scope='module')
def task(checkpoint: Path) -> VQATask:
    return VQATask.load_from_checkpoint(checkpoint, map_location='cpu')


def make_pair(height: int, width: int) -> tuple[NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(0)
    optical = rng.integers(1, 256, (3, height, width), np.uint8)
    return optical, rng.normal(-12, 4, (2, height, width)).astype(np.float32)


def probabilities(answers: list[Any]) -> list[float]:
    return [answer.probability for answer in answers]


class TestAskPair:
    def test_answers_are_those_of_the_pixels(
        self, task: VQATask, tmp_path: Path, write_image: WriteImage
    ) -> None:
        optical, sar = make_pair(48, 48)
        write_image(tmp_path / 'o.tif', optical, WEST)
        write_image(tmp_path / 's.tif', sar, WEST)
        found = ask_pair(task, QUESTIONS, tmp_path / 'o.tif', tmp_path / 's.tif')
        assert found == task.ask(optical, sar, QUESTIONS)
        assert ask_pair(task, QUESTIONS, sar=tmp_path / 's.tif') == task.ask(
            None, sar, QUESTIONS
        )

    def test_sar_is_brought_to_the_optical_grid(
        self, task: VQATask, tmp_path: Path, write_image: WriteImage
    ) -> None:
        optical, sar = make_pair(48, 48)
        write_image(tmp_path / 'o.tif', optical, WEST)
        # 16 more pixels on each side
        wide = np.pad(sar, ((0, 0), (16, 16), (16, 16)), constant_values=3)
        write_image(tmp_path / 's.tif', wide, WEST - 16 * RES, NORTH + 16 * RES)
        found = ask_pair(task, QUESTIONS, tmp_path / 'o.tif', tmp_path / 's.tif')
        assert found == task.ask(optical, sar, QUESTIONS)

    def test_bands_are_chosen(
        self, task: VQATask, tmp_path: Path, write_image: WriteImage
    ) -> None:
        optical, sar = make_pair(48, 48)
        write_image(tmp_path / 's.png', sar[:1].astype(np.uint8))
        write_image(tmp_path / 'o.tif', np.concatenate([optical, optical]), WEST)
        found = ask_pair(task, QUESTIONS, tmp_path / 'o.tif', optical_bands=[6, 2, 1])
        assert found == task.ask(optical[[2, 1, 0]], None, QUESTIONS)
        with pytest.raises(
            ValueError, match=r'three of 1 to 6.*o\.tif, got \[7, 1, 1\]'
        ):
            ask_pair(task, QUESTIONS, tmp_path / 'o.tif', optical_bands=[7, 1, 1])

    def test_images_of_different_places(
        self, task: VQATask, tmp_path: Path, write_image: WriteImage
    ) -> None:
        optical, sar = make_pair(48, 48)
        write_image(tmp_path / 'o.tif', optical, WEST)
        write_image(tmp_path / 's.tif', sar, WEST + 10_000)
        with pytest.raises(ValueError, match=r's\.tif shows nothing of .*o\.tif'):
            ask_pair(task, QUESTIONS, tmp_path / 'o.tif', tmp_path / 's.tif')

    def test_nothing_to_look_at(self, task: VQATask) -> None:
        with pytest.raises(ValueError, match='optical and sar, got files of nothing'):
            ask_pair(task, QUESTIONS)

    def test_folder(self, task: VQATask, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match='is a folder'):
            ask_pair(task, QUESTIONS, tmp_path)


class TestAskArea:
    def test_every_patch_is_asked_about(
        self, task: VQATask, tmp_path: Path, write_image: WriteImage
    ) -> None:
        """Answers are those for the window of both files under each geometry."""
        optical, sar = make_pair(96, 128)
        write_image(tmp_path / 'o/west.tif', optical[:, :, :64], WEST)
        write_image(tmp_path / 'o/east.tif', optical[:, :, 64:], WEST + 64 * RES)
        wide = np.pad(sar, ((0, 0), (8, 8), (8, 8)))
        write_image(tmp_path / 's.tif', wide, WEST - 8 * RES, NORTH + 8 * RES)
        layer = ask_area(
            task, QUESTIONS, tmp_path / 'o', tmp_path / 's.tif', 32, batch_size=5
        )
        assert layer.crs == 'EPSG:32633'
        assert len(layer) == 3 * 4 * 2
        assert set(layer['question']) == set(QUESTIONS)
        area = shapely.box(WEST, NORTH - 96 * RES, WEST + 128 * RES, NORTH)
        assert layer.union_all().equals(area)
        for outline, rows in layer.groupby('geometry'):
            xmin, _, _, ymax = outline.bounds
            window = Window(int((xmin - WEST) / RES), int((NORTH - ymax) / RES), 32, 32)
            y, x = window.toslices()
            truth = task.ask(optical[:, y, x], sar[:, y, x], QUESTIONS)
            assert rows['answer'].tolist() == [a.answer for a in truth]
            np.testing.assert_allclose(
                rows['probability'], probabilities(truth), atol=1e-5
            )
            for name, weight in truth[0].expert_weights.items():
                assert rows[f'expert_weight_{name}'].iloc[0] == pytest.approx(
                    weight, abs=1e-5
                )

    def test_stride(
        self, task: VQATask, tmp_path: Path, write_image: WriteImage
    ) -> None:
        optical, _ = make_pair(64, 64)
        write_image(tmp_path / 'o.tif', optical, WEST)
        layer = ask_area(task, QUESTIONS[:1], tmp_path / 'o.tif', None, 32, 16)
        assert len(layer) == 3 * 3

    def test_patches_without_data_are_left_out(
        self, task: VQATask, tmp_path: Path, write_image: WriteImage
    ) -> None:
        optical, sar = make_pair(64, 64)
        sar[:, :32, :32] = np.nan
        optical[:, 32:, 32:] = 0
        optical[:, 32:, 40:] = 1  # known again: a quarter of the patch is not
        write_image(tmp_path / 'o.tif', optical, WEST, nodata=0)
        write_image(tmp_path / 's.tif', sar, WEST)
        paths = tmp_path / 'o.tif', tmp_path / 's.tif'
        assert len(ask_area(task, QUESTIONS[:1], *paths, 32)) == 3
        assert len(ask_area(task, QUESTIONS[:1], *paths, 32, max_nodata=0.2)) == 2
        with pytest.raises(ValueError, match='no patch of 64 pixels'):
            ask_area(task, QUESTIONS, *paths, 64, max_nodata=0.1)

    def test_several_utm_zones(
        self, task: VQATask, tmp_path: Path, write_image: WriteImage
    ) -> None:
        """Images keep their pixels; the layer is in degrees."""
        optical, sar = make_pair(32, 32)
        for zone in (33, 34):
            for kind, image in (('o', optical), ('s', sar)):
                path = tmp_path / kind / f'{zone}.tif'
                write_image(path, image, WEST, crs=f'EPSG:326{zone}')
        layer = ask_area(task, QUESTIONS, tmp_path / 'o', tmp_path / 's', 32)
        assert layer.crs == 'EPSG:4326'
        truth = probabilities(task.ask(optical, sar, QUESTIONS))
        np.testing.assert_allclose(layer['probability'], truth * 2, atol=1e-5)
        for i, zone in enumerate((33, 34)):
            outline = layer.to_crs(f'EPSG:326{zone}').geometry.iloc[2 * i]
            np.testing.assert_allclose(
                outline.bounds, (WEST, NORTH - 320, WEST + 320, NORTH), atol=0.01
            )

    def test_images_of_different_places(
        self, task: VQATask, tmp_path: Path, write_image: WriteImage
    ) -> None:
        optical, sar = make_pair(32, 32)
        write_image(tmp_path / 'o.tif', optical, WEST)
        write_image(tmp_path / 's.tif', sar, WEST + 10_000)
        with pytest.raises(ValueError, match='no place in common'):
            ask_area(task, QUESTIONS, tmp_path / 'o.tif', tmp_path / 's.tif')

    def test_no_crs(
        self, task: VQATask, tmp_path: Path, write_image: WriteImage
    ) -> None:
        write_image(tmp_path / 'o.tif', make_pair(32, 32)[0])
        with pytest.raises(ValueError, match=r'o\.tif has no CRS'):
            ask_area(task, QUESTIONS, tmp_path / 'o.tif')

    @pytest.mark.parametrize('options', [{'patch_size': 0}, {'stride': -1}], ids=str)
    def test_no_size(self, task: VQATask, options: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match='must be at least 1'):
            ask_area(task, QUESTIONS, 'o.tif', **options)


class TestLoadTask:
    def test_other_checkpoint(self, tmp_path: Path) -> None:
        torch.save({'state_dict': {}}, tmp_path / 'other.ckpt')
        with pytest.raises(ValueError, match=r'other\.ckpt is damaged, or no'):
            load_task(tmp_path / 'other.ckpt')

    def test_missing(self) -> None:
        with pytest.raises(FileNotFoundError, match=r'none\.ckpt'):
            load_task('none.ckpt')


class TestCommand:
    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, '-m', 'torchgeo_vqa', 'ask', *arguments]
        return subprocess.run(command, check=False, capture_output=True, text=True)

    def test_pair_and_area(
        self, checkpoint: Path, task: VQATask, tmp_path: Path, write_image: WriteImage
    ) -> None:
        optical, sar = make_pair(64, 64)
        write_image(tmp_path / 'o.tif', optical, WEST)
        write_image(tmp_path / 's.tif', sar, WEST)
        arguments = [
            *QUESTIONS,
            *('--ckpt_path', str(checkpoint)),
            *('--optical', str(tmp_path / 'o.tif'), '--sar', str(tmp_path / 's.tif')),
        ]
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        truth = task.ask(optical, sar, QUESTIONS)
        assert done.stdout.splitlines() == [
            f'{a.question}  {a.answer} ({a.probability:.0%})' for a in truth
        ]
        for name in ('answers.gpkg', 'answers.parquet'):
            output = tmp_path / name
            done = self.run(*arguments, '--patch_size', '32', '--output', str(output))
            assert done.returncode == 0, done.stderr
            assert done.stdout.splitlines()[-1] == f'Layer: {output}'
            read = (
                geopandas.read_file if name.endswith('gpkg') else geopandas.read_parquet
            )
            layer = read(output)
            assert len(layer) == 8
            assert layer.crs == 'EPSG:32633'

    def test_errors(self, checkpoint: Path, tmp_path: Path) -> None:
        common = ('Is it?', '--ckpt_path', str(checkpoint), '--optical', 'none.tif')
        for arguments, message in {
            ('--output', 'a.shp'): '.parquet or .gpkg',
            ('--patch_size', '32'): 'name one with output',
            (): 'none.tif',
        }.items():
            done = self.run(*common, *arguments)
            assert done.returncode == 1
            assert message in done.stderr
            assert 'Traceback' not in done.stderr
