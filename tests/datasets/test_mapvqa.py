# SPDX-License-Identifier: MIT
"""MapVQA: answers against a recount of the label raster."""

import pickle
import re
from collections import Counter
from collections.abc import Callable
from itertools import chain, product
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
import torch
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.transform import rowcol
from torch.utils.data import DataLoader
from torchgeo.datasets import CDL, stack_samples
from torchgeo.datasets import RasterDataset as Image
from torchgeo.samplers import GriddedPatchSampler, RandomPatchSampler

from torchgeo_vqa.datasets import OSVQA, MapVQA
from torchgeo_vqa.questions import (
    NO_DATA,
    QUESTION_TYPES,
    Legend,
    ObjectLayer,
    Question,
    Questions,
    QuestionType,
    Scene,
)
from torchgeo_vqa.rasters.zones import LabelRaster as LandCover
from torchgeo_vqa.samplers import TileSampler

WEST, NORTH, RES, SIZE = 400_000.0, 5_000_000.0, 10.0, 96
CODES = {1: 'water', 2: 'trees', 4: 'crops', 7: 'built-up land'}
MakeMap = Callable[..., MapVQA]
WriteImage = Callable[..., None]


# --- a made-up map --------------------------------------------------------------------


def draw_codes(rng: np.random.Generator, size: int = SIZE) -> NDArray[np.uint8]:
    """Bands of classes with ragged borders, and a few single pixels."""
    rows, columns = np.mgrid[:size, :size]
    ragged = rows + 0.6 * columns + rng.normal(0, 1.5, (size, size))
    codes = np.array(list(CODES), np.uint8)[(ragged // 24 % 4).astype(int)]
    spots = rng.random((size, size)) < 0.001
    return np.where(spots, 7, codes).astype(np.uint8)


def patch(row: int, column: int, size: int = 48) -> tuple[slice, slice]:
    """Query of a square patch, from the upper left corner of the map."""
    x, y = WEST + column * RES, NORTH - row * RES
    return slice(x, x + size * RES), slice(y - size * RES, y)


def real_questions(dataset: MapVQA, sample: dict[str, Any]) -> list[tuple[str, ...]]:
    ids = sample['question_id'][sample['question_id'] >= 0]
    texts = dataset.question_type, dataset.question_text, dataset.answer_text
    return list(zip(*(text(ids) for text in texts), strict=True))


# --- the oracle: answers from codes alone, in plain numpy -----------------------------


def recount(text: str, codes: NDArray[Any], names: dict[int, str]) -> str:
    """Answer a question about land cover by counting codes.

    Args:
        text: The question, in any wording.
        codes: (H, W) codes of the raster.
        names: Name of each code.

    Returns:
        The answer.
    """
    lower = text.lower()
    told = sorted(
        (found.start(), name)
        for name in set(names.values())
        for found in [re.search(rf'\b{re.escape(name)}\b', text)]
        if found
    )
    mentioned = [name for _, name in told]

    def num(name: str, part: NDArray[Any] = codes) -> int:
        return sum(int((part == c).sum()) for c, n in names.items() if n == name)

    def main(part: NDArray[Any]) -> str:
        return max(sorted(set(names.values())), key=lambda name: num(name, part))

    height, width = codes.shape
    quadrant = re.search(r'(upper|lower) (left|right)', text)
    if quadrant:
        up = (
            slice(0, height // 2)
            if quadrant[1] == 'upper'
            else slice(-(height // 2), None)
        )
        left = (
            slice(0, width // 2)
            if quadrant[2] == 'left'
            else slice(-(width // 2), None)
        )
        return main(codes[up, left])
    if 'rural' in lower:
        return 'urban' if num('built-up land') > 0.2 * codes.size else 'rural'
    if re.search('how many|number of', lower):
        return str(sum(num(name) > 0 for name in set(names.values())))
    if re.search('how much|share', lower):
        share = 100 * num(mentioned[0]) / codes.size
        bins = ((0, 'none'), (25, 'under 25%'), (50, '25% to 50%'), (75, '50% to 75%'))
        return next((b for edge, b in bins if share <= edge), 'over 75%')
    if re.search('border|touch', lower):
        a, b = (
            np.isin(codes, [c for c, n in names.items() if n == name])
            for name in mentioned
        )
        touch = ((a[1:] & b[:-1]) | (a[:-1] & b[1:])).any() or (
            (a[:, 1:] & b[:, :-1]) | (a[:, :-1] & b[:, 1:])
        ).any()
        return 'yes' if touch else 'no'
    if len(mentioned) == 2:
        return max(mentioned, key=num)
    if mentioned:
        return 'yes' if num(mentioned[0]) else 'no'
    return main(codes)


# --- real pairs -----------------------------------------------------------------------

REAL_CODES = {
    1: 'water',
    2: 'trees',
    3: 'flooded vegetation',
    4: 'crops',
    5: 'built-up land',
    6: 'bare ground',
    7: 'snow',
    9: 'rangeland',
}


@pytest.fixture(scope='module')
def terramesh(real_root: Path) -> Path:
    return real_root.parent / 'terramesh'


@pytest.fixture(scope='module')
def real_maps(terramesh: Path) -> dict[Path, MapVQA]:
    """Map of each place, whose UTM zones lie far apart."""
    return {
        path: MapVQA(
            Image([terramesh / 'S2RGB' / path.name]),
            Image([terramesh / 'S1RTC' / path.name]),
            LandCover([path]),
            REAL_CODES,
            ignore=[8],
            urban_classes=['built-up land'],
        )
        for path in sorted((terramesh / 'LULC').iterdir())
    }


def test_answers_equal_a_recount_on_real_maps(real_maps: dict[Path, MapVQA]) -> None:
    num_patches = 0
    asked: Counter[str] = Counter()
    answers: Counter[tuple[str, str]] = Counter()
    for (path, dataset), size in product(real_maps.items(), (24, 33, 48, 64)):
        with rasterio.open(path) as file:
            raster, (left, top) = file.read(1), (file.bounds.left, file.bounds.top)
        sampler = RandomPatchSampler(dataset, size=size, length=84, generator=0)
        for x, y in sampler:
            num_patches += 1
            row, column = round((top - y.stop) / 10), round((x.start - left) / 10)
            codes = raster[row : row + size, column : column + size]
            assert codes.shape == (size, size)
            questions = dataset.questions((x, y))
            assert questions
            for question in questions:
                truth = recount(question.question, codes, REAL_CODES)
                assert question.answer == truth, question
                asked[question.question_type] += 1
                answers[question.question_type, question.answer] += 1
    assert num_patches >= 1000
    assert set(asked) == {
        *('land_cover_presence', 'main_land_cover', 'area_share', 'larger_area'),
        *('land_cover_count', 'rural_urban', 'quadrant_land_cover', 'adjacency'),
    }
    assert min(asked.values()) > 100
    for name in ('land_cover_presence', 'adjacency'):
        assert answers[name, 'yes'] > 50
        assert answers[name, 'no'] > 20


def test_real_sample_holds_the_files_pixels(
    real_maps: dict[Path, MapVQA], terramesh: Path
) -> None:
    for path, dataset in real_maps.items():
        x, y = next(iter(RandomPatchSampler(dataset, size=40, length=1, generator=1)))
        sample = dataset[x, y]
        for modality, folder in {'optical': 'S2RGB', 'sar': 'S1RTC'}.items():
            with rasterio.open(terramesh / folder / path.name) as file:
                row = round((file.bounds.top - y.stop) / 10)
                column = round((x.start - file.bounds.left) / 10)
                window = rasterio.windows.Window(column, row, 40, 40)
                expected = file.read(window=window).astype(np.float32)
            np.testing.assert_array_equal(sample[f'image_{modality}'].numpy(), expected)
        assert sample['nodata'] == 0


def test_zones_far_apart_in_one_map(terramesh: Path) -> None:
    """Three UTM zones on two continents, brought to degrees."""
    degrees = CRS.from_epsg(4326)
    dataset = MapVQA(
        Image(terramesh / 'S2RGB', crs=degrees),
        Image(terramesh / 'S1RTC', crs=degrees),
        LandCover(terramesh / 'LULC', crs=degrees),
        REAL_CODES,
        ignore=[8],
        seed=1,
    )
    assert len(dataset) == 3
    rasters = []
    for path in sorted((terramesh / 'LULC').iterdir()):
        with rasterio.open(path) as file:
            to_file = Transformer.from_crs(4326, file.crs, always_xy=True)
            rasters.append((file.read(1), file.transform, to_file))
    num = off = 0
    # a tile at a time: random points in the whole of it would be at sea
    samplers = [
        RandomPatchSampler(dataset, size=32, length=10, roi=tile, generator=0)
        for tile in dataset.index.geometry
    ]
    for x, y in chain.from_iterable(samplers):
        label = dataset.read((x, y)).scene.label
        known = label != NO_DATA
        assert known.mean() > 0.8  # all but a corner that warping left empty
        xs = x.start + dataset.res[0] * (np.arange(32) + 0.5)
        ys = y.stop - dataset.res[1] * (np.arange(32) + 0.5)
        places = [axis[known] for axis in np.meshgrid(xs, ys)]
        for raster, transform, to_file in rasters:
            projected = np.array(to_file.transform(*places))
            if not np.isfinite(projected).all():
                continue  # on another continent
            rows, columns = rowcol(transform, *projected)
            inside = np.array([rows, columns])
            if not ((inside >= 1) & (inside < 223)).all():
                continue
            found = np.array(list(REAL_CODES))[label[known]]
            # TorchGeo warps by nearest neighbour in two steps: at most a pixel off
            around = [
                raster[rows + r, columns + c] for r, c in product((-1, 0, 1), repeat=2)
            ]
            assert (np.array(around) == found).any(axis=0).all()
            off += int((raster[rows, columns] != found).sum())
            num += found.size
    assert num > 20 * 32 * 32
    assert off < 0.1 * num


# --- samples --------------------------------------------------------------------------


def test_a_sample_is_laid_out_as_in_osvqa(
    make_map: MakeMap, release_root: Path
) -> None:
    dataset = make_map(questions_per_sample=12)
    sample, other = dataset[patch(0, 0)], OSVQA(release_root)
    expected = other[next(iter(TileSampler(other)))]
    assert set(sample) == set(expected) - {'group'} | {'nodata'}
    for key in set(sample) - {'nodata'}:
        assert sample[key].dtype == expected[key].dtype, key
        assert sample[key].ndim == expected[key].ndim, key
    assert sample['question'].shape == (12, 77)
    assert sample['image_sar'].shape == (2, 48, 48)
    assert sample['transform'][:6].tolist() == [10, 0, WEST, 0, -10, NORTH]
    real = sample['question_id'] >= 0
    assert 5 < real.sum() <= 12
    for key in ('question_type', 'label'):
        assert (sample[key][~real] == -1).all()
    assert not sample['question'][~real].any()


def test_a_sample_holds_its_questions(
    make_map: MakeMap, codes: NDArray[np.uint8]
) -> None:
    from open_clip import tokenize

    dataset = make_map(urban_classes=['built-up land'])
    for corner in ((0, 0), (7, 31), (48, 48)):
        sample, questions = dataset[patch(*corner)], dataset.questions(patch(*corner))
        expected = [question[:3] for question in questions]
        assert real_questions(dataset, sample) == expected
        assert torch.equal(
            sample['question'][: len(questions)],
            tokenize([question.question for question in questions]).long(),
        )
        labels = sample['label'][: len(questions)].tolist()
        assert [dataset.answers[label] for label in labels] == [q[2] for q in expected]
        kinds = sample['question_type'][: len(questions)].tolist()
        assert [dataset.question_types[kind] for kind in kinds] == [
            q[0] for q in expected
        ]
        ids = sample['question_id'][: len(questions)]
        x, y = patch(*corner)
        assert set(dataset.location(ids)) == {f'{x.start:.2f} {y.stop:.2f}'}
        pool = {(q.question_type, q.canonical, q.answer) for q in questions}
        candidates = {q[:3] for q in dataset.candidates(patch(*corner))}
        assert pool <= candidates
        row, column = corner
        part = codes[row : row + 48, column : column + 48]
        for question in dataset.candidates(patch(*corner)):
            assert question.answer == recount(question.question, part, CODES)


def test_wordings_vary(make_map: MakeMap) -> None:
    dataset = make_map()
    questions = [q for row in range(40) for q in dataset.questions(patch(row, row))]
    which = Counter(q.wordings.index(q.question) for q in questions)
    assert set(which) == {0, 1, 2}
    assert min(which.values()) > len(questions) / 5


def test_seed_and_patch_alone_decide(make_map: MakeMap) -> None:
    a, b, other = make_map(), make_map(), make_map(seed=1)
    for corner in ((0, 0), (3, 20)):
        sample = a[patch(*corner)]
        for again in (b, pickle.loads(pickle.dumps(a))):
            assert all(
                torch.equal(sample[k], v) for k, v in again[patch(*corner)].items()
            )
        assert not torch.equal(
            sample['question_id'], other[patch(*corner)]['question_id']
        )
    # neither time nor what was asked before matters
    x, y = patch(0, 0)
    complete = (slice(x.start, x.stop, RES), slice(y.start, y.stop, RES), a.bounds[2])
    assert a.questions((x, y)) == a.questions(complete)


def test_workers_give_the_same(make_map: MakeMap) -> None:
    dataset = make_map()
    batches = []
    for num_workers in (0, 2):
        sampler = RandomPatchSampler(dataset, size=32, length=6, generator=0)
        loader = DataLoader(
            dataset,
            batch_size=3,
            sampler=sampler,
            num_workers=num_workers,
            collate_fn=stack_samples,
        )
        batches.append(list(loader))
    for one, two in zip(*batches, strict=True):
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one)
    # texts come back in the process that made none of these samples
    ids = batches[1][0]['question_id']
    assert all(text.endswith('?') for text in dataset.question_text(ids[ids >= 0]))


@pytest.mark.parametrize('sampler', [GriddedPatchSampler, RandomPatchSampler])
def test_samplers(make_map: MakeMap, sampler: Any) -> None:
    dataset = make_map()
    for query in sampler(dataset, size=32):
        assert (dataset[query]['question_id'] >= 0).any()
    (tile,) = TileSampler(dataset)
    assert dataset[tile]['image_sar'].shape == (2, SIZE, SIZE)


@pytest.mark.parametrize('modality', ['optical', 'sar'])
def test_one_modality(make_map: MakeMap, modality: str) -> None:
    dataset = make_map(modalities=(modality,))
    sample = dataset[patch(0, 0)]
    images = {key for key in sample if key.startswith('image')}
    assert images == {f'image_{modality}'}
    assert dataset.modalities == (modality,)


def test_answers_are_fixed_before_any_patch(make_map: MakeMap) -> None:
    dataset = make_map()
    assert {*CODES.values(), 'yes', 'no', 'none', 'over 75%', '1', '4'} <= set(
        dataset.answers
    )
    full = dataset[patch(0, 0)]
    dataset.set_answers(['no', 'yes'])
    sample = dataset[patch(0, 0)]
    assert torch.equal(sample['question_id'], full['question_id'])
    words = [('no', 'yes', None)[i] for i in sample['label'] if i >= 0]
    truth = dataset.answer_text(sample['question_id'][sample['question_id'] >= 0])
    assert words == [w if w in ('yes', 'no') else None for w in truth]
    with pytest.raises(ValueError, match='all different'):
        dataset.set_answers(['no', 'no'])


def test_question_types(make_map: MakeMap) -> None:
    names = ('adjacency', 'area_share')
    dataset = make_map(question_types=names)
    assert dataset.question_types == names
    questions = [q for i in range(4) for q in dataset.questions(patch(0, 0, 20 + i))]
    assert {q.question_type for q in questions} == set(names)


def test_same_name_is_one_class(make_map: MakeMap, codes: NDArray[np.uint8]) -> None:
    names = {1: 'water', 2: 'green', 4: 'green', 7: 'built-up land'}
    dataset = make_map(classes=names)
    assert dataset.legend.class_names == ('water', 'green', 'built-up land')
    for question in dataset.candidates(patch(0, 0)):
        assert question.answer == recount(question.question, codes[:48, :48], names)


def test_balance_weakens_guessing(make_map: MakeMap) -> None:
    dataset = make_map(questions_per_sample=16)

    def blind() -> float:
        """Accuracy of answering each text as most often."""
        counts: dict[tuple[str, str], Counter[str]] = {}
        for query in RandomPatchSampler(dataset, size=32, length=60, generator=1):
            for q in dataset.questions(query):
                key = q.question_type, q.canonical
                counts.setdefault(key, Counter())[q.answer] += 1
        right = sum(max(answers.values()) for answers in counts.values())
        return right / sum(sum(answers.values()) for answers in counts.values())

    before = blind()
    sampler = RandomPatchSampler(dataset, size=32, length=60, generator=2)
    dataset.measure(sampler)
    assert blind() < before - 0.1


def test_blind_answers_come_from_measured_patches(make_map: MakeMap) -> None:
    dataset = make_map(question_types=['main_land_cover'])
    ids = np.arange(len(dataset.table))
    with pytest.raises(RuntimeError, match='call `measure`'):
        dataset.blind_labels(ids)
    queries = [patch(8 * i, 8 * j, 16) for i in range(9) for j in range(9)]
    dataset.measure(queries)
    asked = Counter(q.answer for query in queries for q in dataset.questions(query))
    (label,) = set(dataset.blind_labels(ids).tolist())
    most = dataset.answers[label]
    assert asked[most] == max(asked.values())
    dataset.set_answers([*(a for a in dataset.answers if a != most), most])
    assert set(dataset.blind_labels(ids).tolist()) == {3}
    dataset.measure([])  # nothing is known of training: the first answer
    assert set(dataset.blind_labels(ids).tolist()) == {0}
    assert dataset.coverage == 0


def test_a_type_of_ones_own(make_map: MakeMap) -> None:
    class Shore(QuestionType):
        name = 'shore'
        templates = (('Is this a shore?',),)
        truth = 'yes'

        def possible(self, legend: Legend) -> Questions:
            if 'water' in legend.class_names:
                yield self.ask('yes')

        def candidates(self, scene: Scene) -> Questions:
            yield self.ask(self.truth, scene.whole)

    try:
        dataset = make_map(question_types=['shore'])
        assert real_questions(dataset, dataset[patch(0, 0)]) == [
            ('shore', 'Is this a shore?', 'yes')
        ]
        Shore.truth = 'no'
        with pytest.raises(ValueError, match="'no', which its `possible` does not"):
            dataset[patch(0, 0)]
    finally:
        del QUESTION_TYPES['shore']


def test_plot(make_map: MakeMap) -> None:
    dataset = make_map()
    sample = dataset[patch(0, 0)]
    sample['prediction'] = torch.zeros_like(sample['label'])
    texts = [text.get_text() for text in dataset.plot(sample).texts]
    first = real_questions(dataset, sample)[0]
    assert texts[0].startswith(f'{first[1][:20]}')
    assert any('predicted: ' in text for text in texts)


# --- other CRSs and resolutions -------------------------------------------------------


@pytest.mark.parametrize('res', [5.0, 20.0, 30.0])
def test_labels_of_another_resolution(make_map: MakeMap, res: float) -> None:
    size = int(SIZE * RES / res)
    labels = draw_codes(np.random.default_rng(1), size)
    dataset = make_map(labels, res=res)
    for row, column in ((0, 0), (5, 11), (40, 47)):
        rows = ((row + 0.5 + np.arange(48)) * RES // res).astype(int)
        columns = ((column + 0.5 + np.arange(48)) * RES // res).astype(int)
        part = labels[rows][:, columns]
        label = dataset.read(patch(row, column)).scene.label
        np.testing.assert_array_equal(np.array(list(CODES))[label], part)
        for question in dataset.questions(patch(row, column)):
            assert question.answer == recount(question.question, part, CODES)


def test_warped_corners_are_no_data(make_map: MakeMap) -> None:
    # 0 is a class, and what TorchGeo fills the corners with
    labels = np.zeros((SIZE, SIZE), np.uint8)
    dataset = make_map(
        labels, classes=['sea', 'land'], image_crs=CRS.from_epsg(3035), max_nodata=1
    )
    (tile,) = TileSampler(dataset)
    scene = dataset.read(tile).scene
    corners = scene.label[[0, 0, -1, -1], [0, -1, 0, -1]]
    middle = scene.label[SIZE // 3 : SIZE // 2, SIZE // 3 : SIZE // 2]
    assert (corners == NO_DATA).all()
    assert (middle == 0).all()
    # nothing is there but sea, yet nobody knows that there is no land
    texts = {q[1:3] for q in dataset.candidates(tile)}
    assert ('Is there any sea?', 'yes') in texts
    assert ('Is there any land?', 'no') not in texts


def test_beyond_the_map_is_no_data(make_map: MakeMap) -> None:
    # TorchGeo fills with 0, which is a class here, and the images go on
    labels = np.zeros((SIZE, SIZE - 6), np.uint8)
    dataset = make_map(labels, classes=['sea', 'land'], max_nodata=1)
    label = dataset.read(patch(0, 48)).scene.label
    assert (label[:, :42] == 0).all()
    assert (label[:, 42:] == NO_DATA).all()


def test_crs_and_res_can_change(make_map: MakeMap) -> None:
    dataset = make_map()
    dataset.res = 20
    assert dataset[patch(0, 0)]['image_sar'].shape == (2, 24, 24)
    dataset.crs = CRS.from_epsg(3857)
    x, y, _ = dataset.bounds
    x, y = (slice(a.start + 200, a.start + 800) for a in (x, y))
    sample = dataset[x, y]
    ids = sample['question_id'][sample['question_id'] >= 0]
    assert len(ids)
    east, north = map(float, dataset.location(ids)[0].split())
    assert abs(east - x.start) <= 10
    assert abs(north - y.stop) <= 10


# --- no data --------------------------------------------------------------------------


class TestNoData:
    def with_hole(self, codes: NDArray[np.uint8], value: int) -> NDArray[np.uint8]:
        hole = codes.copy()
        hole[:12, :20] = value
        return hole

    @pytest.mark.parametrize('way', ['ignore', 'nodata', 'both'])
    def test_hole(self, make_map: MakeMap, codes: NDArray[np.uint8], way: str) -> None:
        arguments: dict[str, Any] = {}
        if way in ('ignore', 'both'):
            arguments['ignore'] = [9]
        if way in ('nodata', 'both'):
            arguments['nodata'] = 9
        dataset = make_map(self.with_hole(codes, 9), max_nodata=0.2, **arguments)
        sample = dataset[patch(0, 0)]
        assert sample['nodata'] == pytest.approx(240 / 48**2)
        questions = dataset.candidates(patch(0, 0))
        assert questions
        # whatever is in the hole, in truth or not
        for code in (*CODES, None):
            part = codes[:48, :48].copy()
            if code is not None:
                part[:12, :20] = code
            for question in questions:
                truth = recount(question.question, part, CODES)
                assert question.answer == truth, (code, question)

    def test_too_much_of_it(self, make_map: MakeMap, codes: NDArray[np.uint8]) -> None:
        dataset = make_map(self.with_hole(codes, 9), ignore=[9])
        sample = dataset[patch(0, 0)]
        assert sample['nodata'] > 0.1
        assert (sample['question_id'] == -1).all()
        assert (sample['label'] == -1).all()
        assert dataset.questions(patch(0, 0)) == dataset.candidates(patch(0, 0)) == []
        assert dataset.questions(patch(20, 20))
        # it stacks with others, and a model skips its questions
        batch = stack_samples([sample, dataset[patch(20, 20)]])
        assert batch['question_id'].shape == (2, 32)

    def test_known_area_keeps_a_sampler_away(
        self, make_map: MakeMap, codes: NDArray[np.uint8]
    ) -> None:
        dataset = make_map(self.with_hole(codes, 9), ignore=[9])
        area = dataset.known_area()
        assert area.area == pytest.approx((SIZE**2 - 240) * RES**2)
        for query in RandomPatchSampler(
            dataset, size=16, length=60, roi=area, generator=0
        ):
            assert dataset[query]['nodata'] == 0

    @pytest.mark.parametrize('modality', ['optical', 'sar'])
    def test_image_without_data(
        self, make_map: MakeMap, tmp_path: Path, write_image: WriteImage, modality: str
    ) -> None:
        dataset = make_map()
        (path,) = (tmp_path / modality).iterdir()
        with rasterio.open(path) as file:
            image = file.read()
        nodata = 0 if modality == 'optical' else np.nan
        image[:, :10, :10] = nodata
        write_image(path, image, WEST, NORTH, nodata=nodata)
        # another object: files are opened once
        rest = {m: Image(tmp_path / m) for m in ('optical', 'sar')}
        from torchgeo_vqa.rasters import coverage

        coverage._coverage.cache_clear()
        dataset = MapVQA(
            rest['optical'], rest['sar'], LandCover(tmp_path / 'labels'), CODES
        )
        assert dataset[patch(0, 0)]['nodata'] == pytest.approx(100 / 48**2)
        assert (dataset.read(patch(0, 0)).scene.label[:10, :10] == NO_DATA).all()

    def test_beyond_the_edge(self, make_map: MakeMap) -> None:
        sample = make_map()[patch(-4, 0)]
        assert sample['nodata'] == pytest.approx(4 / 48)

    def test_floating_point_labels(
        self, make_map: MakeMap, codes: NDArray[np.uint8]
    ) -> None:
        class FloatCover(LandCover):
            dtype = torch.float64  # type: ignore[assignment]
            resampling = rasterio.enums.Resampling.nearest  # type: ignore[assignment]

        labels = codes.astype(np.float32)
        labels[:10, :10] = np.nan
        dataset = make_map(labels, labels_class=FloatCover)
        assert dataset[patch(0, 0)]['nodata'] == pytest.approx(100 / 48**2)
        assert dataset.candidates(patch(0, 0))


# --- objects and quality --------------------------------------------------------------


def box(row: float, column: float, height: float, width: float) -> shapely.Polygon:
    """Outline on the map, in pixels from its upper left corner."""
    x, y = WEST + column * RES, NORTH - row * RES
    return shapely.box(x, y - height * RES, x + width * RES, y)


@pytest.fixture
def objects() -> gpd.GeoDataFrame:
    tank = shapely.Point(WEST + 30.5 * RES, NORTH - 10.5 * RES)
    return gpd.GeoDataFrame(
        {'class': ['ship', 'ship', 'ship', 'tank', 'crane']},
        geometry=[
            box(2, 3, 4, 6),
            box(20, 20, 4, 4),
            box(40, 46, 4, 6),
            tank,
            box(60, 60, 2, 2),
        ],
        crs='EPSG:32633',
    )


class TestObjects:
    def test_boxes_are_in_pixels(
        self, make_map: MakeMap, objects: gpd.GeoDataFrame
    ) -> None:
        scene = make_map(objects=objects).read(patch(1, 2)).scene
        found = {
            (o.category, *np.round([o.top, o.left, o.bottom, o.right], 6))
            for o in scene.objects
        }
        assert found == {
            ('ship', 1, 1, 5, 7),
            ('ship', 19, 18, 23, 22),
            ('tank', 9, 28, 10, 29),
        }
        assert scene.categories == ('crane', 'ship', 'tank')
        # the edge cuts the third ship
        assert scene.partial == {'ship'}

    def test_answers(self, make_map: MakeMap, objects: gpd.GeoDataFrame) -> None:
        dataset = make_map(objects=objects)
        whole = {q[1]: q[2] for q in dataset.candidates(patch(0, 0, 96))}
        assert whole['How many ships are there?'] == '3'
        assert whole['In which quadrant is the tank?'] == 'upper left'
        assert whole['Is the crane below the tank?'] == 'yes'
        assert whole['Are there more ships or tanks?'] == 'ships'
        cut = {q[1]: q[2] for q in dataset.candidates(patch(1, 2))}
        assert cut['Is there a ship?'] == 'yes'
        assert cut['Is there a crane?'] == 'no'
        assert 'How many ships are there?' not in cut
        below = {q[1]: q[2] for q in dataset.candidates(patch(30, 0))}
        assert 'Is there a ship?' not in below

    def test_categories(self, make_map: MakeMap, objects: gpd.GeoDataFrame) -> None:
        dataset = make_map(objects=ObjectLayer(objects, categories=['ship', 'whale']))
        answers = {q[1]: q[2] for q in dataset.candidates(patch(0, 0, 96))}
        assert answers['Is there a whale?'] == 'no'
        assert not any('crane' in text for text in answers)


class TestQuality:
    def make(
        self, make_map: MakeMap, tmp_path: Path, write_image: WriteImage, mask: Any
    ) -> MapVQA:
        write_image(tmp_path / 'quality/a.tif', mask[None], WEST, NORTH, nodata=255)
        return make_map(quality=LandCover(tmp_path / 'quality'))

    def test_answers(
        self, make_map: MakeMap, tmp_path: Path, write_image: WriteImage
    ) -> None:
        mask = np.zeros((SIZE, SIZE), np.uint8)
        mask[:24] = 1
        mask[95, 95] = 255
        dataset = self.make(make_map, tmp_path, write_image, mask)
        answers = {q[1]: q[2] for q in dataset.candidates(patch(0, 0))}
        assert answers['What degrades the optical image?'] == 'clouds'
        reliable = 'Which image is more reliable in the {}, optical or SAR?'
        assert answers[reliable.format('upper left')] == 'SAR'
        assert answers[reliable.format('lower left')] == 'optical'
        below = {q[1]: q[2] for q in dataset.candidates(patch(40, 0))}
        assert below['What degrades the optical image?'] == 'nothing'
        # not known everywhere
        types = {q.question_type for q in dataset.candidates(patch(48, 48))}
        assert 'modality_quality' not in types

    def test_unknown_code(
        self, make_map: MakeMap, tmp_path: Path, write_image: WriteImage
    ) -> None:
        mask = np.full((SIZE, SIZE), 3, np.uint8)
        dataset = self.make(make_map, tmp_path, write_image, mask)
        with pytest.raises(ValueError, match=r'quality: .* code 3, which has no name'):
            dataset[patch(0, 0)]


# --- maps that TorchGeo knows ---------------------------------------------------------


def test_cdl(make_map: MakeMap, tmp_path: Path, write_image: WriteImage) -> None:
    make_map()
    rng = np.random.default_rng(0)
    raw = np.repeat(np.repeat(rng.choice([1, 5, 111], (4, 4)), 10, 0), 10, 1)
    raw[0, 0] = 0
    path = tmp_path / 'cdl/2023_30m_cdls.tif'
    write_image(path, raw[None].astype(np.uint8), WEST, NORTH, res=30.0, nodata=0)
    # CDL gives ordinal numbers
    cdl = CDL(tmp_path / 'cdl', classes=[0, 1, 5, 111], checksum=False)
    names = {1: 'corn', 2: 'soybeans', 3: 'water'}
    sar = Image(tmp_path / 'sar')
    dataset = MapVQA(None, sar, cdl, names)
    questions: list[Question] = dataset.candidates(patch(6, 0, 60))
    part = np.repeat(np.repeat(raw[2:22, :20], 3, 0), 3, 1)
    for question in questions:
        truth = recount(
            question.question, part, {1: 'corn', 5: 'soybeans', 111: 'water'}
        )
        assert question.answer == truth
    assert len(questions) > 5
    assert dataset[patch(0, 0)]['nodata'] == pytest.approx(9 / 48**2)


def test_worldcover_like_tiles(
    make_map: MakeMap, tmp_path: Path, write_image: WriteImage
) -> None:
    """Four tiles in degrees, sparse codes, no-data 0, finer than the images."""
    make_map()
    to_degrees = Transformer.from_crs(32633, 4326, always_xy=True)
    west, north = to_degrees.transform(WEST - 200, NORTH + 200)
    step, n = 1 / 12000, 120
    rng = np.random.default_rng(0)
    coarse = rng.choice([10, 40, 50, 80], (10, 10))
    codes = np.repeat(np.repeat(coarse, 24, 0), 24, 1).astype(np.uint8)
    for i, j in product(range(2), repeat=2):
        tile = codes[i * n : (i + 1) * n, j * n : (j + 1) * n]
        write_image(
            tmp_path / f'cover/{i}{j}.tif',
            tile[None],
            west + j * n * step,
            north - i * n * step,
            crs='EPSG:4326',
            res=step,
            nodata=0,
        )
    names = {10: 'trees', 40: 'crops', 50: 'built-up land', 80: 'water'}
    optical, sar = (Image(tmp_path / m) for m in ('optical', 'sar'))
    dataset = MapVQA(optical, sar, LandCover(tmp_path / 'cover'), names)
    off = 0
    for row, column in ((0, 0), (20, 9), (48, 48)):
        label = dataset.read(patch(row, column)).scene.label
        xs = WEST + (column + 0.5 + np.arange(48)) * RES
        ys = NORTH - (row + 0.5 + np.arange(48)) * RES
        lon, lat = to_degrees.transform(*np.meshgrid(xs, ys))
        r, c = ((north - lat) / step).astype(int), ((lon - west) / step).astype(int)
        expected = np.searchsorted([10, 40, 50, 80], codes[r, c])
        # warped in two steps, a pixel between two tiles may have nothing in it
        known = label != NO_DATA
        assert known.mean() > 0.95
        off += int((label != expected)[known].sum())
    assert off < 0.1 * 3 * 48**2
