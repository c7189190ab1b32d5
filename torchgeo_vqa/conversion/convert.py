# SPDX-License-Identifier: MIT
"""Conversion of question files and image folders into the layout of OSVQA's release."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Literal, TextIO

from tqdm import tqdm

from ..annotations.layout import Layout
from ..annotations.split_draw import draw_splits
from ..rasters.image_file import ImageFile, opened
from ..rasters.pairing import Files, find_misfits
from ..storage import locked, verify_free, whole_folder
from .image_folder import ImageFolder, Transfer
from .question_file import QuestionFile, QuestionFormat, Row
from .report import Report, written
from .selection import Problem, Selection, SplitRule, find_image, noun

_FOLDERS = {'optical': 'images/rgb', 'sar': 'images/sar'}


def convert(
    questions: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    optical: str | os.PathLike[str] | None = None,
    sar: str | os.PathLike[str] | None = None,
    question_format: QuestionFormat = QuestionFormat(),  # noqa: B008 (it is frozen)
    split_rule: SplitRule = SplitRule(),  # noqa: B008
    duplicates: Literal['reject', 'keep'] = 'reject',
    transfer: Transfer = 'copy',
    report: str | os.PathLike[str] | None = None,
    dry_run: bool = False,
) -> Report:
    """Convert your own questions and images into the layout of OSVQA's release.

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
        question_format: How the question files are written.
        split_rule: Where the splits come from.
        duplicates: Whether to 'reject' or 'keep' a question that occurs before, with the
            same image, type and answer.
        transfer: Whether to 'copy' images, or to make a 'hardlink' or a 'symlink'.
        report: File for the rows that are not taken, .csv, or .json with a summary
            (defaults to rejected.csv in the output folder).
        dry_run: Whether to say what would be done, and to write the report only if it is
            named.

    Returns:
        What became of the rows.

    Raises:
        BlockingIOError: If another process makes *output* or *report*.
        FileExistsError: If *output* or *report* exists.
        FileNotFoundError: If a file or folder does not exist.
        OSError: If a file cannot be read or written.
        ValueError: If an argument is invalid, a file is none of questions, or no row can
            be taken.
    """
    verify_free(output)
    path = None if report is None else Path(report)
    if path is not None and path.suffix not in ('.csv', '.json'):
        raise ValueError(f'a report must end in .csv or .json, got {path}')
    if path is not None and os.path.lexists(path):
        raise FileExistsError(f'{path} exists; remove it or name another report')
    if path is not None and path.resolve().is_relative_to(Path(output).resolve()):
        raise ValueError(
            f'the report {path} lies in the output, which is made as a whole; name one '
            'outside'
        )
    folders = {
        modality: ImageFolder(Path(folder))
        for modality, folder in (('optical', optical), ('sar', sar))
        if folder is not None
    }
    if not folders:
        raise ValueError('name a folder of images: optical, sar or both')
    files = [
        QuestionFile(Path(path), question_format)
        for path in dict.fromkeys(os.fspath(path) for path in questions)
    ]
    if not files:
        raise ValueError('name a question file')

    with ExitStack() as stack:
        for target in (None if dry_run else output, path):
            if target is not None:
                stack.enter_context(locked(target))
        names, has_split = _survey(files, folders)
        problems = _check_images(names, folders)
        has_split |= question_format.split_column is not None
        source = split_rule.source(has_split, files)
        drawn = {}
        if source == 'draw':
            usable = sorted(names - problems.keys())
            drawn = draw_splits(usable, split_rule.fractions, split_rule.seed)
        selection = Selection(folders, problems, source, drawn, duplicates == 'keep')
        root = None if dry_run else stack.enter_context(whole_folder(output))
        return _write(root, files, selection, path, transfer)


def _write(
    root: Path | None,
    files: Sequence[QuestionFile],
    selection: Selection,
    path: Path | None,
    transfer: Transfer,
) -> Report:
    """Write the dataset into a folder, if there is one, and the report."""
    result = Report()
    if path is None and root is not None:
        path = root / 'rejected.csv'
    with written(result, path) as reject:
        _write_annotations(root, selection.taken(files, result, reject))
    if not result.num_taken:
        named = ', '.join(str(file.path) for file in files)
        raise ValueError(
            f'none of {result.num_rows} rows can be taken of {named}\n'
            f'{result.reasons()}'.rstrip()
        )
    if root is None:
        return result
    for modality, folder in selection.folders.items():
        title = f'{noun(modality)} images'
        for name in tqdm(selection.split_of, title, disable=None):
            folder.transfer(name, root / _FOLDERS[modality], transfer)
    return result


def _survey(
    files: Sequence[QuestionFile], folders: Mapping[str, ImageFolder]
) -> tuple[set[str], bool]:
    """List the images that are asked about; return also whether rows have a split."""
    names: set[str | None] = set()
    has_split = False
    for row in chain.from_iterable(file.rows() for file in files):
        if isinstance(row, Row):
            has_split |= bool(row.split)
            names.add(find_image(row.image, folders))
    return {name for name in names if name is not None}, has_split


def _check_images(
    names: set[str], folders: Mapping[str, ImageFolder]
) -> dict[str, Problem]:
    """Read all images, and return what is wrong with those that cannot be taken."""
    problems: dict[str, Problem] = {}
    pairs: dict[str, Files] = {}
    for name in tqdm(sorted(names), 'Checking images', disable=None):
        pair: Files = {}
        for modality, folder in folders.items():
            try:
                path = str(folder.path(name))
                with opened(path) as src:
                    # block by block, since an image may be a whole scene
                    for _, window in src.block_windows():
                        src.read(window=window)
                pair[modality] = ImageFile.open(path)
            except (OSError, ValueError) as error:
                state = 'ambiguous' if isinstance(error, ValueError) else 'unreadable'
                if isinstance(error, FileNotFoundError):
                    state = 'missing'
                reason = f'{state} {noun(modality)} image'
                problems.setdefault(name, (reason, str(error)))
        if name not in problems:
            pairs[name] = pair
    misfits, _, _ = find_misfits(pairs, list(folders))
    return problems | {n: ('unfit image', str(error)) for n, error in misfits.items()}


def _write_annotations(
    root: Path | None, taken: Iterator[tuple[str, list[str]]]
) -> None:
    """Write the rows of each split that has any, or only take them if there is no folder."""
    files: dict[str, TextIO] = {}
    with ExitStack() as stack:
        for split, row in taken:
            if root is None:
                continue
            separator = ',\n'
            if split not in files:
                path, separator = Layout(root, _FOLDERS).annotation(split), '[\n'
                path.parent.mkdir(exist_ok=True)
                opening = path.open('w', encoding='utf-8', newline='\n')
                files[split] = stack.enter_context(opening)
            files[split].write(separator + json.dumps(row, ensure_ascii=False))
        for file in files.values():
            file.write('\n]\n')
