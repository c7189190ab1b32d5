# SPDX-License-Identifier: MIT
"""Generation of a dataset of questions from maps, in the layout of OSVQA's release."""

import contextlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rasterio.warp import transform
from tqdm import tqdm

from ..annotations.layout import Layout
from ..annotations.question_table import QuestionTable
from ..annotations.split_draw import verify_fractions
from ..annotations.vocabulary import blind_labels
from ..datasets.map_source import MapSource, OpenMaps
from ..questions import Question, draw_balanced, draw_even
from ..sample import SPLITS
from ..storage import locked, whole_file, write_json, write_text
from .engine import run
from .patch_file import (
    FOLDERS,
    GENERATOR,
    MANIFEST,
    Workspace,
    read_json,
    read_questions,
    write_patch,
)
from .plan import Patch, Plan, make_plan

#: Changes whenever the same arguments give other bytes.
VERSION = 1

#: Numbers of questions, answers and patches.
REPORT = 'report.json'

# Of the table of where questions are asked
_COLUMNS = (
    *('split', 'image', 'question_type', 'question', 'answer'),
    *('top', 'left', 'bottom', 'right', 'crs', 'xmin', 'ymin', 'xmax', 'ymax'),
)


@dataclass(frozen=True)
class Generated:
    """What has been generated: the folder, and what its report.json holds."""

    output: Path
    report: dict[str, Any]

    def __str__(self) -> str:
        """Describe the dataset in several lines."""
        lines = [f'{self.output} is complete']
        for split, numbers in self.report['splits'].items():
            lines.append(
                f'{split}: {numbers["questions"]} questions about {numbers["patches"]} '
                f'patches in {numbers["blocks"]} blocks, blind '
                f'{_percent(numbers["blind"])}'
            )
            for name, own in numbers['types'].items():
                shown = [f'{answer} {n}' for answer, n in own['answers'].items()]
                if len(shown) > 4:
                    shown[4:] = [f'and {len(shown) - 4} more']
                lines.append(
                    f'  {name}: {own["questions"]}, blind {_percent(own["blind"])}; '
                    f'{", ".join(shown)}'
                )
            if not numbers['questions']:
                lines.append(
                    f'  without questions there is no file of {split}; take more patches '
                    'or larger ones, or --balance_by patch'
                )
        lines += [
            f'{number} patches left out: {reason}'
            for reason, number in self.report['left_out'].items()
            if number
        ]
        return '\n'.join(lines)


