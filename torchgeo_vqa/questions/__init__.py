# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Questions about label maps, and their true answers.

A :class:`Scene` is what a map knows of a location. :func:`candidates` lists the questions
about it that have a clear answer. :func:`draw_balanced` (of many scenes), :class:`Balance`
(of scenes that come one by one) and :func:`draw_even` (of one) choose among them so that
guessing stays weak, and :meth:`Question.reworded` varies the words. A subclass of
:class:`QuestionType` with a name is a new type.
"""

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
from .question_types import (
    Adjacency,
    AreaShare,
    LandCoverCount,
    LandCoverPresence,
    LargerArea,
    MainLandCover,
    ModalityQuality,
    MoreFrequent,
    ObjectCount,
    ObjectPresence,
    ObjectQuadrant,
    ObjectRelation,
    ObjectsNearLandCover,
    ObjectSurroundings,
    QuadrantLandCover,
    RuralUrban,
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
    'Adjacency',
    'AreaShare',
    'Balance',
    'LandCoverCount',
    'LandCoverPresence',
    'LargerArea',
    'Legend',
    'MainLandCover',
    'ModalityQuality',
    'MoreFrequent',
    'ObjectCount',
    'ObjectLayer',
    'ObjectPresence',
    'ObjectQuadrant',
    'ObjectRelation',
    'ObjectSurroundings',
    'ObjectsNearLandCover',
    'QuadrantLandCover',
    'Question',
    'QuestionType',
    'Questions',
    'RuralUrban',
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
