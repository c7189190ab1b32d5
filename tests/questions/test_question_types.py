# SPDX-License-Identifier: MIT
"""Question types: every answer against a slow re-derivation from the text alone."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest

from torchgeo_vqa.questions import (
    NO_DATA,
    QUADRANTS,
    QUESTION_TYPES,
    Legend,
    Question,
    Questions,
    QuestionType,
    Scene,
    SceneObject,
    Window,
    answer,
    candidates,
    possible,
)
from torchgeo_vqa.synthetic.landscape import make_scene
from torchgeo_vqa.transforms.directions import rewrite

SIXTEEN = {
    *('land_cover_presence', 'main_land_cover', 'area_share', 'larger_area'),
    *('land_cover_count', 'rural_urban', 'quadrant_land_cover', 'object_quadrant'),
    *('object_relation', 'object_surroundings', 'object_presence', 'object_count'),
    *('more_frequent', 'adjacency', 'objects_near_land_cover', 'modality_quality'),
}


@pytest.fixture(scope='module')
def scenes() -> list[Scene]:
    return [make_scene(np.random.default_rng([7, i])) for i in range(100)]


# The oracle: one rule per wording, in plain counting, sharing nothing with the package.


def pixels(scene: Scene) -> list[tuple[int, int, str]]:
    return [
        (r, c, scene.class_names[scene.label[r, c]])
        for r, c in product(*map(range, scene.label.shape))
    ]


def corner(row: float, column: float, scene: Scene) -> str:
    height, width = scene.label.shape
    vertical = 'upper' if row < height / 2 else 'lower'
    return f'{vertical} {"left" if column < width / 2 else "right"}'


def the(category: str, scene: Scene) -> SceneObject:
    (obj,) = (o for o in scene.objects if o.category == category)
    return obj


def middle(obj: SceneObject) -> tuple[float, float]:
    return (obj.top + obj.bottom) / 2, (obj.left + obj.right) / 2


def singular(categories: str, scene: Scene) -> str:
    (category,) = (k for k in scene.categories if f'{k}s' == categories)
    return category


def areas(scene: Scene) -> Counter[str]:
    return Counter(name for _, _, name in pixels(scene))


def count(category: str, scene: Scene) -> int:
    return sum(o.category == category for o in scene.objects)


def box_distance(obj: SceneObject, row: int, column: int) -> float:
    """How many pixels the box must grow to hold a pixel."""
    rows = max(obj.top - row, row + 1 - obj.bottom, 0)
    return max(rows, obj.left - column, column + 1 - obj.right)


def share_of_area(scene: Scene, name: str) -> str:
    share = 100 * areas(scene)[name] / scene.label.size
    if share == 0:
        return 'none'
    for edge, text in ((25, 'under 25%'), (50, '25% to 50%'), (75, '50% to 75%')):
        if share < edge:
            return text
    return 'over 75%'


def side(scene: Scene, a: str, b: str) -> str:
    (row, column), (other_row, other_column) = (
        middle(the(a, scene)),
        middle(the(b, scene)),
    )
    down, right = row - other_row, column - other_column
    if abs(right) > abs(down):
        return 'left' if right < 0 else 'right'
    return 'above' if down < 0 else 'below'


def is_beside(scene: Scene, a: str, direction: str, b: str) -> str:
    (row, column), (other_row, other_column) = (
        middle(the(a, scene)),
        middle(the(b, scene)),
    )
    truth = {
        'left of': column < other_column,
        'right of': column > other_column,
        'above': row < other_row,
        'below': row > other_row,
    }
    return 'yes' if truth[direction] else 'no'


def surroundings(scene: Scene, category: str) -> str:
    obj = the(category, scene)
    ring = Counter(n for r, c, n in pixels(scene) if 0 < box_distance(obj, r, c) <= 4)
    return ring.most_common(1)[0][0]


def borders(scene: Scene, a: str, b: str) -> str:
    where = {(r, c): name for r, c, name in pixels(scene)}
    for (r, c), name in where.items():
        for neighbour in ((r + 1, c), (r, c + 1)):
            if {name, where.get(neighbour)} == {a, b}:
                return 'yes'
    return 'no'


def near(scene: Scene, category: str, name: str) -> str:
    objects = [o for o in scene.objects if o.category == category]
    spots = [(r, c) for r, c, n in pixels(scene) if n == name]
    distance = min(box_distance(o, r, c) for o in objects for r, c in spots)
    assert distance <= 4 or distance > 9
    return 'yes' if distance <= 4 else 'no'


def degraded(scene: Scene) -> str:
    assert scene.quality is not None
    return ('nothing', 'clouds', 'darkness')[max(map(int, scene.quality.ravel()))]


def reliable(scene: Scene, quadrant: str) -> str:
    assert scene.quality is not None
    inside = [
        bool(scene.quality[r, c])
        for r, c in product(*map(range, scene.label.shape))
        if corner(r + 0.5, c + 0.5, scene) == quadrant
    ]
    share = sum(inside) / len(inside)
    assert share <= 0.1 or share >= 0.6
    return 'SAR' if share > 0.5 else 'optical'


def yes(truth: bool) -> str:
    return 'yes' if truth else 'no'


def most_in(scene: Scene, quadrant: str) -> str:
    inside = Counter(
        n for r, c, n in pixels(scene) if corner(r + 0.5, c + 0.5, scene) == quadrant
    )
    return inside.most_common(1)[0][0]


ORACLE: dict[str, Callable[..., str]] = {
    r'Is there any (.+)\?': lambda s, n: yes(areas(s)[n] > 0),
    r'What is the main land cover\?': lambda s: areas(s).most_common(1)[0][0],
    r'How much of the area is (.+)\?': share_of_area,
    r'Which covers more, (.+) or (.+)\?': lambda s, a, b: max(
        a, b, key=lambda n: areas(s)[n]
    ),
    r'How many land-cover classes are there\?': lambda s: str(len(areas(s))),
    r'Is this a rural or an urban area\?': lambda s: (
        'urban' if areas(s)['built-up land'] > 0.2 * s.label.size else 'rural'
    ),
    r'What is the main land cover in the (.+)\?': most_in,
    r'In which quadrant is the (.+)\?': lambda s, k: corner(*middle(the(k, s)), s),
    r'Is the (.+) (left of|right of|above|below) the (.+)\?': is_beside,
    r'Where is the (.+) relative to the (.+)\?': side,
    r'Which land cover is around the (.+)\?': surroundings,
    r'Is there an? (.+) near (.+)\?': near,
    r'Is there an? (.+)\?': lambda s, k: yes(count(k, s) > 0),
    r'How many (.+) are there\?': lambda s, k: str(count(singular(k, s), s)),
    r'Are there more (.+) or (.+)\?': lambda s, a, b: max(
        a, b, key=lambda k: count(singular(k, s), s)
    ),
    r'Does (.+) border (.+)\?': borders,
    r'What degrades the optical image\?': degraded,
    r'Which image is more reliable in the (.+), optical or SAR\?': reliable,
}


def derive(question: str, scene: Scene) -> str:
    for pattern, rule in ORACLE.items():
        if found := re.fullmatch(pattern, question):
            return rule(scene, *found.groups())
    raise AssertionError(f'no rule for {question!r}')


def test_every_answer_is_true(scenes: list[Scene]) -> None:
    asked: Counter[str] = Counter()
    for scene in scenes[:25]:
        for question in candidates(scene):
            asked[question.question_type] += 1
            assert question.answer == derive(question.question, scene), question
    assert set(asked) >= SIXTEEN


def test_sixteen_types_by_name() -> None:
    assert set(QUESTION_TYPES) >= SIXTEEN
    assert all(QUESTION_TYPES[name].name == name for name in SIXTEEN)


def test_a_scene_asks_each_text_once(scenes: list[Scene]) -> None:
    for scene in scenes[:30]:
        texts = [q.question for q in candidates(scene)]
        assert len(texts) == len(set(texts))


# Where each number of quarter turns takes the vector (right, down).
TURNS = [
    lambda x, y: (x, y),
    lambda x, y: (y, -x),
    lambda x, y: (-x, -y),
    lambda x, y: (-y, x),
]
CORNERS = {
    'upper left': (-1, -1),
    'upper right': (1, -1),
    'lower left': (-1, 1),
    'lower right': (1, 1),
}
RELATIONS = {'left of': (-1, 0), 'right of': (1, 0), 'above': (0, -1), 'below': (0, 1)}
SIDES = {'left': (-1, 0), 'right': (1, 0), 'above': (0, -1), 'below': (0, 1)}


def turn_words(text: str, k: int) -> str:
    """Rewrite the direction words of a question or an answer."""
    words = CORNERS | (RELATIONS if text.endswith('?') else SIDES)

    def turn(found: re.Match[str]) -> str:
        x, y = TURNS[k % 4](*words[found[0]])
        (word,) = (w for w, v in words.items() if v == (-x if k >= 4 else x, y))
        return word

    return re.sub(rf'\b({"|".join(words)})\b', turn, text)


@cache
def turn_window(window: Window, shape: tuple[int, int], k: int) -> Window:
    top, left, bottom, right = window
    mask = np.zeros(shape, bool)
    mask[top:bottom, left:right] = True
    mask = np.rot90(mask, k)
    rows, columns = np.nonzero(np.fliplr(mask) if k >= 4 else mask)
    return (
        int(rows.min()),
        int(columns.min()),
        int(rows.max()) + 1,
        int(columns.max()) + 1,
    )


@pytest.mark.parametrize('k', range(8))
def test_what_is_asked_turns_with_the_scene(k: int, scenes: list[Scene]) -> None:
    directed = 0
    for scene in scenes:
        asked = candidates(scene)
        expected = set()
        for q in asked:
            assert q.footprint is not None
            words = tuple(turn_words(w, k) for w in q.wordings)
            window = turn_window(q.footprint, scene.shape, k)
            answer = turn_words(q.answer, k)
            expected.add(Question(q.question_type, words[0], answer, window, words))
        assert set(candidates(scene.dihedral(k))) == expected
        directed += sum(turn_words(q.question, 2) != q.question for q in asked)
    assert directed > 500


@pytest.mark.parametrize('k', range(8))
def test_every_wording_can_be_rewritten(k: int, scenes: list[Scene]) -> None:
    texts = {w for q in possible(scenes[0].legend, sorted(SIXTEEN)) for w in q.wordings}
    assert len(texts) > 300
    for text in texts:
        assert rewrite(text, k) == turn_words(text, k)


class TestWordings:
    def test_are_all_different_and_there_are_several(self, scenes: list[Scene]) -> None:
        told: dict[str, tuple[str, str]] = {}
        for q in possible(scenes[0].legend, sorted(SIXTEEN)):
            assert len(set(q.wordings)) >= 3
            assert q.question == q.wordings[0] == q.canonical
            for text in q.wordings:
                assert text[0].isupper()
                assert text.endswith('?')
                assert '{' not in text
                # one text asks one thing
                key = q.question_type, q.canonical
                assert told.setdefault(text, key) == key

    def test_are_drawn_alike(self, scenes: list[Scene]) -> None:
        question = candidates(scenes[0], ['main_land_cover', 'land_cover_presence'])[0]
        rng = np.random.default_rng(0)
        drawn = Counter(question.reworded(rng) for _ in range(600))
        assert {q.question for q in drawn} == set(question.wordings)
        assert min(drawn.values()) > 150
        assert {q._replace(question=question.question) for q in drawn} == {question}

    def test_any_of_them_is_answered(self, scenes: list[Scene]) -> None:
        for q in candidates(scenes[0]):
            for text in q.wordings:
                assert answer(q.question_type, text, scenes[0]) == q.answer


class TestPossible:
    def test_holds_whatever_is_asked(self, scenes: list[Scene]) -> None:
        listed = possible(scenes[0].legend, sorted(SIXTEEN))
        known = {(q.question_type, q.wordings, q.answer) for q in listed}
        assert len(known) == len(listed)
        for scene in scenes:
            for q in candidates(scene, sorted(SIXTEEN)):
                assert (q.question_type, q.wordings, q.answer) in known

    def test_nothing_without_what_a_type_needs(self) -> None:
        bare = Legend(('sea', 'land'))
        assert {q.question_type for q in possible(bare, sorted(SIXTEEN))} == {
            *('land_cover_presence', 'main_land_cover', 'area_share', 'larger_area'),
            *('land_cover_count', 'quadrant_land_cover', 'adjacency'),
        }

    def test_unknown_type(self) -> None:
        with pytest.raises(ValueError, match="got \\['colour'\\]"):
            possible(Legend(('sea',)), ['colour'])


class TestUnknownPixels:
    """An answer must hold whatever the pixels are that the map does not know."""

    def hide(self, scene: Scene, rng: np.random.Generator) -> Scene:
        """Hide a blob or a stripe, and a few pixels here and there."""
        hidden = rng.random(scene.shape) < rng.choice([0, 0.002, 0.05])
        top, left = rng.integers(0, scene.shape[0] - 8, 2)
        height, width = rng.integers(1, 40, 2)
        hidden[top : top + height, left : left + width] = True
        return replace(scene, label=np.where(hidden, NO_DATA, scene.label))

    def test_answers_hold_whatever_they_are(self, scenes: list[Scene]) -> None:
        rng = np.random.default_rng(0)
        asked: Counter[str] = Counter()
        for scene in scenes[:40]:
            hidden = self.hide(scene, rng)
            unknown = hidden.label == NO_DATA
            # all of one class, at random, and as it is
            worlds = [np.where(unknown, c, hidden.label) for c in range(6)]
            noise = rng.integers(0, 6, scene.shape)
            worlds += [np.where(unknown, noise, hidden.label), scene.label]
            filled = [replace(scene, label=world.astype(np.uint8)) for world in worlds]
            pool = candidates(hidden)
            for q in (pool[i] for i in rng.permutation(len(pool))[:10]):
                asked[q.question_type] += 1
                for world in filled:
                    assert q.answer == derive(q.question, world), q.question
        assert len(asked) >= 12

    def test_most_questions_survive_a_small_hole(self, scenes: list[Scene]) -> None:
        label = scenes[0].label.copy()
        label[0, 0] = NO_DATA
        types = Counter(
            q.question_type for q in candidates(replace(scenes[0], label=label))
        )
        before = Counter(q.question_type for q in candidates(scenes[0]))
        assert types['quadrant_land_cover'] >= before['quadrant_land_cover'] - 1
        assert types['object_presence'] == before['object_presence']
        # but nothing may be said to be absent
        assert types['land_cover_count'] == 0

    def test_nothing_known(self) -> None:
        label = np.full((32, 32), NO_DATA, np.uint8)
        assert candidates(Scene(label, ('sea', 'land'), urban_classes=('land',))) == []


@pytest.mark.parametrize(
    ('distance', 'truth'), [(3, 'yes'), (4, None), (12, None), (13, 'no')]
)
def test_near_and_far(distance: int, truth: str | None) -> None:
    """Between 3 and 12 pixels from the box is neither near nor far."""
    label = np.zeros((40, 40), np.uint8)
    label[:, 14 + distance - 1 :] = 1
    ship = SceneObject('ship', 18, 10, 22, 14)
    scene = Scene(label, ('sea', 'land'), (ship,), ('ship',))
    asked = {q.question: q.answer for q in candidates(scene)}
    assert asked.get('Is there a ship near land?') == truth


def test_objects_on_the_edge_are_not_counted_on() -> None:
    ship = SceneObject('ship', 4, 4, 8, 8)
    label = np.zeros((32, 32), np.uint8)
    scene = Scene(label, ('sea',), (ship,), ('ship', 'buoy'), partial=frozenset())
    cut = replace(scene, partial=frozenset({'ship', 'buoy'}))
    before, after = ({q[1:3] for q in candidates(s)} for s in (scene, cut))
    assert ('Is there a ship?', 'yes') in before & after
    assert ('Is there a ship near sea?', 'yes') in before & after
    lost = before - after
    assert {question for question, _ in lost} == {
        'In which quadrant is the ship?',
        'Which land cover is around the ship?',
        'How many ships are there?',
        'How many buoys are there?',
        'Is there a buoy?',
        'Are there more ships or buoys?',
    }
    assert after <= before


def test_two_causes_are_not_one() -> None:
    quality = np.zeros((32, 32), np.uint8)
    quality[:16] = 1
    scene = Scene(np.zeros((32, 32), np.uint8), ('sea',), quality=quality)
    assert answer('modality_quality', 'What degrades the optical image?', scene) == (
        'clouds'
    )
    quality = quality.copy()
    quality[20:24] = 2
    with pytest.raises(ValueError, match='no clear'):
        answer(
            'modality_quality',
            'What degrades the optical image?',
            replace(scene, quality=quality),
        )


class TestByHand:
    """A scene small enough to answer by eye, with classes and categories of its own."""

    @pytest.fixture
    def scene(self) -> Scene:
        label = np.zeros((40, 40), np.uint8)
        label[:, 20:] = 1
        label[:, 36:] = 2
        quality = np.zeros((40, 40), np.uint8)
        quality[:20, :20] = 1
        return Scene(
            label,
            ('vineyards', 'sea', 'ice', 'dunes'),
            (
                SceneObject('airport', 4, 2, 8, 8),
                SceneObject('ferry', 30, 24, 34, 28),
                SceneObject('ferry', 10, 22, 14, 26),
            ),
            ('airport', 'ferry', 'wind turbine'),
            quality,
            ('ice',),
        )

    @pytest.mark.parametrize(
        ('question_type', 'question', 'truth'),
        [
            ('land_cover_presence', 'Is there any sea?', 'yes'),
            ('land_cover_presence', 'Is there any dunes?', 'no'),
            ('main_land_cover', 'What is the main land cover?', 'vineyards'),
            ('area_share', 'How much of the area is sea?', '25% to 50%'),
            ('area_share', 'How much of the area is dunes?', 'none'),
            ('larger_area', 'Which covers more, sea or ice?', 'sea'),
            ('land_cover_count', 'How many land-cover classes are there?', '3'),
            ('rural_urban', 'Is this a rural or an urban area?', 'rural'),
            (
                'quadrant_land_cover',
                'What is the main land cover in the lower right?',
                'sea',
            ),
            ('object_quadrant', 'In which quadrant is the airport?', 'upper left'),
            (
                'object_surroundings',
                'Which land cover is around the airport?',
                'vineyards',
            ),
            ('object_presence', 'Is there an airport?', 'yes'),
            ('object_presence', 'Is there a wind turbine?', 'no'),
            ('object_count', 'How many ferries are there?', '2'),
            ('object_count', 'How many wind turbines are there?', '0'),
            ('more_frequent', 'Are there more airports or ferries?', 'ferries'),
            ('adjacency', 'Does vineyards border sea?', 'yes'),
            ('adjacency', 'Does vineyards border ice?', 'no'),
            ('objects_near_land_cover', 'Is there a ferry near vineyards?', 'yes'),
            ('objects_near_land_cover', 'Is there an airport near sea?', 'no'),
            ('modality_quality', 'What degrades the optical image?', 'clouds'),
            (
                'modality_quality',
                'Which image is more reliable in the upper left, optical or SAR?',
                'SAR',
            ),
            (
                'modality_quality',
                'Which image is more reliable in the lower left, optical or SAR?',
                'optical',
            ),
        ],
    )
    def test_answer(
        self, scene: Scene, question_type: str, question: str, truth: str
    ) -> None:
        assert answer(question_type, question, scene) == truth

    @pytest.mark.parametrize(
        ('question_type', 'question'),
        [
            # 50 % lies on the edge of two bins, and vineyards only just beat the rest
            ('area_share', 'How much of the area is vineyards?'),
            # two ferries: neither is *the* ferry
            ('object_quadrant', 'In which quadrant is the ferry?'),
            ('object_relation', 'Is the airport above the ferry?'),
            # the nearest ferry is eight pixels away: neither near nor far
            ('objects_near_land_cover', 'Is there a ferry near ice?'),
            # as many of one as of the other cannot be
            ('more_frequent', 'Are there more airports or airports?'),
        ],
    )
    def test_unclear(self, scene: Scene, question_type: str, question: str) -> None:
        with pytest.raises(ValueError, match=re.escape(question)):
            answer(question_type, question, scene)

    @pytest.mark.parametrize(
        ('length', 'truth'), [(0, 'no'), (1, None), (7, None), (8, 'yes'), (20, 'yes')]
    )
    @pytest.mark.parametrize('turned', [False, True])
    def test_length_of_a_border(
        self, length: int, truth: str | None, turned: bool
    ) -> None:
        """Eight pixel edges at least; what touches by fewer is not asked about."""
        label = np.zeros((40, 40), np.uint8)
        label[:, :15] = 1
        label[:length, 15:25] = 2
        label[:, 25:] = 2
        scene = Scene(label.T if turned else label, ('sea', 'ice', 'dunes'))
        asked = {q.question: q.answer for q in candidates(scene, ['adjacency'])}
        assert asked.get('Does ice border dunes?') == truth

    @pytest.mark.parametrize(('unknown', 'clear'), [(0, True), (3, True), (4, False)])
    def test_unknown_around_an_object(self, unknown: int, clear: bool) -> None:
        """65 % of the 192 pixels of the ring, whatever is where nothing is known."""
        label = np.zeros((40, 40), np.uint8)
        ring = [(r, c) for r in range(12, 16) for c in range(12, 28)]
        for r, c in ring[:unknown]:
            label[r, c] = NO_DATA
        label[24:28, 12:28] = 1  # a third is another class
        scene = Scene(
            label, ('sea', 'ice'), (SceneObject('ship', 16, 16, 24, 24),), ('ship',)
        )
        asked = {q.question for q in candidates(scene, ['object_surroundings'])}
        assert ('Which land cover is around the ship?' in asked) == clear

    @pytest.mark.parametrize(('column', 'truth'), [(35, 'no'), (31, None)])
    def test_unknown_near_an_object(self, column: int, truth: str | None) -> None:
        """Nothing is far of which it is not known where it ends."""
        label = np.zeros((40, 40), np.uint8)
        label[:, 38:] = 1
        label[0, column] = NO_DATA
        scene = Scene(
            label, ('sea', 'ice'), (SceneObject('ship', 0, 18, 4, 22),), ('ship',)
        )
        asked = {q.question: q.answer for q in candidates(scene)}
        assert asked.get('Is there a ship near ice?') == truth

    def test_unknown_type(self, scene: Scene) -> None:
        with pytest.raises(ValueError, match="got \\['colour'\\]"):
            answer('colour', 'What colour is the sea?', scene)

    def test_unknown_is_not_asked_about(self) -> None:
        scene = Scene(np.zeros((8, 8), np.uint8), ('sea',))
        types = {q.question_type for q in candidates(scene)}
        assert not types & {'modality_quality', 'rural_urban', 'object_presence'}

    def test_small_class_is_neither_present_nor_absent(self) -> None:
        label = np.zeros((10, 10), np.uint8)
        label[0, :3] = 1
        texts = {q.question for q in candidates(Scene(label, ('sea', 'ice')))}
        assert 'Is there any sea?' in texts
        assert not any('ice' in text for text in texts)
        assert 'How many land-cover classes are there?' not in texts


class TestRelation:
    @pytest.mark.parametrize(
        ('row', 'column', 'truths'),
        [
            (0, 20, {'Where': 'right', 'right of': 'yes', 'left of': 'no'}),
            (
                -20,
                -20,
                {'left of': 'yes', 'right of': 'no', 'above': 'yes', 'below': 'no'},
            ),
            (16, 2, {'Where': 'below', 'below': 'yes', 'above': 'no'}),
            (13, 13, {}),
        ],
    )
    def test_only_where_clear(
        self, row: int, column: int, truths: dict[str, str]
    ) -> None:
        ship = SceneObject('ship', 30 + row, 30 + column, 34 + row, 34 + column)
        scene = Scene(
            np.zeros((64, 64), np.uint8),
            ('sea',),
            (ship, SceneObject('buoy', 30, 30, 34, 34)),
            ('ship', 'buoy'),
        )
        expected = {
            'Where is the ship relative to the buoy?'
            if words == 'Where'
            else f'Is the ship {words} the buoy?': truth
            for words, truth in truths.items()
        }
        found = {
            q.question: q.answer
            for q in candidates(scene, ['object_relation'])
            if q.question.endswith('buoy?')
        }
        assert found == expected


def test_a_subclass_with_a_name_is_registered() -> None:
    class Nothing(QuestionType):
        name = 'nothing'
        templates = (('Is there nothing?', 'Nothing?'),)

        def possible(self, legend: Legend) -> Questions:
            yield self.ask('no')

        def candidates(self, scene: Scene) -> Questions:
            yield self.ask('no', scene.whole)

    try:
        scene = Scene(np.zeros((8, 8), np.uint8), ('sea',))
        assert candidates(scene, ['nothing']) == [
            Question(
                'nothing',
                'Is there nothing?',
                'no',
                (0, 0, 8, 8),
                ('Is there nothing?', 'Nothing?'),
            )
        ]
    finally:
        del QUESTION_TYPES['nothing']


def test_quadrants_are_the_words_of_the_answers() -> None:
    assert {
        corner(r, c, Scene(np.zeros((2, 2), np.uint8), ('a',)))
        for r in (0, 1)
        for c in (0, 1)
    } == set(QUADRANTS)
