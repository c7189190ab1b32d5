# SPDX-License-Identifier: MIT
"""Sixteen types of questions, derived from a :class:`~torchgeo_vqa.questions.Scene`.

A new type is a subclass of :class:`QuestionType` with a name; that is all it takes to
register it. Rules every type keeps:

* A question is asked only where its answer is clear: thresholds have a dead zone between
  'yes' and 'no' or between bins, and the answer holds whatever unknown pixels and objects
  on the edge may be.
* Directions are spoken of in fixed words only, so that a flip or rotation can rewrite them:
  'upper left', 'upper right', 'lower left', 'lower right'; 'left of', 'right of', 'above',
  'below'; and the answers 'left', 'right', 'above', 'below'.
* What is asked of a scene is asked, in rewritten words, of the rotated or flipped scene.
"""

from itertools import combinations, product
from typing import ClassVar, override

import numpy as np
from numpy.typing import NDArray

from .question import (
    QUESTION_TYPES,
    Questions,
    QuestionType,
    plural,
    with_article,
    yes_no,
)
from .scene import MIN_SHARE, QUADRANTS, Legend, Scene, SceneObject, Window, dilate

YES_NO = ('yes', 'no')


class LandCoverPresence(QuestionType):
    """Whether a class occurs; classes too small to be called present are not asked about."""

    name = 'land_cover_presence'
    templates = (
        (
            'Is there any {land_cover}?',
            'Can any {land_cover} be seen?',
            'Does the image show any {land_cover}?',
        ),
    )
    per_scene = 4

    @override
    def possible(self, legend: Legend) -> Questions:
        for c, truth in product(legend.class_names, YES_NO):
            yield self.ask(truth, land_cover=c)

    @override
    def candidates(self, scene: Scene) -> Questions:
        for c, share in zip(scene.class_names, scene.shares, strict=True):
            if share >= MIN_SHARE or share + scene.unknown == 0:
                yield self.ask(yes_no(share > 0), scene.whole, land_cover=c)


class MainLandCover(QuestionType):
    """Which class covers most, by a clear margin."""

    name = 'main_land_cover'
    templates = (
        (
            'What is the main land cover?',
            'Which land cover is the most common?',
            'Which land cover dominates the image?',
        ),
    )
    margin: ClassVar[float] = 0.08

    @override
    def possible(self, legend: Legend) -> Questions:
        for c in legend.class_names:
            yield self.ask(c)

    @override
    def candidates(self, scene: Scene) -> Questions:
        main = _main(scene.shares, scene.unknown, self.margin)
        if main is not None:
            yield self.ask(scene.class_names[main], scene.whole)


class AreaShare(QuestionType):
    """How much of the area a class covers, in bins; shares near an edge are not asked about."""

    name = 'area_share'
    templates = (
        (
            'How much of the area is {land_cover}?',
            'What share of the image is {land_cover}?',
            'What share of the area is covered by {land_cover}?',
        ),
    )
    per_scene = 4
    edges: ClassVar[tuple[float, ...]] = (0.25, 0.5, 0.75)
    bins: ClassVar = ('under 25%', '25% to 50%', '50% to 75%', 'over 75%')
    margin: ClassVar[float] = 0.035

    @override
    def possible(self, legend: Legend) -> Questions:
        for c, share in product(legend.class_names, ('none', *self.bins)):
            yield self.ask(share, land_cover=c)

    @override
    def candidates(self, scene: Scene) -> Questions:
        for c, low in zip(scene.class_names, scene.shares, strict=True):
            high = low + scene.unknown
            if high == 0:
                yield self.ask('none', scene.whole, land_cover=c)
            elif low >= MIN_SHARE and all(
                low - edge >= self.margin or edge - high >= self.margin
                for edge in self.edges
            ):
                share = self.bins[sum(low > edge for edge in self.edges)]
                yield self.ask(share, scene.whole, land_cover=c)


