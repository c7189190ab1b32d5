# SPDX-License-Identifier: MIT
"""How questions are drawn so that none can be answered blind."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import zip_longest

import numpy as np

from .question import QUESTION_TYPES, Question


def draw_balanced(
    pools: Sequence[Sequence[Question]], rng: np.random.Generator
) -> list[list[Question]]:
    """Draw questions from the candidates of many scenes so that no text gives its answer away.

    For each question text, the most frequent answer is thinned out until it is no more
    frequent than the runner-up; texts with only one answer, or hardly any other, are dropped.
    Then every scene keeps at most ``QuestionType.per_scene`` questions of each type.
    Wordings are drawn afterwards (:meth:`Question.reworded`): they do not matter here.

    Args:
        pools: Candidates of each scene.
        rng: Source of randomness.

    Returns:
        Questions kept of each scene, in the order of the candidates.
    """
    where: dict[tuple[str, str], dict[str, list[int]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for i, pool in enumerate(pools):
        for q in pool:
            where[q.question_type, q.canonical][q.answer].append(i)
    keep: list[set[tuple[str, str]]] = [set() for _ in pools]
    least = max(1, len(pools) // 400)
    for key, scenes_of in sorted(where.items()):
        limit = _runner_up(map(len, scenes_of.values()))
        if limit < least:
            continue
        for _, scenes in sorted(scenes_of.items()):
            chosen = rng.permutation(scenes)[:limit] if len(scenes) > limit else scenes
            for i in chosen:
                keep[i].add(key)

    drawn: list[list[Question]] = []
    for pool, kept in zip(pools, keep, strict=True):
        by_type: dict[str, list[int]] = defaultdict(list)
        for j, q in enumerate(pool):
            if (q.question_type, q.canonical) in kept:
                by_type[q.question_type].append(j)
        order = [
            j
            for name, positions in by_type.items()
            for j in rng.permutation(positions)[: QUESTION_TYPES[name].per_scene]
        ]
        drawn.append([pool[j] for j in sorted(order)])
    return drawn


def draw_even(
    pool: Sequence[Question], num: int, rng: np.random.Generator
) -> list[Question]:
    """Draw questions from the candidates of one scene, answers first.

    Types take turns, and within a type its answers do; which question is asked is drawn
    last, among those that have the answer. No answer of a type is drawn more often than
    its runner-up.

    That evens out the answers within a scene. What most scenes answer to a text it cannot
    know; :class:`Balance` does.

    Args:
        pool: Candidates of the scene.
        num: Number of questions, fewer if there are not so many.
        rng: Source of randomness.

    Returns:
        Questions, in the order they were drawn.
    """
    by_type: dict[str, dict[str, list[Question]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for q in pool:
        by_type[q.question_type][q.answer].append(q)
    turns = []
    for by_answer in by_type.values():
        limit = _runner_up(map(len, by_answer.values())) or 1
        shuffled = [_shuffle(same, rng)[:limit] for same in by_answer.values()]
        turns.append(_take_turns(shuffled, rng))
    return _take_turns(turns, rng)[:num]


class Balance:
    """How readily each answer is asked for, so that no text gives its answer away.

    It does for scenes that come one by one what :func:`draw_balanced` does for many at
    once: what most scenes answer to a text is asked for less often, as often as the
    runner-up. A text that has only one answer is not asked.
    """

    def __init__(self, pools: Iterable[Sequence[Question]]) -> None:
        """Initialize a new Balance instance.

        Args:
            pools: Candidates of some hundred scenes, like those that will be asked.
        """
        counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for pool in pools:
            for q in pool:
                counts[q.question_type, q.canonical][q.answer] += 1
        self._chances: dict[tuple[str, str, str], float] = {}
        for key, answers in counts.items():
            limit = _runner_up(answers.values())
            for answer, count in answers.items():
                self._chances[*key, answer] = min(1.0, limit / count)

    def draw(
        self, pool: Sequence[Question], num: int, rng: np.random.Generator
    ) -> list[Question]:
        """Draw up to *num* questions from the candidates of one scene; types take turns.

        Of each type there are at most ``QuestionType.per_scene``.
        """
        by_type: dict[str, list[Question]] = defaultdict(list)
        for q, number in zip(pool, rng.random(len(pool)), strict=True):
            key = q.question_type, q.canonical, q.answer
            if number < self._chances.get(key, 0.0):
                by_type[q.question_type].append(q)
        turns = [
            _shuffle(same, rng)[: QUESTION_TYPES[name].per_scene]
            for name, same in by_type.items()
        ]
        return _take_turns(turns, rng)[:num]


def _runner_up(counts: Iterable[int]) -> int:
    """Return the second largest of some counts, 0 if there is but one."""
    return sorted([0, *counts])[-2]


def _shuffle[T](items: Sequence[T], rng: np.random.Generator) -> list[T]:
    """Items in a random order."""
    return [items[i] for i in rng.permutation(len(items))]


def _take_turns(
    lists: Sequence[Sequence[Question]], rng: np.random.Generator
) -> list[Question]:
    """First of each list, the lists in a random order, then the second of each, ..."""
    rows = zip_longest(*_shuffle(lists, rng))
    return [q for row in rows for q in row if q is not None]
