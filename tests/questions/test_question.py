# SPDX-License-Identifier: MIT
"""Question and QuestionType, and English nouns."""

import hashlib
import json

import pytest

from torchgeo_vqa.questions import (
    QUESTION_TYPES,
    Legend,
    QuestionType,
    plural,
    possible,
    with_article,
)


def test_wordings_are_tuples() -> None:
    with pytest.raises(TypeError, match=r"Oops.templates .* got \('Is it\?',\)"):

        class Oops(QuestionType):
            name = 'oops'
            templates = ('Is it?',)  # type: ignore[assignment]

    assert 'oops' not in QUESTION_TYPES


@pytest.mark.parametrize(
    ('noun', 'many', 'one'),
    [
        # of the embedded sample, whose texts must stay
        ('ship', 'ships', 'a ship'),
        ('bridge', 'bridges', 'a bridge'),
        ('building', 'buildings', 'a building'),
        ('storage tank', 'storage tanks', 'a storage tank'),
        ('bus', 'buses', 'a bus'),
        ('quarry', 'quarries', 'a quarry'),
        ('railway', 'railways', 'a railway'),
        ('airport', 'airports', 'an airport'),
        ('aircraft', 'aircraft', 'an aircraft'),
        ('university', 'universities', 'a university'),
        ('hour', 'hours', 'an hour'),
        ('place of worship', 'places of worship', 'a place of worship'),
        ('wharf', 'wharves', 'a wharf'),
        ('fishing vessel', 'fishing vessels', 'a fishing vessel'),
        ('SUV', 'SUVs', 'a SUV'),
        ('MRI unit', 'MRI units', 'an MRI unit'),
        ('type 4', 'type 4s', 'a type 4'),
    ],
)
def test_nouns(noun: str, many: str, one: str) -> None:
    assert plural(noun) == many
    assert with_article(noun) == one


def test_texts_stay_as_they_are() -> None:
    """Models have learned these texts, and datasets hold them."""
    names = ('water', 'trees', 'built-up land', 'bare ground')
    categories = ('ship', 'bridge', 'building', 'storage tank')
    questions = possible(Legend(names, categories, ('built-up land',), True))
    assert len(questions) == 265
    digest = hashlib.md5(json.dumps(questions).encode(), usedforsecurity=False)
    assert digest.hexdigest() == '970d05c947a06e10ceaaf532e1d3b927'
