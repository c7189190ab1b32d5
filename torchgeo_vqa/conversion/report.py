# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""What became of the rows of question files."""

import csv
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..sample import SPLITS
from .row import Refusal


@dataclass
class Report:
    """What became of the rows of question files.

    Attributes:
        num_rows: Number of rows read.
        num_images: Number of images with a question, by split.
        num_questions: Number of rows taken, by split.
        question_types: Number of rows taken, by question type.
        refused: Number of rows not taken, by reason.
        examples: The first row of each reason.
        notes: What else there is to know.
    """

    num_rows: int = 0
    num_images: Counter[str] = field(default_factory=Counter)
    num_questions: Counter[str] = field(default_factory=Counter)
    question_types: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Refusal] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def num_taken(self) -> int:
        """Number of rows taken."""
        return self.num_questions.total()

    def refuse(self, refusal: Refusal) -> None:
        """Count a row that cannot be taken.

        Args:
            refusal: The row.
        """
        self.refused[refusal.reason] += 1
        self.examples.setdefault(refusal.reason, refusal)

    def reasons(self) -> str:
        """Put the reasons in words.

        Returns:
            A line per reason, the most frequent first.
        """
        lines = []
        for reason, count in self.refused.most_common():
            first = self.examples[reason]
            place = f'{first.file}:{first.number}'
            lines.append(f'  {reason}: {count}, first at {place}: {first.detail}')
        return '\n'.join(lines)

    def __str__(self) -> str:
        """Put the report in words.

        Returns:
            Several lines.
        """
        lines = [f'{self.num_taken} of {self.num_rows} rows taken']
        lines += [
            f'  {split}: {self.num_questions[split]} questions about '
            f'{self.num_images[split]} images'
            for split in SPLITS
        ]
        types = sorted(self.question_types.items())
        lines.append('question types: ' + ', '.join(f'{t} {n}' for t, n in types))
        if self.refused:
            lines += [f'{self.refused.total()} rows refused', self.reasons()]
        return '\n'.join([*lines, *self.notes])

    def summary(self) -> dict[str, object]:
        """Return the numbers.

        Returns:
            An object to be written as JSON.
        """
        return {
            'rows': self.num_rows,
            'taken': self.num_taken,
            'images': {split: self.num_images[split] for split in SPLITS},
            'questions': {split: self.num_questions[split] for split in SPLITS},
            'question_types': dict(sorted(self.question_types.items())),
            'refused': dict(self.refused.most_common()),
            'notes': self.notes,
        }


@contextmanager
def written(report: Report, path: Path | None) -> Iterator[Callable[[Refusal], None]]:
    """Write refused rows to a file, which appears when all have been counted.

    Args:
        report: Counts them.
        path: File ending in .csv, a row for each refused one, or in .json, an object that
            also holds the report's numbers. None only counts.

    Yields:
        A function that takes the next refused row.

    Raises:
        FileExistsError: If the file exists.
        ValueError: If it ends in something else.
    """
    if path is None:
        yield report.refuse
        return
    verify(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f'.{path.name}-', dir=path.parent)
    try:
        with open(handle, 'w', encoding='utf-8', newline='') as file:
            if path.suffix == '.csv':
                writer = csv.writer(file, lineterminator='\n')
                writer.writerow(Refusal._fields)

                def refuse(refusal: Refusal) -> None:
                    report.refuse(refusal)
                    writer.writerow(refusal)

                yield refuse
            else:
                separator = '{"refused": ['

                def refuse(refusal: Refusal) -> None:
                    nonlocal separator
                    report.refuse(refusal)
                    row = json.dumps(refusal._asdict(), ensure_ascii=False)
                    file.write(f'{separator}\n{row}')
                    separator = ','

                yield refuse
                if separator != ',':
                    file.write(separator)
                summary = json.dumps(report.summary(), ensure_ascii=False, indent=1)
                file.write(f'\n],\n"summary": {summary}}}\n')
        os.chmod(temporary, path.parent.stat().st_mode & 0o666)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def verify(path: Path) -> None:
    """Raise an error if a report cannot be written there.

    Args:
        path: File of the report.

    Raises:
        FileExistsError: If it exists.
        ValueError: If it ends in neither .csv nor .json.
    """
    if path.suffix not in ('.csv', '.json'):
        raise ValueError(f'a report must end in .csv or .json, got {path}')
    if path.exists():
        raise FileExistsError(f'{path} exists; remove it or name another report')
