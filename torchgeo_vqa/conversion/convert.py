# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Conversion of question files and image folders into the layout of OSVQA's release."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from ..annotations.layout import Layout
from ..annotations.split_draw import draw_splits, verify_fractions
from ..rasters.image_file import ImageFile
from ..rasters.pairing import Files, find_misfits
from ..sample import SPLITS
from .image_folder import ImageFolder, Transfer, check, target_name
from .question_file import INACTIVE, Columns, QuestionFile
from .report import Report, verify, written
from .row import Refusal, Row

_FOLDERS = {'optical': 'images/rgb', 'sar': 'images/sar'}
_NAMES = {'optical': 'optical', 'sar': 'SAR'}

# Why an image cannot be taken: reason and detail
_Problem = tuple[str, str]


def convert(
    questions: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    optical: str | os.PathLike[str] | None = None,
    sar: str | os.PathLike[str] | None = None,
    image_column: str | None = None,
    question_column: str | None = None,
    answer_column: str | None = None,
    question_type_column: str | None = None,
    split_column: str | None = None,
    question_type: str = 'question',
    split: Literal['auto', 'column', 'file', 'draw'] = 'auto',
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    duplicates: Literal['refuse', 'keep'] = 'refuse',
    transfer: Transfer = 'copy',
    encoding: str = 'utf-8-sig',
    delimiter: str = ',',
    report: str | os.PathLike[str] | None = None,
    dry_run: bool = False,
) -> Report:
    """Bring your own questions and images into the layout of OSVQA's release.

    The folder appears only when it is complete, and OSVQA reads it as it is. Images that
    no question is about stay behind.

    Args:
        questions: Question files: tables (.csv, .tsv) with a header, JSON lines (.jsonl,
            .ndjson), JSON lists (.json) of objects or of [image_name, question_type,
            question, answer], or RSVQA's <name>_questions.json with <name>_images.json
            and <name>_answers.json beside it.
        output: Folder to create.
        optical: Folder of the optical images. Images may lie in sub-folders.
        sar: Folder of the SAR images, named as the optical ones.
        image_column: Column of the image's name (defaults to 'image'; for RSVQA's files
            the key of an image, which defaults to 'id').
        question_column: Column of the question (defaults to 'question').
        answer_column: Column of the answer (defaults to 'answer').
        question_type_column: Column of the question's type (defaults to 'question_type',
            if there is such a column).
        split_column: Column of the split (defaults to 'split', if there is such a
            column).
        question_type: Type of questions whose type is not told.
        split: Where the split comes from: the 'column', the name of the 'file' (such as
            train_questions.csv), or a 'draw' of images. 'auto' takes the first of the
            three that there is.
        fractions: Shares of the images drawn for training, validation and test.
        seed: Seed of the draw.
        duplicates: Whether to 'refuse' or 'keep' a question that stands there before, with
            the same image, type and answer.
        transfer: Whether to 'copy' images, or to make a 'hardlink' or a 'symlink'.
        encoding: Encoding of the question files.
        delimiter: What separates the cells of .csv files.
        report: File for the rows that are not taken, .csv, or .json with a summary
            (defaults to refused.csv in the output folder).
        dry_run: Whether to say what would be done, and to write the report only if it is
            named.

    Returns:
        What became of the rows.

    Raises:
        FileExistsError: If *output* or *report* exists.
        FileNotFoundError: If a file or folder does not exist.
        OSError: If a file cannot be read or written.
        ValueError: If an argument is invalid, a file is none of questions, or no row can
            be taken.
    """
    output = Path(output)
    _verify(output, fractions, split, seed)
    if report is not None:
        verify(Path(report))
    folders = {
        modality: ImageFolder(Path(folder))
        for modality, folder in (('optical', optical), ('sar', sar))
        if folder is not None
    }
    if not folders:
        raise ValueError('name a folder of images: optical, sar or both')
    columns = Columns(
        image_column, question_column, answer_column, question_type_column, split_column
    )
    files = [
        QuestionFile(Path(path), columns, question_type, encoding, delimiter)
        for path in dict.fromkeys(os.fspath(path) for path in questions)
    ]
    if not files:
        raise ValueError('name a question file')

    names, has_split = _survey(files, folders)
    problems = _check_images(names, folders)
    source = _split_source(split, has_split or split_column is not None, files)
    drawn: dict[str, str] | None = None
    if source == 'draw':
        drawn = draw_splits(sorted(names - problems.keys()), fractions, seed)

    result = Report()
    selection = _Selection(folders, problems, source, drawn, duplicates == 'keep')
    if dry_run:
        with written(result, None if report is None else Path(report)) as refuse:
            for _ in selection.taken(files, result, refuse):
                pass
            _finish(result, source, selection.split_of, folders)
        _verify_taken(result, files)
        return result

    output.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f'.{output.name}-', dir=output.parent))
    try:
        path = building / 'refused.csv' if report is None else Path(report)
        with written(result, path) as refuse:
            _write_annotations(building, selection.taken(files, result, refuse))
            _finish(result, source, selection.split_of, folders)
        _verify_taken(result, files)
        for modality, folder in folders.items():
            target = building / _FOLDERS[modality]
            for name in tqdm(
                selection.split_of, f'{_NAMES[modality]} images', disable=None
            ):
                folder.transfer(name, target, transfer)
        # mkdtemp makes it private; a dataset folder is as open as any other
        building.chmod(output.parent.stat().st_mode & 0o777)
        if output.exists():
            raise FileExistsError(f'{output} has appeared meanwhile')
        building.rename(output)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return result


