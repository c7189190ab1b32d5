# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Sixteen types of questions, derived from a :class:`~torchgeo_vqa.datasets.scene.Scene`.

A new type is a subclass of :class:`QuestionType` with a name; that is all it takes to
register it. Rules every type keeps:

* A question is asked only where its answer is clear: thresholds have a dead zone between
  'yes' and 'no' or between bins.
* Directions are spoken of in fixed words only, so that a flip or rotation can rewrite them:
  'upper left', 'upper right', 'lower left', 'lower right'; 'left of', 'right of', 'above',
  'below'; and the answers 'left', 'right', 'above', 'below'.
* What is asked of a scene is asked, in rewritten words, of the rotated or flipped scene.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import ClassVar, override

import numpy as np

from .question import (
    QUESTION_TYPES,
    Candidates,
    Question,
    QuestionType,
    plural,
    with_article,
    yes_no,
)
from .raster import dilate
from .scene import MIN_SHARE, QUALITIES, Scene, SceneObject


class LandCoverPresence(QuestionType):
    """Whether a class occurs; classes too small to be called present are not asked about."""

    name = 'land_cover_presence'
    per_scene = 4

    @override
    def candidates(self, scene: Scene) -> Candidates:
        for c, share in zip(scene.class_names, scene.shares, strict=True):
            if share == 0 or share >= MIN_SHARE:
                yield f'Is there any {c}?', yes_no(share > 0)


class MainLandCover(QuestionType):
    """Which class covers most, by a clear margin."""

    name = 'main_land_cover'
    margin: ClassVar[float] = 0.08

    @override
    def candidates(self, scene: Scene) -> Candidates:
        order = np.argsort(-scene.shares, kind='stable')
        if (
            len(order) == 1
            or scene.shares[order[0]] - scene.shares[order[1]] >= self.margin
        ):
            yield 'What is the main land cover?', scene.class_names[order[0]]


class AreaShare(QuestionType):
    """How much of the area a class covers, in bins; shares near an edge are not asked about."""

    name = 'area_share'
    per_scene = 4
    edges: ClassVar[tuple[float, ...]] = (0.25, 0.5, 0.75)
    bins: ClassVar[tuple[str, ...]] = (
        'under 25%',
        '25% to 50%',
        '50% to 75%',
        'over 75%',
    )
    margin: ClassVar[float] = 0.035

    @override
    def candidates(self, scene: Scene) -> Candidates:
        for c, share in zip(scene.class_names, scene.shares, strict=True):
            if share == 0:
                yield f'How much of the area is {c}?', 'none'
            elif share >= MIN_SHARE and all(
                abs(share - edge) >= self.margin for edge in self.edges
            ):
                yield (
                    f'How much of the area is {c}?',
                    self.bins[sum(share > edge for edge in self.edges)],
                )


class LargerArea(QuestionType):
    """Which of two classes that are present covers more, by a clear margin."""

    name = 'larger_area'
    per_scene = 4
    margin: ClassVar[float] = 0.08

    @override
    def candidates(self, scene: Scene) -> Candidates:
        for a, b in combinations(scene.present, 2):
            difference = scene.shares[a] - scene.shares[b]
            if abs(difference) >= self.margin:
                names = scene.class_names[a], scene.class_names[b]
                yield (
                    f'Which covers more, {names[0]} or {names[1]}?',
                    names[int(difference < 0)],
                )


class LandCoverCount(QuestionType):
    """How many classes there are, if none is too small to be called present."""

    name = 'land_cover_count'

    @override
    def candidates(self, scene: Scene) -> Candidates:
        if np.count_nonzero(scene.shares) == len(scene.present):
            yield 'How many land-cover classes are there?', str(len(scene.present))


class RuralUrban(QuestionType):
    """Whether the urban classes make up enough of the area."""

    name = 'rural_urban'
    rural: ClassVar[float] = 0.15
    urban: ClassVar[float] = 0.25

    @override
    def candidates(self, scene: Scene) -> Candidates:
        if not scene.urban_classes:
            return
        share = sum(
            scene.shares[scene.class_names.index(c)] for c in scene.urban_classes
        )
        if share <= self.rural or share >= self.urban:
            yield (
                'Is this a rural or an urban area?',
                'urban' if share >= self.urban else 'rural',
            )