class LargerArea(QuestionType):
    """Which of two classes that are present covers more, by a clear margin."""

    name = 'larger_area'
    templates = (
        (
            'Which covers more, {first} or {second}?',
            'Which takes up more of the image, {first} or {second}?',
            'Which has the larger area, {first} or {second}?',
        ),
    )
    per_scene = 4
    margin: ClassVar[float] = 0.08

    @override
    def possible(self, legend: Legend) -> Questions:
        for a, b in combinations(legend.class_names, 2):
            for larger in (a, b):
                yield self.ask(larger, first=a, second=b)

    @override
    def candidates(self, scene: Scene) -> Questions:
        for a, b in combinations(scene.present, 2):
            difference = scene.shares[a] - scene.shares[b]
            if abs(difference) - scene.unknown >= self.margin:
                first, second = scene.class_names[a], scene.class_names[b]
                larger = second if difference < 0 else first
                yield self.ask(larger, scene.whole, first=first, second=second)


class LandCoverCount(QuestionType):
    """How many classes there are, if none is too small to be called present."""

    name = 'land_cover_count'
    templates = (
        (
            'How many land-cover classes are there?',
            'How many kinds of land cover does the image show?',
            'What is the number of land-cover classes?',
        ),
    )

    @override
    def possible(self, legend: Legend) -> Questions:
        for number in range(1, min(len(legend.class_names), int(1 / MIN_SHARE)) + 1):
            yield self.ask(str(number))

    @override
    def candidates(self, scene: Scene) -> Questions:
        if not scene.unknown and np.count_nonzero(scene.shares) == len(scene.present):
            yield self.ask(str(len(scene.present)), scene.whole)


class RuralUrban(QuestionType):
    """Whether the urban classes make up enough of the area."""

    name = 'rural_urban'
    templates = (
        (
            'Is this a rural or an urban area?',
            'Is the area rural or urban?',
            'Which is it, a rural or an urban area?',
        ),
    )
    rural: ClassVar[float] = 0.15
    urban: ClassVar[float] = 0.25

    @override
    def possible(self, legend: Legend) -> Questions:
        if legend.urban_classes:
            yield self.ask('rural')
            yield self.ask('urban')

    @override
    def candidates(self, scene: Scene) -> Questions:
        if not scene.urban_classes:
            return
        share_of = dict(zip(scene.class_names, scene.shares, strict=True))
        share = sum(share_of[c] for c in scene.urban_classes)
        if share + scene.unknown <= self.rural or share >= self.urban:
            yield self.ask('urban' if share >= self.urban else 'rural', scene.whole)


class QuadrantLandCover(QuestionType):
    """Which class covers most of a quadrant, by a clear margin."""

    name = 'quadrant_land_cover'
    templates = (
        (
            'What is the main land cover in the {quadrant}?',
            'Which land cover is the most common in the {quadrant}?',
            'Which land cover dominates the {quadrant}?',
        ),
    )
    per_scene = 4
    margin: ClassVar[float] = 0.2

    @override
    def possible(self, legend: Legend) -> Questions:
        for quadrant, c in product(QUADRANTS, legend.class_names):
            yield self.ask(c, quadrant=quadrant)

    @override
    def candidates(self, scene: Scene) -> Questions:
        for quadrant, part in scene.quadrants.items():
            counts, unknown = scene.count(*part)
            total = max(int(counts.sum()) + unknown, 1)
            main = _main(counts / total, unknown / total, self.margin)
            if main is not None:
                name = scene.class_names[main]
                yield self.ask(name, _window(part), quadrant=quadrant)