def generate(
    output: str | os.PathLike[str],
    *,
    question_types: Sequence[str] | None = None,
    patch_size: int = 256,
    num_patches: int | None = None,
    stride: int | None = None,
    block_size: int | None = None,
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    balance_by: Literal['dataset', 'patch', 'none'] = 'dataset',
    questions_per_patch: int = 32,
    num_workers: int | None = None,
    scheduler: str | None = None,
    **kwargs: Any,
) -> Generated:
    """Generate questions about your own images from a map of classes.

    The dataset grows in the folder <output>.partial and gets its name when it is
    complete. After a kill, the same command goes on where it was. The same arguments give
    the same bytes, whatever the number of workers.

    Args:
        output: Folder to create.
        question_types: Question types to ask (defaults to all that are possible).
        patch_size: Side of a patch in pixels.
        num_patches: Number of patches drawn at random (defaults to a grid of patches).
        stride: Distance of the grid's patches in pixels (defaults to patch_size).
        block_size: Side in pixels of the blocks that are drawn for the splits, so that no
            location is in two (defaults to four times patch_size).
        fractions: Shares of the blocks for training, validation and test.
        seed: Seed of everything that is random.
        balance_by: Whether answers are balanced over the whole 'dataset', which leaves the
            least to guessing, within each 'patch', or not at all ('none').
        questions_per_patch: Number of questions of a patch, at most.
        num_workers: Number of processes on this machine (defaults to one per core); more
            than one need Dask.
        scheduler: Address of a Dask scheduler, to use its workers instead. They must see
            the same files.
        **kwargs: The images and maps: arguments of
            :class:`~torchgeo_vqa.datasets.map_source.MapSource`.

    Returns:
        The folder and its report.

    Raises:
        BlockingIOError: If another process makes *output*.
        FileExistsError: If *output* or *<output>.partial* is something else.
        FileNotFoundError: If a file does not exist.
        ImportError: If Dask is needed and not installed.
        OSError: If a file cannot be read or written.
        RuntimeError: If images and labels have no location in common.
        ValueError: If an argument is invalid, or the maps do not fit together.
    """
    options: dict[str, Any] = {
        'patch_size': patch_size,
        'num_patches': num_patches,
        'stride': patch_size if stride is None else stride,
        'block_size': 4 * patch_size if block_size is None else block_size,
        'fractions': list(fractions),
        'seed': seed,
    }
    drawing: dict[str, Any] = {
        'balance_by': balance_by,
        'questions_per_patch': questions_per_patch,
    }
    if num_workers is None:
        num_workers = 1 if scheduler else os.cpu_count() or 1
    _verify({**options, **drawing, 'num_workers': num_workers})
    source = MapSource(**kwargs)
    # Size and time of change of each file
    sources = {
        name: {path: [(s := os.stat(path)).st_size, s.st_mtime_ns] for path in paths}
        for name, paths in source.map_files.items()
    }
    manifest = {
        'generator': GENERATOR,
        'version': VERSION,
        'sources': sources,
        **source.map_options,
        'question_types': question_types,
        **options,
        **drawing,
    }
    # A cluster's workers have other working directories
    output = Path(output).absolute()
    _verify_outside(output, kwargs)
    manifest = json.loads(json.dumps(manifest))
    workspace = Workspace(output.with_name(f'{output.name}.partial'))
    with locked(output):
        if os.path.lexists(output):
            return Generated(output, _complete(output, workspace, manifest))
        begun = workspace.verify(manifest)
        opened = source.open_zones(question_types)
        plan = make_plan(opened, **options)
        if not begun:
            workspace.create(manifest)
        missing = [p for p in plan.patches if not workspace.questions(p.name).exists()]
        with tqdm(
            total=len(plan.patches),
            initial=len(plan.patches) - len(missing),
            desc='Patches',
            disable=None,
        ) as bar:
            job = partial(write_patch, source, question_types, workspace)
            # closed where it is left, also at Ctrl-C
            with contextlib.closing(run(job, missing, num_workers, scheduler)) as done:
                for number in done:
                    bar.update(number)
        report = _finish(workspace, plan, opened, seed, **drawing)
        workspace.finish(output)
    return Generated(output, report)


def _verify(options: dict[str, Any]) -> None:
    """Raise a ValueError if an argument is out of its range."""
    for name in (
        *('patch_size', 'num_patches', 'stride', 'questions_per_patch', 'num_workers'),
    ):
        if options[name] is not None and options[name] < 1:
            raise ValueError(f'{name} must be at least 1, got {options[name]}')
    block_size, patch_size = options['block_size'], options['patch_size']
    if block_size < patch_size:
        raise ValueError(
            f'block_size must be at least patch_size ({patch_size}), got {block_size}'
        )
    if options['seed'] < 0:
        raise ValueError(f'seed must not be negative, got {options["seed"]}')
    if options['balance_by'] not in ('dataset', 'patch', 'none'):
        raise ValueError(
            f'balance_by must be dataset, patch or none, got {options["balance_by"]!r}'
        )
    verify_fractions(options['fractions'])


def _verify_outside(output: Path, sources: Mapping[str, Any]) -> None:
    """Raise a ValueError if the dataset's images would be among the rasters to read."""
    for path in sources.values():
        is_folder = isinstance(path, str | os.PathLike) and Path(path).is_dir()
        if is_folder and output.resolve().is_relative_to(Path(path).resolve()):
            raise ValueError(
                f'{output} lies in {path}, whose rasters are read; choose an output '
                'outside'
            )


