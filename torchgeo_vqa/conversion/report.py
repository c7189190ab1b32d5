# SPDX-License-Identifier: MIT
"""What became of the rows of question files."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ..sample import SPLITS
from ..storage import whole_file


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


@dataclass
class Report:
    """What became of the rows of question files.

    Attributes:
        num_rows: Number of rows read.
        num_images: Number of images with a question, by split.
        num_questions: Number of rows taken, by split.
        question_types: Number of rows taken, by question type.
        rejected: Number of rows not taken, by reason.
        examples: The first row of each reason.
        notes: What else there is to know.
    """

    num_rows: int = 0
    num_images: Counter[str] = field(default_factory=Counter)
    num_questions: Counter[str] = field(default_factory=Counter)
    question_types: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    examples: dict[str, RejectedRow] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def num_taken(self) -> int:
        """Number of rows taken."""
        return self.num_questions.total()

    def reject(self, row: RejectedRow) -> None:
        """Count a row that cannot be taken."""
        self.rejected[row.reason] += 1
        self.examples.setdefault(row.reason, row)

    def reasons(self) -> str:
        """Describe the reasons, a line for each, the most frequent first."""
        return '\n'.join(
            f'  {reason}: {count}, first at {first.file}:{first.number}: {first.detail}'
            for reason, count in self.rejected.most_common()
            for first in [self.examples[reason]]
        )

    def __str__(self) -> str:
        """Describe the report in several lines."""
        lines = [f'{self.num_taken} of {self.num_rows} rows taken']
        lines += [
            f'  {split}: {self.num_questions[split]} questions about '
            f'{self.num_images[split]} images'
            for split in SPLITS
        ]
        types = sorted(self.question_types.items())
        lines.append('question types: ' + ', '.join(f'{t} {n}' for t, n in types))
        if self.rejected:
            lines += [f'{self.rejected.total()} rows rejected', self.reasons()]
        return '\n'.join([*lines, *self.notes])

    def summary(self) -> dict[str, object]:
        """Return the numbers, an object to be written as JSON."""
        return {
            'rows': self.num_rows,
            'taken': self.num_taken,
            'images': {split: self.num_images[split] for split in SPLITS},
            'questions': {split: self.num_questions[split] for split in SPLITS},
            'question_types': dict(sorted(self.question_types.items())),
            'rejected': dict(self.rejected.most_common()),
            'notes': self.notes,
        }


@contextmanager
def written(
    report: Report, path: Path | None
) -> Iterator[Callable[[RejectedRow], None]]:
    """Write rejected rows to a file, which appears when all have been counted.

    A .csv file has a row for each, a .json file also holds the numbers of the report; None
    only counts. Yield a function that takes the next rejected row.
    """
    if path is None:
        yield report.reject
        return
    with (
        whole_file(path) as temporary,
        temporary.open('w', encoding='utf-8', newline='') as file,
    ):
        writer = csv.writer(file, lineterminator='\n')
        if path.suffix == '.csv':
            writer.writerow(RejectedRow._fields)
        else:
            file.write('{"rejected": [')

        def reject(row: RejectedRow) -> None:
            if path.suffix == '.csv':
                writer.writerow(row)
            else:
                cells = json.dumps(row._asdict(), ensure_ascii=False)
                file.write(f',\n{cells}' if report.rejected else f'\n{cells}')
            report.reject(row)

        yield reject
        if path.suffix == '.json':
            summary = json.dumps(report.summary(), ensure_ascii=False, indent=1)
            file.write(f'\n],\n"summary": {summary}}}\n')