class ObjectQuadrant(QuestionType):
    """In which quadrant the only object of a category is, off the middle lines."""

    name = 'object_quadrant'
    templates = (
        (
            'In which quadrant is the {category}?',
            'Which quadrant holds the {category}?',
            'Which quadrant of the image is the {category} in?',
        ),
    )
    per_scene = 4
    margin: ClassVar[float] = 1

    @override
    def possible(self, legend: Legend) -> Questions:
        for category, quadrant in product(legend.categories, QUADRANTS):
            yield self.ask(quadrant, category=category)

    @override
    def candidates(self, scene: Scene) -> Questions:
        row, column = scene.shape[0] / 2, scene.shape[1] / 2
        for obj in _only_objects(scene):
            upper, lower = obj.bottom + self.margin <= row, obj.top - self.margin >= row
            left = obj.right + self.margin <= column
            right = obj.left - self.margin >= column
            if (upper or lower) and (left or right):
                quadrant = QUADRANTS[2 * lower + right]
                yield self.ask(quadrant, scene.whole, category=obj.category)


class ObjectRelation(QuestionType):
    """Where one object is relative to another, both the only ones of their category."""

    name = 'object_relation'
    templates = (
        (
            'Is the {first} {relation} the {second}?',
            'Does the {first} lie {relation} the {second}?',
            'Is it true that the {first} is {relation} the {second}?',
        ),
        (
            'Where is the {first} relative to the {second}?',
            'Where does the {first} lie relative to the {second}?',
            'Seen from the {second}, where is the {first}?',
        ),
    )
    per_scene = 8
    # centres this far apart along an axis are clearly on one side of each other
    margin: ClassVar[float] = 14
    # one axis must outweigh the other by this factor to give *the* direction
    dominance: ClassVar[float] = 1.5

    @override
    def possible(self, legend: Legend) -> Questions:
        for a, b in combinations(legend.categories, 2):
            relations = ('left of', 'right of', 'above', 'below')
            for relation, truth in product(relations, YES_NO):
                yield self.ask(truth, first=a, second=b, relation=relation)
            for side in ('left', 'right', 'above', 'below'):
                yield self.ask(side, template=1, first=a, second=b)

    @override
    def candidates(self, scene: Scene) -> Questions:
        for a, b in combinations(_only_objects(scene), 2):
            down, right = a.center[0] - b.center[0], a.center[1] - b.center[1]
            slots = {'first': a.category, 'second': b.category}
            relations: dict[str, bool] = {}
            if abs(right) >= self.margin:
                relations |= {'left of': right < 0, 'right of': right > 0}
            if abs(down) >= self.margin:
                relations |= {'above': down < 0, 'below': down > 0}
            for relation, truth in relations.items():
                yield self.ask(
                    yes_no(truth), scene.whole, 0, relation=relation, **slots
                )
            if abs(right) >= max(self.margin, self.dominance * abs(down)):
                side = 'left' if right < 0 else 'right'
                yield self.ask(side, scene.whole, template=1, **slots)
            if abs(down) >= max(self.margin, self.dominance * abs(right)):
                side = 'above' if down < 0 else 'below'
                yield self.ask(side, scene.whole, template=1, **slots)


class ObjectSurroundings(QuestionType):
    """Which class makes up most of the ring around the only object of a category."""

    name = 'object_surroundings'
    templates = (
        (
            'Which land cover is around the {category}?',
            'Which land cover surrounds the {category}?',
            'What is the land cover around the {category}?',
        ),
    )
    radius: ClassVar[int] = 4
    majority: ClassVar[float] = 0.65

    @override
    def possible(self, legend: Legend) -> Questions:
        for category, c in product(legend.categories, legend.class_names):
            yield self.ask(c, category=category)

    @override
    def candidates(self, scene: Scene) -> Questions:
        for obj in _only_objects(scene):
            outer = obj.window(self.radius, scene.shape)
            counts, unknown = scene.count(*outer)
            inner_counts, inner_unknown = scene.count(*obj.window(0, scene.shape))
            ring = counts - inner_counts
            total = ring.sum() + unknown - inner_unknown
            if ring.max() >= self.majority * total > 0:
                name = scene.class_names[int(ring.argmax())]
                yield self.ask(name, _window(outer), category=obj.category)


