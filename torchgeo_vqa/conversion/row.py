# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Rows of question files, and what is wrong with some of them."""

from typing import NamedTuple


class Row(NamedTuple):
    """A question about an image; *split* is '' if the file has none, *number* as below."""

    file: str
    number: int
    image: str
    question_type: str
    question: str
    answer: str
    split: str


class RejectedRow(NamedTuple):
    """A row that cannot be taken, and why."""

    #: File that holds it.
    file: str
    #: Line in the file, counted from 1; in a JSON list, position counted from 0.
    number: int
    #: Name of its image, if it has one.
    image: str
    #: What is wrong, the same words for all such rows.
    reason: str
    #: What is wrong with this row.
    detail: str
