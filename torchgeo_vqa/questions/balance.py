# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""How questions are drawn so that none can be answered blind."""

from collections import defaultdict
from collections.abc import Sequence
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
    for key, places in sorted(where.items()):
        counts = sorted((len(scenes) for scenes in places.values()), reverse=True)
        if len(counts) < 2 or counts[1] < least:
            continue
        limit = counts[1]
        for _, scenes in sorted(places.items()):
            chosen = rng.permutation(scenes)[:limit] if len(scenes) > limit else scenes
            for i in chosen:
                keep[i].add(key)

    drawn: list[list[Question]] = []
    for pool, kept in zip(pools, keep, strict=True):
        by_type: dict[str, list[int]] = defaultdict(list)
        for j, q in enumerate(pool):
            if (q.question_type, q.canonical) in kept:
                by_type[q.question_type].append(j)
        order: list[int] = []
        for name, positions in by_type.items():
            shuffled = rng.permutation(positions).tolist()
            order += shuffled[: QUESTION_TYPES[name].per_scene]
        drawn.append([pool[j] for j in sorted(order)])
    return drawn


def draw_even(
    pool: Sequence[Question], num: int, rng: np.random.Generator
) -> list[Question]:
    """Draw questions from the candidates of one scene, answers first.

    Types take turns, and within a type its answers do; which question is asked is drawn
    last, among those that have the answer. No answer of a type is drawn more often than
    its runner-up. What other scenes answer is not known here: where there are many, and
    they are known, :func:`draw_balanced` keeps more from those who do not look.

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
    for i in rng.permutation(len(by_type)):
        by_answer = list(list(by_type.values())[i].values())
        counts = sorted(map(len, by_answer), reverse=True)
        limit = counts[1] if len(counts) > 1 else 1
        shuffled = [
            [by_answer[j][k] for k in rng.permutation(len(by_answer[j]))[:limit]]
            for j in rng.permutation(len(by_answer))
        ]
        turns.append(_interleave(shuffled))
    return _interleave(turns)[:num]


def _interleave(lists: Sequence[Sequence[Question]]) -> list[Question]:
    """First of each list, then the second of each, ..."""
    return [q for row in zip_longest(*lists) for q in row if q is not None]