def _verify(output: Path, fractions: Sequence[float], split: str, seed: int) -> None:
    """Check arguments that need no file."""
    if os.path.lexists(output):
        raise FileExistsError(f'{output} exists; remove it or choose another folder')
    verify_fractions(fractions)
    if split not in ('auto', 'column', 'file', 'draw'):
        raise ValueError(f'split must be auto, column, file or draw, got {split!r}')
    if seed < 0:
        raise ValueError(f'seed must not be negative, got {seed}')


def _find(name: str, folders: Mapping[str, ImageFolder]) -> str | None:
    """Find an image in the first folder that has it."""
    found = (folder.find(name) for folder in folders.values())
    return next((name for name in found if name is not None), None)


def _survey(
    files: Sequence[QuestionFile], folders: Mapping[str, ImageFolder]
) -> tuple[set[str], bool]:
    """List the images that are asked about, and tell whether rows tell their split."""
    names: set[str] = set()
    has_split = False
    for file in files:
        for row in file.rows():
            if isinstance(row, Row):
                has_split |= row.split is not None
                name = _find(row.image, folders)
                if name is not None:
                    names.add(name)
    return names, has_split


def _split_source(split: str, has_split: bool, files: Sequence[QuestionFile]) -> str:
    """Decide where splits come from."""
    untold = [str(file.path) for file in files if file.split is None]
    if split == 'auto':
        return 'column' if has_split else 'draw' if untold else 'file'
    if split == 'column' and not has_split:
        raise ValueError(
            'no row tells its split; name the column with --split_column, or choose '
            '--split draw'
        )
    if split == 'file' and untold:
        raise ValueError(
            f'the name of {untold[0]} does not tell its split: train, val or test must be '
            'a word of it; or choose --split draw'
        )
    return split


def _check_images(
    names: set[str], folders: Mapping[str, ImageFolder]
) -> dict[str, _Problem]:
    """Read all images, and tell what is wrong with those that cannot be taken."""
    problems: dict[str, _Problem] = {}
    pairs: dict[str, Files] = {}
    for name in tqdm(sorted(names), 'Checking images', disable=None):
        pair: Files = {}
        for modality, folder in folders.items():
            noun = f'{_NAMES[modality]} image'
            try:
                path = folder.path(name)
                check(path)
                pair[modality] = ImageFile.open(str(path))
            except FileNotFoundError as error:
                problems.setdefault(name, (f'missing {noun}', str(error)))
            except ValueError as error:
                problems.setdefault(name, (f'ambiguous {noun}', str(error)))
            except OSError as error:
                problems.setdefault(name, (f'unreadable {noun}', str(error)))
        if name not in problems:
            pairs[name] = pair
    misfits, _, _ = find_misfits(pairs, list(folders))
    return problems | {n: ('unfit image', str(error)) for n, error in misfits.items()}


