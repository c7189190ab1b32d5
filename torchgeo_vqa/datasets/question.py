# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""What a question type is, and how questions are drawn so that none can be answered blind."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

import numpy as np

from .scene import Scene

type Candidates = Iterator[tuple[str, str]]

#: All registered question types by name.
QUESTION_TYPES: dict[str, 'QuestionType'] = {}


class Question(NamedTuple):
    """A question about a scene and its true answer."""

    question_type: str
    question: str
    answer: str


class QuestionType(ABC):
    """A way of asking about a scene.

    Subclasses that define a *name* are registered in :data:`QUESTION_TYPES`.

    Attributes:
        name: Name of the type, in snake_case.
        per_scene: How many of its questions a scene keeps at most.
    """

    name: ClassVar[str]
    per_scene: ClassVar[int] = 3

    def __init_subclass__(cls) -> None:
        """Register the type."""
        super().__init_subclass__()
        if 'name' in cls.__dict__:
            QUESTION_TYPES[cls.name] = cls()

    @abstractmethod
    def candidates(self, scene: Scene) -> Candidates:
        """Yield every question of this type whose answer is clear, with the answer."""


def plural(noun: str) -> str:
    """Plural of an English noun.

    Args:
        noun: A regular noun such as ``'ship'``.

    Returns:
        Such as ``'ships'``.
    """
    if noun.endswith(('s', 'x', 'ch', 'sh')):
        return f'{noun}es'
    if noun.endswith('y') and noun[-2:-1] not in 'aeiou':
        return f'{noun[:-1]}ies'
    return f'{noun}s'


def with_article(noun: str) -> str:
    """Noun with its indefinite article, such as ``'an airport'``."""
    return f'an {noun}' if noun[0] in 'aeiou' else f'a {noun}'


def yes_no(truth: bool) -> str:
    """Word for a truth value."""
    return 'yes' if truth else 'no'


def draw_balanced(
    pools: Sequence[Sequence[Question]], rng: np.random.Generator
) -> list[list[Question]]:
    """Draw questions from the candidates of many scenes so that no text gives its answer away.

    For each question text, the most frequent answer is thinned out until it is no more
    frequent than the runner-up; texts with only one answer, or hardly any other, are dropped.
    Then every scene keeps at most :attr:`QuestionType.per_scene` questions of each type.

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
            where[q.question_type, q.question][q.answer].append(i)
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
            if (q.question_type, q.question) in kept:
                by_type[q.question_type].append(j)
        order: list[int] = []
        for name, positions in by_type.items():
            shuffled = rng.permutation(positions).tolist()
            order += shuffled[: QUESTION_TYPES[name].per_scene]
        drawn.append([pool[j] for j in sorted(order)])
    return drawn
