# SPDX-License-Identifier: MIT
"""What a question is, and what a type of questions is."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from .scene import Legend, Scene, Window

type Questions = Iterator['Question']

#: All registered question types by name.
QUESTION_TYPES: dict[str, 'QuestionType'] = {}


class Question(NamedTuple):
    """A question about a scene and its true answer.

    Args:
        question_type: Name of its type.
        question: Its text, one of *wordings*.
        answer: The answer.
        footprint: Pixels it is about; None of a question that is asked of no scene in
            particular.
        wordings: Texts that ask the same. The first is the canonical one: questions that
            share it are the same question.
    """

    question_type: str
    question: str
    answer: str
    footprint: Window | None = None
    wordings: tuple[str, ...] = ()

    @property
    def canonical(self) -> str:
        """Its text in the canonical wording."""
        return self.wordings[0] if self.wordings else self.question

    def reworded(self, rng: np.random.Generator) -> Self:
        """Return the question in one of its wordings, all equally likely."""
        if len(self.wordings) < 2:
            return self
        return self._replace(question=self.wordings[rng.integers(len(self.wordings))])


class QuestionType(ABC):
    """A way of asking about a scene.

    Subclasses that define a *name* are registered in :data:`QUESTION_TYPES`. A later one
    of the same name replaces an earlier one.

    Attributes:
        name: Name of the type, in snake_case.
        templates: The questions it asks, each in one or more wordings, with slots such as
            ``{land_cover}``. The first wording is the canonical one.
        per_scene: How many of its questions a scene keeps at most.
    """

    name: ClassVar[str]
    templates: ClassVar[tuple[tuple[str, ...], ...]] = ()
    per_scene: ClassVar[int] = 3

    def __init_subclass__(cls) -> None:
        """Register the type."""
        super().__init_subclass__()
        if 'name' in cls.__dict__:
            if any(isinstance(words, str) or not words for words in cls.templates):
                raise TypeError(
                    f'{cls.__name__}.templates must be a tuple of tuples of wordings, got '
                    f'{cls.templates!r}'
                )
            QUESTION_TYPES[cls.name] = cls()

    @abstractmethod
    def possible(self, legend: Legend) -> Questions:
        """Yield every question of this type with every answer it may ever have.

        That is the vocabulary, which must be known before any scene is. Nothing is possible if
        the map lacks what the type needs.
        """

    @abstractmethod
    def candidates(self, scene: Scene) -> Questions:
        """Yield every question about a scene whose answer is clear, with the answer."""

    def ask(
        self,
        answer: str,
        footprint: Window | None = None,
        template: int = 0,
        **slots: str,
    ) -> Question:
        """Make a question of this type in its canonical wording.

        *footprint* are the pixels it is about, *slots* fill one of :attr:`templates`.
        """
        wordings = tuple(text.format(**slots) for text in self.templates[template])
        return Question(self.name, wordings[0], answer, footprint, wordings)


@functools.cache
def _english() -> Any:
    """Return the engine of inflect, which knows English nouns; it takes a second to import."""
    import inflect

    return inflect.engine()


@functools.cache
def plural(noun: str) -> str:
    """Return the plural of an English noun, such as ``'ships'``."""
    last = noun.split()[-1]
    # inflect turns an abbreviation into capitals as a whole, such as 'SUVS'
    if last == last.upper():
        return f'{noun}s'
    return str(_english().plural_noun(noun))


@functools.cache
def with_article(noun: str) -> str:
    """Return a noun with its indefinite article, such as ``'an airport'``."""
    return str(_english().a(noun))


def yes_no(truth: bool) -> str:
    """Word for a truth value."""
    return 'yes' if truth else 'no'


def _select(names: Sequence[str] | None) -> list[QuestionType]:
    """Look question types up by name (defaults to all); raise a ValueError for unknown ones."""
    names = list(QUESTION_TYPES) if names is None else names
    if unknown := sorted(set(names) - set(QUESTION_TYPES)):
        raise ValueError(
            f'question types must be among {sorted(QUESTION_TYPES)}, got {unknown}'
        )
    return [QUESTION_TYPES[name] for name in names]


def candidates(scene: Scene, names: Sequence[str] | None = None) -> list[Question]:
    """List the questions about a scene whose answer is clear, in canonical wording.

    Raise a ValueError if one of the types (defaults to all) is unknown.
    """
    return [q for t in _select(names) for q in t.candidates(scene)]


def possible(legend: Legend, names: Sequence[str] | None = None) -> list[Question]:
    """List every question that scenes of a map may ever be asked, with every answer.

    They are in canonical wording and have no footprint. Raise a ValueError if one of the
    types (defaults to all) is unknown.
    """
    return [q for t in _select(names) for q in t.possible(legend)]


def answer(question_type: str, question: str, scene: Scene) -> str:
    """Return the true answer of a question, in any of its wordings, about a scene.

    Raise a ValueError if the type is unknown or the question has no clear answer here.
    """
    for candidate in candidates(scene, [question_type]):
        if question in candidate.wordings:
            return candidate.answer
    raise ValueError(f'{question!r} has no clear {question_type} answer in this scene')