class QuadrantLandCover(QuestionType):
    """Which class covers most of a quadrant, by a clear margin."""

    name = 'quadrant_land_cover'
    per_scene = 4
    margin: ClassVar[float] = 0.2

    @override
    def candidates(self, scene: Scene) -> Candidates:
        for quadrant, window in scene.quadrants.items():
            label = scene.label[window]
            shares = (
                np.bincount(label.ravel(), minlength=len(scene.class_names))
                / label.size
            )
            order = np.argsort(-shares, kind='stable')
            if len(order) == 1 or shares[order[0]] - shares[order[1]] >= self.margin:
                yield (
                    f'What is the main land cover in the {quadrant}?',
                    scene.class_names[order[0]],
                )


class ObjectQuadrant(QuestionType):
    """In which quadrant the only object of a kind is; it must not touch the middle lines."""

    name = 'object_quadrant'
    per_scene = 4
    margin: ClassVar[float] = 1

    @override
    def candidates(self, scene: Scene) -> Candidates:
        height, width = scene.shape
        for obj in _only_objects(scene):
            upper, lower = (
                obj.bottom + self.margin <= height / 2,
                obj.top - self.margin >= height / 2,
            )
            left, right = (
                obj.right + self.margin <= width / 2,
                obj.left - self.margin >= width / 2,
            )
            if (upper or lower) and (left or right):
                quadrant = (
                    f'{"upper" if upper else "lower"} {"left" if left else "right"}'
                )
                yield f'In which quadrant is the {obj.kind}?', quadrant


class ObjectRelation(QuestionType):
    """Where one object is relative to another, both the only ones of their kind."""

    name = 'object_relation'
    per_scene = 8
    # centres this far apart along an axis are clearly on one side of each other
    margin: ClassVar[float] = 14
    # one axis must outweigh the other by this factor to give *the* direction
    dominance: ClassVar[float] = 1.5

    @override
    def candidates(self, scene: Scene) -> Candidates:
        for a, b in combinations(_only_objects(scene), 2):
            down, right = a.center[0] - b.center[0], a.center[1] - b.center[1]
            if abs(right) >= self.margin:
                yield f'Is the {a.kind} left of the {b.kind}?', yes_no(right < 0)
                yield f'Is the {a.kind} right of the {b.kind}?', yes_no(right > 0)
            if abs(down) >= self.margin:
                yield f'Is the {a.kind} above the {b.kind}?', yes_no(down < 0)
                yield f'Is the {a.kind} below the {b.kind}?', yes_no(down > 0)
            question = f'Where is the {a.kind} relative to the {b.kind}?'
            if abs(right) >= max(self.margin, self.dominance * abs(down)):
                yield question, 'left' if right < 0 else 'right'
            if abs(down) >= max(self.margin, self.dominance * abs(right)):
                yield question, 'above' if down < 0 else 'below'


class ObjectSurroundings(QuestionType):
    """Which class makes up most of the ring around the only object of a kind."""

    name = 'object_surroundings'
    radius: ClassVar[int] = 4
    majority: ClassVar[float] = 0.65

    @override
    def candidates(self, scene: Scene) -> Candidates:
        num = len(scene.class_names)
        for obj in _only_objects(scene):
            outer, inner = (
                obj.window(self.radius, scene.shape),
                obj.window(0, scene.shape),
            )
            counts = np.bincount(scene.label[outer].ravel(), minlength=num)
            counts -= np.bincount(scene.label[inner].ravel(), minlength=num)
            best = int(counts.argmax())
            if counts[best] >= self.majority * counts.sum() > 0:
                yield (
                    f'Which land cover is around the {obj.kind}?',
                    scene.class_names[best],
                )


class ObjectPresence(QuestionType):
    """Whether there is an object of a kind."""

    name = 'object_presence'
    per_scene = 4

    @override
    def candidates(self, scene: Scene) -> Candidates:
        for kind, objects in scene.by_kind.items():
            yield f'Is there {with_article(kind)}?', yes_no(bool(objects))


class ObjectCount(QuestionType):
    """How many objects of a kind there are, as long as a person would count them at a glance."""

    name = 'object_count'
    per_scene = 4
    maximum: ClassVar[int] = 4

    @override
    def candidates(self, scene: Scene) -> Candidates:
        for kind, objects in scene.by_kind.items():
            if len(objects) <= self.maximum:
                yield f'How many {plural(kind)} are there?', str(len(objects))


class MoreFrequent(QuestionType):
    """Of which of two kinds there are more."""

    name = 'more_frequent'
    per_scene = 4

    @override
    def candidates(self, scene: Scene) -> Candidates:
        for a, b in combinations(scene.kinds, 2):
            difference = len(scene.by_kind[a]) - len(scene.by_kind[b])
            if difference:
                names = plural(a), plural(b)
                yield (
                    f'Are there more {names[0]} or {names[1]}?',
                    names[int(difference < 0)],
                )


