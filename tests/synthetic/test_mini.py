# SPDX-License-Identifier: MIT
"""The embedded sample: what is written, that it is true, balanced and always the same."""

import hashlib
import json
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.coords import BoundingBox, disjoint_bounds

from torchgeo_vqa.questions import Question, answer, candidates, draw_balanced
from torchgeo_vqa.sample import SPLITS
from torchgeo_vqa.synthetic import mini
from torchgeo_vqa.synthetic.mini import TYPES, draw_scene, generate, scene_of

NUM_SCENES = {'train': 24, 'val': 6, 'test': 10}

# Digest of the pixels and questions of NUM_SCENES with seed 0. It changes only together
# with VERSION: a user's cached sample must be what the same version makes today. It is
# taken of decoded pixels, since GDAL's compression may differ between its versions.
VERSION, DIGEST = 1, '7907e5f74a61749025a5d81089d3966dacd330fd2f47e4cfcda5437a4bfde67b'

type Rows = list[list[str]]


@pytest.fixture(scope='session')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('mini') / 'sample'
    generate(root, num_scenes=NUM_SCENES, num_workers=1, progress=False)
    return root


@pytest.fixture(scope='session')
def drawn() -> dict[str, list[Question]]:
    """Questions of a sample too large to render here."""
    found = {}
    for split, number in {'train': 500, 'test': 250}.items():
        pools = [candidates(scene_of(f'{split}_{i:05d}'), TYPES) for i in range(number)]
        kept = draw_balanced(pools, np.random.default_rng(0))
        found[split] = [q for questions in kept for q in questions]
    return found


def questions(root: Path, split: str) -> Rows:
    path = root / f'annotations/all_{split}_annotation.json'
    rows: Rows = json.loads(path.read_text())
    return rows


def files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


def digest(root: Path) -> str:
    sha = hashlib.sha256()
    for path in sorted(root.rglob('*.*')):
        if path.suffix == '.tif':
            with rasterio.open(path) as file:
                sha.update(file.read().tobytes())
        else:
            sha.update(path.read_bytes())
    return sha.hexdigest()


class TestFiles:
    def test_release_layout(self, root: Path) -> None:
        names = [f'{s}_{i:05d}' for s in SPLITS for i in range(NUM_SCENES[s])]
        expected = {f'images/{kind}/{n}.tif' for kind in ('rgb', 'sar') for n in names}
        expected |= {f'annotations/all_{split}_annotation.json' for split in SPLITS}
        expected |= {'annotations/image_groups.json', 'manifest.json'}
        assert set(files(root)) == expected

    def test_images(self, root: Path) -> None:
        for split in SPLITS:
            with rasterio.open(root / f'images/rgb/{split}_00003.tif') as file:
                optical, profile, bounds = file.read(), file.profile, file.bounds
            with rasterio.open(root / f'images/sar/{split}_00003.tif') as file:
                sar = file.read()
                assert file.crs == profile['crs']
                assert file.bounds == bounds
            assert profile['crs'].is_projected
            assert profile['transform'].a == 10
            assert (optical.shape, optical.dtype) == ((3, 64, 64), np.uint8)
            assert (sar.shape, sar.dtype) == ((2, 64, 64), np.float32)
            _, expected_optical, expected_sar = draw_scene(f'{split}_00003')
            np.testing.assert_array_equal(optical, expected_optical)
            np.testing.assert_array_equal(sar, expected_sar)

    def test_no_two_scenes_touch(self, root: Path) -> None:
        bounds: list[BoundingBox] = []
        for path in sorted((root / 'images/rgb').iterdir()):
            with rasterio.open(path) as file:
                box = file.bounds
            bounds.append(BoundingBox(*np.add(box, (-50, -50, 50, 50))))
        assert len(bounds) == sum(NUM_SCENES.values())
        assert all(disjoint_bounds(a, b) for a, b in combinations(bounds, 2))

    def test_splits_share_no_scene(self, root: Path) -> None:
        pixels: dict[str, set[bytes]] = defaultdict(set)
        for path in sorted((root / 'images/sar').iterdir()):
            with rasterio.open(path) as file:
                pixels[path.name.split('_')[0]].add(file.read().tobytes())
        for a, b in combinations(SPLITS, 2):
            assert not pixels[a] & pixels[b]
            assert not {r[0] for r in questions(root, a)} & {
                r[0] for r in questions(root, b)
            }
        assert {split: len(pixels[split]) for split in SPLITS} == NUM_SCENES

    def test_groups(self, root: Path) -> None:
        groups = json.loads((root / 'annotations/image_groups.json').read_text())
        assert len(groups) == sum(NUM_SCENES.values())
        assert {n: scene_of(n).condition for n in groups} == groups


