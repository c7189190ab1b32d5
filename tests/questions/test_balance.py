# SPDX-License-Identifier: MIT
"""Drawing of questions: counts of what is drawn."""

from collections import Counter, defaultdict
from itertools import chain

import numpy as np
import pytest

from torchgeo_vqa.questions import (
    QUESTION_TYPES,
    Balance,
    Question,
    Scene,
    candidates,
    draw_balanced,
    draw_even,
)
from torchgeo_vqa.synthetic.landscape import make_scene


@pytest.fixture(scope='module')
def scenes() -> list[Scene]:
    return [make_scene(np.random.default_rng([7, i])) for i in range(100)]


def presence(answer: str) -> list[Question]:
    """Candidates of a scene that can be asked a single question."""
    return [Question('object_presence', 'Is there a ship?', answer)]


class TestDrawBalanced:
    def test_no_answer_beats_the_runner_up(self, scenes: list[Scene]) -> None:
        pools = [candidates(scene) for scene in scenes]
        # without a limit per scene the balance is exact
        wide = [
            [q for q in pool if q.question_type == 'object_presence'] for pool in pools
        ]
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        drawn = draw_balanced(wide, np.random.default_rng(0))
        for question in chain.from_iterable(drawn):
            counts[question.question][question.answer] += 1
        assert len(counts) == 4
        for text, answers in counts.items():
            assert answers['yes'] == answers['no'] > 0, text

    def test_keeps_a_part_of_each_pool(self, scenes: list[Scene]) -> None:
        pools = [candidates(scene) for scene in scenes]
        for pool, drawn in zip(
            pools, draw_balanced(pools, np.random.default_rng(0)), strict=True
        ):
            assert set(drawn) <= set(pool)
            assert len(drawn) == len(set(drawn))
            for name, number in Counter(q.question_type for q in drawn).items():
                assert number <= QUESTION_TYPES[name].per_scene

    def test_a_text_with_one_answer_is_dropped(self) -> None:
        same = Question('object_presence', 'Is there a ship?', 'yes')
        assert draw_balanced([[same], [same]], np.random.default_rng(0)) == [[], []]

    def test_keeps_any_of_the_scenes(self) -> None:
        """Not the first ones of those that have the usual answer."""
        pools = [presence('yes' if i % 4 else 'no') for i in range(200)]
        drawn = draw_balanced(pools, np.random.default_rng(0))
        kept = [i for i, pool in enumerate(drawn) if pool and i % 4]
        assert len(kept) == 50
        assert 70 < np.mean(kept) < 130

    def test_is_seeded(self, scenes: list[Scene]) -> None:
        pools = [candidates(scene) for scene in scenes]
        a, b, c = (draw_balanced(pools, np.random.default_rng(s)) for s in (0, 0, 1))
        assert a == b != c


class TestBalance:
    def test_usual_answer_is_asked_for_as_rarely_as_the_runner_up(self) -> None:
        pools = [*[presence('yes')] * 30, *[presence('no')] * 10]
        balance, rng = Balance(pools), np.random.default_rng(0)
        asked = {
            text: sum(len(balance.draw(presence(text), 5, rng)) for _ in range(600))
            for text in ('yes', 'no')
        }
        assert asked['no'] == 600
        assert 150 < asked['yes'] < 250

    def test_never_asks_what_it_cannot_balance(self) -> None:
        balance = Balance([presence('yes')] * 9)
        rng = np.random.default_rng(0)
        assert balance.draw(presence('yes'), 5, rng) == []
        # nor what it has not measured
        assert balance.draw(presence('no'), 5, rng) == []

    def test_limits(self, scenes: list[Scene]) -> None:
        pools = [candidates(scene) for scene in scenes]
        balance, rng = Balance(pools), np.random.default_rng(0)
        for pool in pools[:20]:
            drawn = balance.draw(pool, 12, rng)
            assert len(drawn) == len(set(drawn)) <= 12
            assert set(drawn) <= set(pool)
            for name, number in Counter(q.question_type for q in drawn).items():
                assert number <= QUESTION_TYPES[name].per_scene


class TestDrawEven:
    def test_no_answer_beats_the_runner_up(self, scenes: list[Scene]) -> None:
        rng = np.random.default_rng(0)
        for scene in scenes[:40]:
            pool = candidates(scene)
            drawn = draw_even(pool, len(pool), rng)
            assert set(drawn) <= set(pool)
            assert len(set(drawn)) == len(drawn)
            answers: dict[str, Counter[str]] = defaultdict(Counter)
            for q in drawn:
                answers[q.question_type][q.answer] += 1
            assert set(answers) == {q.question_type for q in pool}
            for name, counts in answers.items():
                first, *others = sorted(counts.values(), reverse=True)
                assert first == (others[0] if others else 1), name

    def test_types_and_answers_take_turns(self, scenes: list[Scene]) -> None:
        pool = candidates(scenes[0])
        num_types = len({q.question_type for q in pool})
        drawn = draw_even(pool, num_types, np.random.default_rng(0))
        assert len({q.question_type for q in drawn}) == num_types
        presence = [q for q in pool if q.question_type == 'land_cover_presence']
        firsts = Counter(
            draw_even(presence, 1, np.random.default_rng(i))[0].answer
            for i in range(200)
        )
        assert 70 < firsts['yes'] < 130

    def test_is_seeded(self, scenes: list[Scene]) -> None:
        pool = candidates(scenes[0])
        a, b, c = (draw_even(pool, 16, np.random.default_rng(s)) for s in (0, 0, 1))
        assert a == b != c
        assert len(a) == 16

    def test_nothing_to_draw(self) -> None:
        assert draw_even([], 4, np.random.default_rng(0)) == []
