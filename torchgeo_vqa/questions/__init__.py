# SPDX-License-Identifier: MIT
"""Questions about label maps, and their true answers.

A :class:`Scene` is what a map knows of a location. :func:`candidates` lists the questions
about it that have a clear answer. :func:`draw_balanced` (of many scenes), :class:`Balance`
(of scenes that come one by one) and :func:`draw_even` (of one) choose among them so that
guessing stays weak, and :meth:`Question.reworded` varies the words. A subclass of
:class:`QuestionType` with a name is a new type; those of
:mod:`torchgeo_vqa.questions.question_types` are there from the start.
"""

from . import question_types  # noqa: F401 (which registers the sixteen types)
from .balance import Balance, draw_balanced, draw_even
from .object_layer import ObjectLayer
from .question import (
    QUESTION_TYPES,
    Question,
    Questions,
    QuestionType,
    answer,
    candidates,
    plural,
    possible,
    with_article,
    yes_no,
)
from .scene import (
    MIN_SHARE,
    NO_DATA,
    QUADRANTS,
    QUALITIES,
    Legend,
    Scene,
    SceneObject,
    Window,
)

__all__ = (
    'MIN_SHARE',
    'NO_DATA',
    'QUADRANTS',
    'QUALITIES',
    'QUESTION_TYPES',
    'Balance',
    'Legend',
    'ObjectLayer',
    'Question',
    'QuestionType',
    'Questions',
    'Scene',
    'SceneObject',
    'Window',
    'answer',
    'candidates',
    'draw_balanced',
    'draw_even',
    'plural',
    'possible',
    'with_article',
    'yes_no',
)