def test_every_written_answer_is_true(root: Path) -> None:
    for split in SPLITS:
        rows = questions(root, split)
        assert len(rows) > 5 * NUM_SCENES[split]
        scenes = {name: scene_of(name) for name, *_ in rows}
        for name, question_type, question, truth in rows:
            assert answer(question_type, question, scenes[name]) == truth


class TestAlwaysTheSame:
    def test_any_number_of_workers_writes_the_same_bytes(
        self, root: Path, tmp_path: Path
    ) -> None:
        generate(tmp_path / 'b', num_scenes=NUM_SCENES, num_workers=2, progress=False)
        assert files(tmp_path / 'b') == files(root)

    def test_a_scene_does_not_depend_on_how_many_there_are(
        self, root: Path, tmp_path: Path
    ) -> None:
        generate(tmp_path / 'b', num_scenes={'test': 2}, num_workers=1, progress=False)
        few, many = files(tmp_path / 'b'), files(root)
        images = [name for name in few if name.endswith('.tif')]
        assert len(images) == 4
        assert all(few[name] == many[name] for name in images)

    def test_another_seed_gives_another_sample(self) -> None:
        (a, *_), (b, *_) = draw_scene('val_00000'), draw_scene('val_00000', seed=1)
        assert (a.label != b.label).any()

    def test_digest(self, root: Path) -> None:
        assert mini.VERSION == VERSION
        assert digest(root) == DIGEST


class TestBalance:
    def test_no_type_can_be_answered_blind(
        self, drawn: dict[str, list[Question]]
    ) -> None:
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for q in drawn['train']:
            counts[q.question][q.answer] += 1
        right: dict[str, list[bool]] = defaultdict(list)
        for q in drawn['test']:
            guess = counts[q.question].most_common(1)
            right[q.question_type].append(bool(guess) and guess[0][0] == q.answer)
        accuracy = {name: np.mean(hits) for name, hits in right.items()}
        assert set(accuracy) == set(TYPES)
        assert max(accuracy.values()) <= 0.62, accuracy
        assert 0.35 < np.mean([hit for hits in right.values() for hit in hits]) < 0.5

    def test_every_type_is_asked_often(self, drawn: dict[str, list[Question]]) -> None:
        asked = Counter(q.question_type for q in drawn['train'])
        assert set(asked) == set(TYPES)
        assert len(TYPES) == 16
        assert min(asked.values()) >= 0.3 * 500
        assert len(drawn['train']) >= 25 * 500


class TestGenerateErrors:
    def test_existing_folder(self, root: Path) -> None:
        with pytest.raises(FileExistsError, match=str(root)):
            generate(root)

    @pytest.mark.parametrize(
        ('options', 'message'),
        [
            ({'num_scenes': {'training': 3}}, 'training'),
            ({'num_scenes': {'train': -1}}, '-1'),
            ({'num_scenes': {'train': 10**6}}, '1000000'),
            ({'size': 63}, '63'),
            ({'size': 16}, '16'),
        ],
    )
    def test_impossible(
        self, tmp_path: Path, options: dict[str, object], message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            generate(tmp_path / 'a', **options)  # type: ignore[arg-type]

    def test_an_interrupted_run_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(*args: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(mini, 'render_sar', interrupt)
        with pytest.raises(KeyboardInterrupt):
            generate(tmp_path / 'a', num_scenes={'val': 1}, progress=False)
        assert list(tmp_path.iterdir()) == []

    def test_permissions(self, root: Path) -> None:
        """A dataset folder is as open as any other."""
        (root.parent / 'other').mkdir()
        assert root.stat().st_mode == (root.parent / 'other').stat().st_mode

    @pytest.mark.parametrize('name', ['rgb_00001', 'train', 'train_one'])
    def test_unknown_name(self, name: str) -> None:
        with pytest.raises(ValueError, match=name):
            scene_of(name)


class TestTwoWriters:
    """Another process writes the folder while this one does."""

    def write(self, root: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
        """Let the other be faster: it ends while the first scene is drawn here."""
        draw = mini.draw_scene

        def late(*args: Any) -> Any:
            monkeypatch.undo()
            generate(root, seed, num_scenes={'val': 1}, progress=False)
            return draw(*args)

        monkeypatch.setattr(mini, 'draw_scene', late)
        generate(root, num_scenes={'val': 1}, progress=False)

    def test_the_same(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.write(tmp_path / 'a', monkeypatch, seed=0)
        assert mini.holds(tmp_path / 'a', mini.manifest(0, 64, {'val': 1}))
        assert len(files(tmp_path / 'a')) == 5
        assert [path.name for path in tmp_path.iterdir()] == ['a']

    def test_another(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(FileExistsError, match='a exists; remove it'):
            self.write(tmp_path / 'a', monkeypatch, seed=1)
        assert mini.holds(tmp_path / 'a', mini.manifest(1, 64, {'val': 1}))
        assert [path.name for path in tmp_path.iterdir()] == ['a']