class ObjectPresence(QuestionType):
    """Whether there is an object of a category."""

    name = 'object_presence'
    templates = (
        (
            'Is there {a_category}?',
            'Can {a_category} be seen?',
            'Does the image show {a_category}?',
        ),
    )
    per_scene = 4

    @override
    def possible(self, legend: Legend) -> Questions:
        for category, truth in product(legend.categories, YES_NO):
            yield self.ask(truth, a_category=with_article(category))

    @override
    def candidates(self, scene: Scene) -> Questions:
        for category, objects in scene.by_category.items():
            if objects or category not in scene.partial:
                truth = yes_no(bool(objects))
                yield self.ask(truth, scene.whole, a_category=with_article(category))


class ObjectCount(QuestionType):
    """How many objects of a category there are, if a glance is enough to count them."""

    name = 'object_count'
    templates = (
        (
            'How many {categories} are there?',
            'How many {categories} can be seen?',
            'What is the number of {categories}?',
        ),
    )
    per_scene = 4
    maximum: ClassVar[int] = 4

    @override
    def possible(self, legend: Legend) -> Questions:
        for category, number in product(legend.categories, range(self.maximum + 1)):
            yield self.ask(str(number), categories=plural(category))

    @override
    def candidates(self, scene: Scene) -> Questions:
        for category, objects in scene.by_category.items():
            if len(objects) <= self.maximum and category not in scene.partial:
                number = str(len(objects))
                yield self.ask(number, scene.whole, categories=plural(category))


class MoreFrequent(QuestionType):
    """Of which of two categories there are more."""

    name = 'more_frequent'
    templates = (
        (
            'Are there more {first} or {second}?',
            'Which are there more of, {first} or {second}?',
            'Which are more numerous, {first} or {second}?',
        ),
    )
    per_scene = 4

    @override
    def possible(self, legend: Legend) -> Questions:
        for a, b in combinations(map(plural, legend.categories), 2):
            for more in (a, b):
                yield self.ask(more, first=a, second=b)

    @override
    def candidates(self, scene: Scene) -> Questions:
        for a, b in combinations(scene.categories, 2):
            difference = len(scene.by_category[a]) - len(scene.by_category[b])
            if difference and not {a, b} & scene.partial:
                names = plural(a), plural(b)
                more = names[int(difference < 0)]
                yield self.ask(more, scene.whole, first=names[0], second=names[1])


class Adjacency(QuestionType):
    """Whether two classes that are present share a border; a near miss is not asked about."""

    name = 'adjacency'
    templates = (
        (
            'Does {first} border {second}?',
            'Do {first} and {second} touch?',
            'Is there a border between {first} and {second}?',
        ),
    )
    per_scene = 4
    # length of a common border in pixel edges, and width of a clear gap in pixels
    contact: ClassVar[int] = 8
    gap: ClassVar[int] = 4

    @override
    def possible(self, legend: Legend) -> Questions:
        pairs = combinations(legend.class_names, 2)
        for (a, b), truth in product(pairs, YES_NO):
            yield self.ask(truth, first=a, second=b)

    @override
    def candidates(self, scene: Scene) -> Questions:
        num = len(scene.class_names)
        # unknown pixels count as one more class
        label = np.minimum(scene.label, num)
        edges = np.zeros((num + 1, num + 1), np.intp)
        np.add.at(edges, (label[1:], label[:-1]), 1)
        np.add.at(edges, (label[:, 1:], label[:, :-1]), 1)
        border = edges + edges.T
        masks = {c: label == c for c in scene.present}
        grown = {c: dilate(mask, self.gap) for c, mask in masks.items()}
        for a, b in combinations(scene.present, 2):
            near = bool((grown[a] & masks[b]).any())
            # they might meet where the map knows nothing
            if border[a, b] >= self.contact or not (near or scene.unknown):
                first, second = scene.class_names[a], scene.class_names[b]
                yield self.ask(yes_no(near), scene.whole, first=first, second=second)