class Adjacency(QuestionType):
    """Whether two classes that are present share a border; a near miss is not asked about."""

    name = 'adjacency'
    per_scene = 4
    # length of a common border in pixel edges, and width of a clear gap in pixels
    contact: ClassVar[int] = 8
    gap: ClassVar[int] = 4

    @override
    def candidates(self, scene: Scene) -> Candidates:
        label, num = scene.label, len(scene.class_names)
        pairs = [(label[1:], label[:-1]), (label[:, 1:], label[:, :-1])]
        codes = np.concatenate(
            [(a.astype(np.intp) * num + b).ravel() for a, b in pairs]
        )
        border = np.bincount(codes, minlength=num * num).reshape(num, num)
        border = border + border.T
        masks = {c: label == c for c in scene.present}
        grown = {c: dilate(mask, self.gap) for c, mask in masks.items()}
        for a, b in combinations(scene.present, 2):
            near = bool((grown[a] & masks[b]).any())
            if border[a, b] >= self.contact or not near:
                yield (
                    f'Does {scene.class_names[a]} border {scene.class_names[b]}?',
                    yes_no(near),
                )


class ObjectsNearLandCover(QuestionType):
    """Whether any object of a kind is near a class that is present."""

    name = 'objects_near_land_cover'
    per_scene = 6
    # a class pixel within `near` of the box is near, none within `far` is not near
    near: ClassVar[int] = 3
    far: ClassVar[int] = 12

    @override
    def candidates(self, scene: Scene) -> Candidates:
        num = len(scene.class_names)

        def within(obj: SceneObject, margin: int) -> np.ndarray:
            return (
                np.bincount(
                    scene.label[obj.window(margin, scene.shape)].ravel(), minlength=num
                )
                > 0
            )

        for kind, objects in scene.by_kind.items():
            if not objects:
                continue
            near = np.any([within(o, self.near) for o in objects], axis=0)
            far = ~np.any([within(o, self.far) for o in objects], axis=0)
            for c in scene.present:
                if near[c] or far[c]:
                    yield (
                        f'Is there {with_article(kind)} near {scene.class_names[c]}?',
                        yes_no(bool(near[c])),
                    )


class ModalityQuality(QuestionType):
    """What degrades the optical image, and which image to trust in a quadrant."""

    name = 'modality_quality'
    per_scene = 4
    # share of unusable optical pixels below and above which the answer is clear
    little: ClassVar[float] = 0.1
    much: ClassVar[float] = 0.6
    causes: ClassVar[Mapping[str, str]] = dict(
        zip(QUALITIES, ('nothing', 'clouds', 'darkness'), strict=True)
    )

    @override
    def candidates(self, scene: Scene) -> Candidates:
        if scene.quality is None or scene.condition is None:
            return
        spoilt = scene.quality > 0
        if not spoilt.any() or spoilt.mean() >= self.little:
            yield 'What degrades the optical image?', self.causes[scene.condition]
        for quadrant, window in scene.quadrants.items():
            share = spoilt[window].mean()
            if share <= self.little or share >= self.much:
                answer = 'SAR' if share >= self.much else 'optical'
                yield (
                    f'Which image is more reliable in the {quadrant}, optical or SAR?',
                    answer,
                )


def _only_objects(scene: Scene) -> list[SceneObject]:
    """Objects that are the only ones of their kind, so that 'the ship' says which."""
    return [objects[0] for objects in scene.by_kind.values() if len(objects) == 1]


def candidates(scene: Scene, names: Sequence[str] | None = None) -> list[Question]:
    """Every question of a scene whose answer is clear.

    Args:
        scene: What is asked about.
        names: Question types to use, all of :data:`QUESTION_TYPES` by default.

    Returns:
        Questions with their answers.
    """
    types = [
        QUESTION_TYPES[name] for name in (QUESTION_TYPES if names is None else names)
    ]
    return [
        Question(t.name, question, answer)
        for t in types
        for question, answer in t.candidates(scene)
    ]


def answer(question_type: str, question: str, scene: Scene) -> str:
    """True answer of a question about a scene.

    Args:
        question_type: Name of the question's type.
        question: The question's text.
        scene: What is asked about.

    Returns:
        The answer.

    Raises:
        ValueError: If the type is unknown or the question has no clear answer here.
    """
    if question_type not in QUESTION_TYPES:
        raise ValueError(
            f'question_type must be one of {sorted(QUESTION_TYPES)}, got {question_type!r}'
        )
    for text, truth in QUESTION_TYPES[question_type].candidates(scene):
        if text == question:
            return truth
    raise ValueError(f'{question!r} has no clear {question_type} answer in this scene')
