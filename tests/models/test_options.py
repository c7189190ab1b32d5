# SPDX-License-Identifier: MIT
"""Tests of options that are handed on."""

import inspect
from typing import Any

from torchgeo_vqa.models.options import options_of, take_options


def part(image: str, *, size: int, depth: int = 2) -> tuple[int, int]:
    return size, depth


@options_of(part, defaults={'size': 8})
def build(num_answers: int, depth: int = 3, **options: Any) -> Any:
    return part('', depth=depth, **options)


def test_signature() -> None:
    """Own options first; of the part's, those that it does not need by position."""
    signature = inspect.signature(build)
    defaults = {n: p.default for n, p in signature.parameters.items()}
    assert defaults == {'num_answers': inspect.Parameter.empty, 'depth': 3, 'size': 8}
    signature.bind(3, size=4)
    assert build(3, size=4) == (4, 3)


def test_take_options() -> None:
    options = {'size': 1, 'other': 2}
    assert take_options(options, part) == {'size': 1}
    assert options == {'other': 2}