class _Selection:
    """Decides which rows are taken."""

    def __init__(
        self,
        folders: Mapping[str, ImageFolder],
        problems: Mapping[str, _Problem],
        source: str,
        drawn: Mapping[str, str] | None,
        keep_duplicates: bool,
    ) -> None:
        self.folders = folders
        self.problems = problems
        self.source = source
        self.drawn = drawn
        self.keep_duplicates = keep_duplicates
        #: Split of each image with a row taken.
        self.split_of: dict[str, str] = {}
        # Digests, since a million rows of text would not be small
        self._seen: set[bytes] = set()

    def taken(
        self,
        files: Sequence[QuestionFile],
        report: Report,
        refuse: Callable[[Refusal], None],
    ) -> Iterator[tuple[str, list[str]]]:
        """Yield the split and the annotation of every row that is taken."""
        first = next(iter(self.folders.values()))
        stubs = 0
        for file in files:
            for row in file.rows():
                if isinstance(row, Refusal) and row.reason == INACTIVE:
                    stubs += 1
                    continue
                report.num_rows += 1
                accepted = row if isinstance(row, Refusal) else self._accept(row, file)
                if isinstance(accepted, Refusal):
                    refuse(accepted)
                    continue
                assert isinstance(row, Row)
                split, name = accepted
                report.num_questions[split] += 1
                report.question_types[row.question_type] += 1
                # With an extension: a name may hold another
                image = target_name(first.path(name).relative_to(first.root))
                yield split, [image, row.question_type, row.question, row.answer]
        if stubs:
            report.notes.append(f'{stubs} inactive stubs are no questions')

    def _accept(self, row: Row, file: QuestionFile) -> tuple[str, str] | Refusal:
        """Decide on a row: its split and the name of its image, or why not."""

        def refused(reason: str, detail: str) -> Refusal:
            return Refusal(row.file, row.number, row.image, reason, detail)

        name = _find(row.image, self.folders)
        if name is None:
            roots = ' or '.join(str(folder.root) for folder in self.folders.values())
            return refused('missing image', f'no image {row.image!r} in {roots}')
        if name in self.problems:
            return refused(*self.problems[name])
        if self.drawn is not None:
            split: str | None = self.drawn[name]
        else:
            split = file.split if self.source == 'file' else row.split
        if split not in SPLITS:
            return refused(
                'unknown split', f'split must be one of {SPLITS}, got {split or ""!r}'
            )
        other = self.split_of.get(name, split)
        if other != split:
            return refused(
                'image in two splits', f'{name} is in {other}, and here in {split}'
            )
        text = json.dumps([name, row.question_type, row.question, row.answer])
        digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
        if digest in self._seen and not self.keep_duplicates:
            return refused('duplicate', f'{row.question!r} stands there before')
        self._seen.add(digest)
        self.split_of[name] = split
        return split, name


def _write_annotations(root: Path, taken: Iterator[tuple[str, list[str]]]) -> None:
    """Write the rows of each split that has any."""
    layout = Layout(root, _FOLDERS)
    (root / 'annotations').mkdir()
    started: set[str] = set()
    with ExitStack() as stack:
        files = {
            split: stack.enter_context(
                layout.annotation(split).open('w', encoding='utf-8', newline='\n')
            )
            for split in SPLITS
        }
        for split, row in taken:
            files[split].write(',\n' if split in started else '[\n')
            files[split].write(json.dumps(row, ensure_ascii=False))
            started.add(split)
        for split in started:
            files[split].write('\n]\n')
    for split in set(SPLITS) - started:
        layout.annotation(split).unlink()


def _finish(
    report: Report,
    source: str,
    split_of: Mapping[str, str],
    folders: Mapping[str, ImageFolder],
) -> None:
    """Complete a report."""
    report.num_images.update(split_of.values())
    words = {'draw': 'drawn by image', 'file': 'of the files', 'column': 'of the rows'}
    report.notes.append(f'splits: {words[source]}')
    for split in SPLITS:
        if split not in report.num_images:
            report.notes.append(f'{split} has no questions, so there is no file of it')
    for modality, folder in folders.items():
        unused = len(folder.files) - len(split_of)
        if unused:
            report.notes.append(
                f'{unused} {_NAMES[modality]} images without a question stay behind'
            )


def _verify_taken(report: Report, files: Sequence[QuestionFile]) -> None:
    """Raise a ValueError if no row was taken."""
    if not report.num_taken:
        names = ', '.join(str(file.path) for file in files)
        raise ValueError(
            f'none of {report.num_rows} rows can be taken of {names}\n'
            f'{report.reasons()}'.rstrip()
        )
