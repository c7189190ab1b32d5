# SPDX-License-Identifier: MIT
"""Selection of the rows that are taken, and of the split of each."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from ..annotations.rsvqa_file import INACTIVE
from ..annotations.split_draw import verify_fractions
from ..sample import SPLITS, TITLES
from .image_folder import ImageFolder, target_name
from .question_file import QuestionFile, Row
from .report import RejectedRow, Report

#: Why an image cannot be taken: reason and detail.
Problem = tuple[str, str]

_SOURCES = {'column': 'of the rows', 'file': 'of the files', 'draw': 'drawn by image'}


@dataclass(frozen=True)
class SplitRule:
    """Where the splits come from.

    Attributes:
        split: Where the split comes from: the 'column', the name of the 'file' (such as
            train_questions.csv), or a 'draw' of images. 'auto' takes the first of the
            three that there is.
        fractions: Shares of the images drawn for training, validation and test.
        seed: Seed of the draw.
    """

    split: Literal['auto', 'column', 'file', 'draw'] = 'auto'
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise a ValueError if a value is out of its range."""
        verify_fractions(self.fractions)
        if self.split not in ('auto', *_SOURCES):
            raise ValueError(
                f'split must be auto, column, file or draw, got {self.split!r}'
            )
        if self.seed < 0:
            raise ValueError(f'seed must not be negative, got {self.seed}')

    def source(self, has_column: bool, files: Sequence[QuestionFile]) -> str:
        """Decide whether splits come from the 'column', the 'file' or a 'draw'.

        Raise a ValueError if the files do not have what is asked for.
        """
        nameless = [str(file.path) for file in files if file.split is None]
        if self.split == 'auto':
            return 'column' if has_column else 'draw' if nameless else 'file'
        if self.split == 'column' and not has_column:
            raise ValueError(
                'no row has a split; name the column with --split_column, or choose '
                '--split draw'
            )
        if self.split == 'file' and nameless:
            raise ValueError(
                f'the name of {nameless[0]} has no split: train, val or test must '
                'be a word of it; or choose --split draw'
            )
        return self.split


@dataclass
class Selection:
    """Takes or rejects rows, one after the other."""

    #: Folder of the images of each modality.
    folders: Mapping[str, ImageFolder]
    #: Images that cannot be taken, and why.
    problems: Mapping[str, Problem]
    #: Where splits come from: 'column', 'file' or 'draw'; if drawn, the split of each image.
    source: str
    drawn: Mapping[str, str]
    keep_duplicates: bool
    #: Split of each image with a row taken.
    split_of: dict[str, str] = field(default_factory=dict)
    # Digests, since a million rows of text would not be small
    _seen: set[bytes] = field(default_factory=set)

    def taken(
        self,
        files: Sequence[QuestionFile],
        report: Report,
        reject: Callable[[RejectedRow], None],
    ) -> Iterator[tuple[str, list[str]]]:
        """Yield the split and the annotation of every row that is taken.

        What becomes of the rows is counted in *report*, and *reject* is called with the others.
        """
        first = next(iter(self.folders.values()))
        stubs = 0
        for file in files:
            for row in file.rows():
                if isinstance(row, RejectedRow) and row.reason == INACTIVE:
                    stubs += 1
                    continue
                report.num_rows += 1
                if isinstance(row, Row):
                    row = self._accept(row, file)
                if isinstance(row, RejectedRow):
                    reject(row)
                    continue
                report.num_questions[row.split] += 1
                report.question_types[row.question_type] += 1
                # With an extension: a name may hold another
                image = target_name(first.path(row.image).relative_to(first.root))
                yield row.split, [image, row.question_type, row.question, row.answer]
        if stubs:
            report.notes.append(f'{stubs} inactive stubs are no questions')
        self._complete(report)

    def _accept(self, row: Row, file: QuestionFile) -> Row | RejectedRow:
        """Return a row with its split and the name of its image, or why it is rejected."""
        rejected = partial(RejectedRow, row.file, row.number, row.image)
        name = find_image(row.image, self.folders)
        if name is None:
            roots = ' or '.join(str(folder.root) for folder in self.folders.values())
            return rejected('missing image', f'no image {row.image!r} in {roots}')
        if name in self.problems:
            return rejected(*self.problems[name])
        splits = {'draw': self.drawn.get(name), 'file': file.split, 'column': row.split}
        split = splits[self.source]
        if split not in SPLITS:
            detail = f'split must be one of {SPLITS}, got {split or ""!r}'
            return rejected('unknown split', detail)
        other = self.split_of.get(name, split)
        if other != split:
            detail = f'{name} is in {other}, and here in {split}'
            return rejected('image in two splits', detail)
        text = json.dumps([name, row.question_type, row.question, row.answer])
        digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
        if digest in self._seen and not self.keep_duplicates:
            return rejected('duplicate', f'{row.question!r} occurs before')
        self._seen.add(digest)
        self.split_of[name] = split
        return row._replace(image=name, split=split)

    def _complete(self, report: Report) -> None:
        """Add the images and the notes to a report."""
        report.num_images.update(self.split_of.values())
        report.notes.append(f'splits: {_SOURCES[self.source]}')
        report.notes += [
            f'{split} has no questions, so there is no file of it'
            for split in SPLITS
            if split not in report.num_images
        ]
        report.notes += [
            f'{unused} {noun(modality)} images without a question stay behind'
            for modality, folder in self.folders.items()
            if (unused := len(folder.files) - len(self.split_of))
        ]


def find_image(name: str, folders: Mapping[str, ImageFolder]) -> str | None:
    """Find an image in the first folder that has it; return its name without extension."""
    found = (folder.find(name) for folder in folders.values())
    return next((name for name in found if name is not None), None)


def noun(modality: str) -> str:
    """Return what a modality is called within a sentence."""
    return modality if modality == 'optical' else TITLES[modality]