def _complete(
    output: Path, workspace: Workspace, manifest: dict[str, Any]
) -> dict[str, Any]:
    """Return the report of the dataset that is there.

    Raise a FileExistsError if it is another, or not whole.
    """
    if read_json(output / MANIFEST) != manifest:
        raise FileExistsError(
            f'{output} exists and is not what these arguments make; remove it or choose '
            'another folder'
        )
    report = read_json(output / REPORT)
    if not isinstance(report, dict) or not {'splits', 'left_out'} <= report.keys():
        raise FileExistsError(
            f'{output / REPORT} is missing or damaged; remove {output} to make it anew, '
            'or choose another folder'
        )
    with contextlib.suppress(FileExistsError):
        if workspace.verify(manifest):  # killed at the very end
            workspace.remove()
    return report


def _finish(
    workspace: Workspace,
    plan: Plan,
    maps: Sequence[OpenMaps],
    seed: int,
    balance_by: str,
    questions_per_patch: int,
) -> dict[str, Any]:
    """Draw questions and write all that is about the whole dataset; return the report.

    Nothing is lost if it is interrupted: what is written is written again.
    """
    left_out = {
        'too much without data': 0,
        'no clear question': 0,
        'no question left after balancing': 0,
        "overlap with another split's in another CRS": plan.num_overlapping,
    }
    pools: list[list[Question]] = []
    texts: dict[Any, Any] = {}
    for patch in plan.patches:
        nodata, pool = read_questions(workspace.questions(patch.name))
        # the same few texts come again with every patch
        pools.append([Question._make(texts.setdefault(v, v) for v in q) for q in pool])
        if not pool:
            unknown = nodata > maps[patch.zone].dataset.max_nodata
            left_out['too much without data' if unknown else 'no clear question'] += 1
    drawn = _draw(pools, balance_by, questions_per_patch, seed)
    left_out['no question left after balancing'] = sum(
        bool(pool) and not own for pool, own in zip(pools, drawn, strict=True)
    )
    if not any(drawn):
        reasons = ', '.join(f'{reason}: {n}' for reason, n in left_out.items() if n)
        raise ValueError(
            f'no questions in {len(plan.patches)} patches ({reasons}); take more patches '
            'or larger ones, or choose --balance_by patch'
        )
    rows = _write_questions(workspace, plan.patches, drawn, maps)
    splits = {
        split: {
            'blocks': plan.num_blocks[split],
            'patches': len({row[0] for row in rows[split]}),
            **numbers,
        }
        for split, numbers in balance(rows).items()
    }
    report = {'splits': splits, 'left_out': left_out}
    write_json(workspace.dataset / REPORT, report, indent=1)
    for patch, own in zip(plan.patches, drawn, strict=True):
        if not own:
            for modality in FOLDERS:
                workspace.image(modality, patch.name).unlink(missing_ok=True)
    return report


def _write_questions(
    workspace: Workspace,
    patches: Sequence[Patch],
    drawn: Sequence[Sequence[Question]],
    maps: Sequence[OpenMaps],
) -> dict[str, list[list[str]]]:
    """Write annotations and a table of where questions are asked; return the former."""
    layout = Layout(workspace.dataset, FOLDERS)
    rows: dict[str, list[list[str]]] = {}
    tables: list[pa.Table] = []
    for split in SPLITS:
        pairs = zip(patches, drawn, strict=True)
        asked = [(patch, own) for patch, own in pairs if patch.split == split and own]
        rows[split] = [[patch.name, *q[:3]] for patch, own in asked for q in own]
        path = layout.annotation(split)
        if asked:
            lines = [json.dumps(row, ensure_ascii=False) for row in rows[split]]
            write_text(path, '[\n' + ',\n'.join(lines) + '\n]\n')
            tables.append(_table(asked, maps))
        else:
            path.unlink(missing_ok=True)
    with whole_file(workspace.dataset / 'questions.parquet') as file:
        pq.write_table(pa.concat_tables(tables), file)
    return rows


