# SPDX-License-Identifier: MIT
"""Tests of OSVQAMini."""

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from torchgeo_vqa.datasets import OSVQAMini
from torchgeo_vqa.questions import answer
from torchgeo_vqa.sample import SPLITS
from torchgeo_vqa.synthetic.mini import TYPES, draw_scene, generate

NUM_SCENES = {'train': 24, 'val': 6, 'test': 10}


@pytest.fixture(scope='session')
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parent = tmp_path_factory.mktemp('cache')
    OSVQAMini(parent, num_scenes=NUM_SCENES)
    return parent


class TestOSVQAMini:
    def make(self, parent: Path, split: Literal['train', 'val', 'test']) -> OSVQAMini:
        return OSVQAMini(parent, split, num_scenes=NUM_SCENES)

    def test_is_written_once_and_named_after_its_arguments(
        self, parent: Path, tmp_path: Path
    ) -> None:
        (folder,) = parent.iterdir()
        assert folder.name == 'osvqa_mini_v1_seed0_64px_24-6-10'
        before = (folder / 'manifest.json').stat().st_mtime_ns
        self.make(parent, 'val')
        assert (folder / 'manifest.json').stat().st_mtime_ns == before
        # What one process makes, and what opening it has left there
        generate(tmp_path / 'a', num_scenes=NUM_SCENES, num_workers=1, progress=False)
        for path in (tmp_path / 'a').rglob('*.*'):
            made = folder / path.relative_to(tmp_path / 'a')
            assert made.read_bytes() == path.read_bytes()

    @pytest.mark.parametrize('split', SPLITS)
    def test_samples(
        self, parent: Path, split: Literal['train', 'val', 'test']
    ) -> None:
        dataset = self.make(parent, split)
        assert len(dataset) == NUM_SCENES[split]
        assert dataset.georeferenced
        assert dataset.question_types == tuple(sorted(TYPES))
        for i, row in enumerate(dataset.index.itertuples()):
            xmin, ymin, xmax, ymax = row.geometry.bounds
            sample = dataset[xmin:xmax, ymin:ymax]
            scene, optical, sar = draw_scene(f'{split}_{i:05d}')
            np.testing.assert_array_equal(sample['image_optical'], optical)
            np.testing.assert_array_equal(sample['image_sar'], sar)
            assert dataset.groups[int(sample['group'].max())] == scene.condition
            ids = sample['question_id'][sample['question_id'] >= 0]
            assert len(ids) >= 5
            (name,) = set(dataset.location(ids))
            same = dataset.scene(name)
            np.testing.assert_array_equal(same.label, scene.label)
            rows = zip(
                dataset.question_type(ids),
                dataset.question_text(ids),
                dataset.answer_text(ids),
                strict=True,
            )
            for question_type, question, truth in rows:
                assert answer(question_type, question, same) == truth

    def test_default_root_is_the_cache_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv('TORCHGEO_VQA_CACHE', str(tmp_path))
        dataset = OSVQAMini(seed=3, size=32, num_scenes={'train': 20})
        (folder,) = tmp_path.iterdir()
        assert folder.name == 'osvqa_mini_v1_seed3_32px_20-0-0'
        assert dataset.scene('train_00000').shape == (32, 32)

    def test_something_else_in_its_place(self, tmp_path: Path) -> None:
        (tmp_path / 'osvqa_mini_v1_seed0_64px_1-0-0').mkdir()
        with pytest.raises(FileExistsError, match='osvqa_mini_v1_seed0_64px_1-0-0'):
            OSVQAMini(tmp_path, num_scenes={'train': 1})