class ObjectsNearLandCover(QuestionType):
    """Whether any object of a category is near a class that is present."""

    name = 'objects_near_land_cover'
    templates = (
        (
            'Is there {a_category} near {land_cover}?',
            'Can {a_category} be seen close to {land_cover}?',
            'Does the image show {a_category} near {land_cover}?',
        ),
    )
    per_scene = 6
    # a class pixel within `near` of the box is near, none within `far` is not near
    near: ClassVar[int] = 3
    far: ClassVar[int] = 12

    @override
    def possible(self, legend: Legend) -> Questions:
        slots = product(legend.categories, legend.class_names, YES_NO)
        for category, c, truth in slots:
            yield self.ask(truth, a_category=with_article(category), land_cover=c)

    @override
    def candidates(self, scene: Scene) -> Questions:
        for category, objects in scene.by_category.items():
            if not objects:
                continue
            near, around = (
                [scene.count(*o.window(margin, scene.shape)) for o in objects]
                for margin in (self.near, self.far)
            )
            is_near = np.any([counts for counts, _ in near], axis=0)
            is_far = ~np.any([counts for counts, _ in around], axis=0)
            if category in scene.partial or any(unknown for _, unknown in around):
                is_far[:] = False
            a_category = with_article(category)
            for c in scene.present:
                if is_near[c] or is_far[c]:
                    slots = {
                        'a_category': a_category,
                        'land_cover': scene.class_names[c],
                    }
                    yield self.ask(yes_no(is_near[c]), scene.whole, 0, **slots)


class ModalityQuality(QuestionType):
    """What degrades the optical image, and which image to trust in a quadrant."""

    name = 'modality_quality'
    templates = (
        (
            'What degrades the optical image?',
            'What spoils the optical image?',
            'What is wrong with the optical image?',
        ),
        (
            'Which image is more reliable in the {quadrant}, optical or SAR?',
            'Which image can be trusted more in the {quadrant}, optical or SAR?',
            'Which image shows the {quadrant} better, optical or SAR?',
        ),
    )
    per_scene = 4
    # share of unusable optical pixels below and above which the answer is clear
    little: ClassVar[float] = 0.1
    much: ClassVar[float] = 0.6
    causes: ClassVar = {'clear': 'nothing', 'cloudy': 'clouds', 'dark': 'darkness'}

    @override
    def possible(self, legend: Legend) -> Questions:
        if not legend.quality:
            return
        for cause in self.causes.values():
            yield self.ask(cause)
        for quadrant, image in product(QUADRANTS, ('optical', 'SAR')):
            yield self.ask(image, template=1, quadrant=quadrant)

    @override
    def candidates(self, scene: Scene) -> Questions:
        if scene.quality is None or scene.condition is None:
            return
        spoilt = scene.quality > 0
        # one cause, not clouds here and darkness there
        alone = len(np.unique(scene.quality[spoilt])) == 1
        if not spoilt.any() or (alone and spoilt.mean() >= self.little):
            yield self.ask(self.causes[scene.condition], scene.whole)
        for quadrant, part in scene.quadrants.items():
            share = spoilt[part].mean() if spoilt[part].size else 0.5
            if share <= self.little or share >= self.much:
                image = 'SAR' if share >= self.much else 'optical'
                yield self.ask(image, _window(part), template=1, quadrant=quadrant)


#: Names of the sixteen types, whatever else is registered later.
TYPES = tuple(sorted(QUESTION_TYPES))


def _main(shares: NDArray[np.float64], unknown: float, margin: float) -> int | None:
    """Class that covers most, by a margin, whatever the unknown pixels are; None if none does."""
    first = int(shares.argmax())
    second = np.delete(shares, first).max(initial=0.0)
    # subtracted one after the other, as it always was: rounding decides ties
    return first if shares[first] - second - unknown >= margin else None


def _window(part: tuple[slice, slice]) -> Window:
    """Window of rows and columns."""
    rows, columns = part
    return rows.start, columns.start, rows.stop, columns.stop


def _only_objects(scene: Scene) -> list[SceneObject]:
    """Objects that are the only ones of their category, so that 'the ship' says which."""
    return [
        objects[0]
        for category, objects in scene.by_category.items()
        if len(objects) == 1 and category not in scene.partial
    ]