def _draw(
    pools: Sequence[Sequence[Question]], balance_by: str, number: int, seed: int
) -> list[list[Question]]:
    """Draw questions about each patch, and the words of each."""
    if balance_by == 'dataset':
        pools = draw_balanced(pools, np.random.default_rng([seed, 0]))
    drawn = []
    for i, pool in enumerate(pools):
        # A generator of its own, so that a patch does not depend on those before
        rng = np.random.default_rng([seed, 1, i])
        if balance_by == 'patch':
            chosen = draw_even(pool, number, rng)
        else:
            kept = np.sort(rng.permutation(len(pool))[:number])
            chosen = [pool[j] for j in kept]
        drawn.append([question.reworded(rng) for question in chosen])
    return drawn


def _table(
    asked: Sequence[tuple[Patch, Sequence[Question]]], maps: Sequence[OpenMaps]
) -> pa.Table:
    """Make a table of a split's questions and of where they are asked."""
    names = [zone.dataset.crs.to_string() for zone in maps]
    rows = []
    for patch, questions in asked:
        dataset = maps[patch.zone].dataset
        width, height = dataset.res
        xmin, ymin, xmax, ymax = patch.bounds
        size = round((ymax - ymin) / height), round((xmax - xmin) / width)
        for question in questions:
            top, left, bottom, right = question.footprint or (0, 0, *size)
            rows.append(
                (
                    *(patch.split, patch.name, *question[:3]),
                    *(top, left, bottom, right),
                    *(names[patch.zone], xmin + left * width, ymax - bottom * height),
                    *(xmin + right * width, ymax - top * height),
                )
            )
    columns = dict(zip(_COLUMNS, zip(*rows, strict=True), strict=True))
    x = (np.array(columns['xmin']) + np.array(columns['xmax'])) / 2
    y = (np.array(columns['ymin']) + np.array(columns['ymax'])) / 2
    longitude, latitude = np.zeros(len(x)), np.zeros(len(x))
    for name in dict.fromkeys(columns['crs']):
        own = np.array(columns['crs']) == name
        longitude[own], latitude[own] = transform(name, 'EPSG:4326', x[own], y[own])
    return pa.table({**columns, 'longitude': longitude, 'latitude': latitude})


def _percent(share: float | None) -> str:
    """Put a share in words."""
    return 'unknown' if share is None else f'{share:.1%}'


#: Image, question type, question and answer.
Rows = Sequence[Sequence[str]]


def balance(rows: Mapping[str, Rows]) -> dict[str, dict[str, Any]]:
    """Measure for each split how evenly its question types are answered.

    Of all questions, and of those of each type, these are the number, the accuracy of the most
    frequent training answer (``blind``, None without a training split), and of a type also
    the number of each answer, the most frequent first, and the share of that (``top``).
    """
    answers = tuple(sorted({row[3] for own in rows.values() for row in own}))
    train = QuestionTable.of_rows(rows['train']) if rows['train'] else None
    result: dict[str, dict[str, Any]] = {}
    for split, own in rows.items():
        names = np.array([row[1] for row in own])
        given = np.array([row[3] for row in own])
        right = None
        if train is not None and own:
            labels = blind_labels(QuestionTable.of_rows(own), train, answers)
            right = np.array(answers)[labels] == given
        types = {}
        for name in np.unique(names):
            of_type = names == name
            counts = dict(Counter(sorted(given[of_type].tolist())).most_common())
            number = int(of_type.sum())
            types[str(name)] = {
                'questions': number,
                'top': max(counts.values()) / number,
                'blind': None if right is None else float(right[of_type].mean()),
                'answers': counts,
            }
        blind = None
        if right is not None:
            shares = [own['blind'] * own['questions'] for own in types.values()]
            blind = sum(shares) / len(right)
        result[split] = {'questions': len(own), 'blind': blind, 'types': types}
    return result
