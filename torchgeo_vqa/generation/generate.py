# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Generation of a dataset of questions from maps, in the layout of OSVQA's release."""

import json
import os
import shutil
from collections.abc import Sequence
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
from ..annotations.split_draw import verify_fractions
from ..questions import Question, draw_balanced, draw_even
from ..rasters.zones import find_rasters
from ..sample import SPLITS
from .balance import TypeBalance, balance, overall_blind
from .engine import run
from .maps import Maps, OpenMaps, read_classes
from .patch_file import FOLDERS, Workspace, read_questions, write_patch
from .plan import Patch, Plan, make_plan

#: Changes whenever the same arguments give other bytes.
VERSION = 1

#: What the folder says about itself.
MANIFEST = 'manifest.json'

#: Numbers of questions, answers and patches.
REPORT = 'report.json'


@dataclass(frozen=True)
class Generated:
    """What has been generated.

    Attributes:
        output: The folder.
        report: What its report.json holds.
    """

    output: Path
    report: dict[str, Any]

    def __str__(self) -> str:
        """Put the report in words.

        Returns:
            Several lines.
        """
        lines = [f'{self.output} is complete']
        for split, numbers in self.report['splits'].items():
            lines.append(
                f'{split}: {numbers["questions"]} questions about {numbers["patches"]} '
                f'patches in {numbers["blocks"]} blocks, blind '
                f'{_percent(numbers["blind"])}'
            )
            for name, kind in numbers['types'].items():
                answers = list(kind['answers'].items())
                shown = ', '.join(
                    f'{answer} {number}' for answer, number in answers[:4]
                )
                more = f', and {len(answers) - 4} more' if len(answers) > 4 else ''
                lines.append(
                    f'  {name}: {kind["questions"]}, blind {_percent(kind["blind"])}; '
                    f'{shown}{more}'
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
    optical: str | os.PathLike[str] | None = None,
    sar: str | os.PathLike[str] | None = None,
    labels: str | os.PathLike[str],
    classes: str | os.PathLike[str],
    quality: str | os.PathLike[str] | None = None,
    objects: str | os.PathLike[str] | None = None,
    optical_bands: Sequence[int] | None = None,
    ignore: Sequence[int] = (),
    object_column: str = 'class',
    kinds: Sequence[str] | None = None,
    urban_classes: Sequence[str] = (),
    question_types: Sequence[str] | None = None,
    max_nodata: float = 0.1,
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
) -> Generated:
    """Generate questions about your own images from a map of classes.

    The dataset grows in the folder <output>.partial and gets its name when it is
    complete. After a kill, the same command goes on where it was. The same arguments give
    the same bytes, whatever the number of workers.

    Args:
        output: Folder to create.
        optical: Raster of the optical image, or a folder of some.
        sar: Raster of the SAR image, or a folder of some.
        labels: Raster of class codes, or a folder of some.
        classes: YAML or JSON file with the name of each code, such as {1: water, 2: trees}.
        quality: Raster of the optical image's state, or a folder of some: 0 is clear, 1
            cloudy, 2 dark.
        objects: Vector file of objects, points or outlines.
        optical_bands: Red, green and blue among the optical files' bands, counted from 1
            (defaults to all bands, which must be three).
        ignore: Codes that mean that nothing is known, such as clouds.
        object_column: Column with the kind of each object, in the singular.
        kinds: Kinds of objects that were looked for (defaults to those that occur).
        urban_classes: Names of the classes that make an area urban.
        question_types: Question types to ask (defaults to all that are possible).
        max_nodata: Share of a patch without data above which it is left out.
        patch_size: Side of a patch in pixels.
        num_patches: Number of patches drawn at random (defaults to a grid of patches).
        stride: Distance of the grid's patches in pixels (defaults to patch_size).
        block_size: Side in pixels of the blocks that are drawn for the splits, so that no
            place is in two (defaults to four times patch_size).
        fractions: Shares of the blocks for training, validation and test.
        seed: Seed of everything that is random.
        balance_by: Whether answers are balanced over the whole 'dataset', which leaves the
            least to guessing, within each 'patch', or not at all ('none').
        questions_per_patch: Number of questions of a patch, at most.
        num_workers: Number of processes on this machine (defaults to one per core); more
            than one need Dask.
        scheduler: Address of a Dask scheduler, to use its workers instead. They must see
            the same files.

    Returns:
        The folder and its report.

    Raises:
        FileExistsError: If *output* exists, or a run with other arguments was begun.
        FileNotFoundError: If a file does not exist.
        ImportError: If Dask is needed and not installed.
        OSError: If a file cannot be read or written.
        RuntimeError: If images and labels have no place in common.
        ValueError: If an argument is invalid, or the maps do not fit together.
    """
    stride = patch_size if stride is None else stride
    block_size = 4 * patch_size if block_size is None else block_size
    if num_workers is None:
        num_workers = 1 if scheduler else os.cpu_count() or 1
    for name, number in (
        ('patch_size', patch_size),
        ('num_patches', num_patches),
        ('stride', stride),
        ('questions_per_patch', questions_per_patch),
        ('num_workers', num_workers),
    ):
        if number is not None and number < 1:
            raise ValueError(f'{name} must be at least 1, got {number}')
    if block_size < patch_size:
        raise ValueError(
            f'block_size must be at least patch_size ({patch_size}), got {block_size}'
        )
    if seed < 0:
        raise ValueError(f'seed must not be negative, got {seed}')
    if balance_by not in ('dataset', 'patch', 'none'):
        raise ValueError(
            f'balance_by must be dataset, patch or none, got {balance_by!r}'
        )
    verify_fractions(fractions)
    if optical is None and sar is None:
        raise ValueError('name an optical or a SAR raster, or both')
    maps = Maps(
        find_rasters(optical),
        find_rasters(sar),
        find_rasters(labels),
        find_rasters(quality),
        None if objects is None else str(Path(objects).resolve()),
        read_classes(classes),
        None if optical_bands is None else tuple(optical_bands),
        tuple(ignore),
        object_column,
        None if kinds is None else tuple(kinds),
        tuple(urban_classes),
        None if question_types is None else tuple(question_types),
        max_nodata,
    )
    manifest = {
        'generator': 'torchgeo-vqa generate',
        'version': VERSION,
        'sources': _sources(maps),
        'classes': dict(maps.classes),
        'optical_bands': maps.optical_bands,
        'ignore': maps.ignore,
        'object_column': object_column,
        'kinds': maps.kinds,
        'urban_classes': maps.urban_classes,
        'question_types': maps.question_types,
        'max_nodata': max_nodata,
        'patch_size': patch_size,
        'num_patches': num_patches,
        'stride': stride,
        'block_size': block_size,
        'fractions': list(fractions),
        'seed': seed,
        'balance_by': balance_by,
        'questions_per_patch': questions_per_patch,
    }
    # as it will be read
    manifest = json.loads(json.dumps(manifest))

    # A cluster's workers have other working directories
    output = Path(output).absolute()
    workspace = Workspace(output.with_name(f'{output.name}.partial'))
    if os.path.lexists(output):
        if _read_json(output / MANIFEST) != manifest:
            raise FileExistsError(
                f'{output} exists and is not what these arguments make; remove it or '
                'choose another folder'
            )
        # killed at the very end, or simply called again
        shutil.rmtree(workspace.root, ignore_errors=True)
        return Generated(output, _read_json(output / REPORT))
    begun = workspace.dataset / MANIFEST
    if workspace.root.exists() and begun.exists() and _read_json(begun) != manifest:
        raise FileExistsError(
            f'{workspace.root} was begun with other arguments or other files; remove it, '
            'or choose another output'
        )
    opened = maps.open()
    plan = make_plan(
        opened, patch_size, num_patches, stride, block_size, fractions, seed
    )
    workspace.create()
    workspace.write_json(begun, manifest)
    missing = [p for p in plan.patches if not workspace.questions(p.name).exists()]
    with tqdm(
        total=len(plan.patches),
        initial=len(plan.patches) - len(missing),
        desc='Patches',
        disable=None,
    ) as bar:
        job = partial(write_patch, maps, workspace)
        for number in run(job, missing, num_workers, scheduler):
            bar.update(number)

    report = _finish(workspace, plan, opened, seed, balance_by, questions_per_patch)
    workspace.dataset.rename(output)
    shutil.rmtree(workspace.root)
    return Generated(output, report)


def _finish(
    workspace: Workspace,
    plan: Plan,
    maps: Sequence[OpenMaps],
    seed: int,
    balance_by: str,
    questions_per_patch: int,
) -> dict[str, Any]:
    """Draw questions and write all that is about the whole dataset.

    Nothing is lost if it is interrupted: what is written is written again.

    Returns:
        The report.
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
        pools.append([_shared(question, texts) for question in pool])
        if not pool:
            unknown = nodata > maps[patch.zone].dataset.max_nodata
            left_out['too much without data' if unknown else 'no clear question'] += 1
    drawn = _draw(pools, balance_by, questions_per_patch, seed)
    left_out['no question left after balancing'] = sum(
        bool(pool) and not own for pool, own in zip(pools, drawn, strict=True)
    )

    layout = Layout(workspace.dataset, FOLDERS)
    rows: dict[str, list[list[str]]] = {}
    num_patches: dict[str, int] = {}
    tables: list[pa.Table] = []
    for split in SPLITS:
        asked = [
            (patch, own)
            for patch, own in zip(plan.patches, drawn, strict=True)
            if patch.split == split and own
        ]
        num_patches[split] = len(asked)
        rows[split] = [[patch.name, *q[:3]] for patch, own in asked for q in own]
        path = layout.annotation(split)
        if asked:
            lines = [json.dumps(row, ensure_ascii=False) for row in rows[split]]
            workspace.write_text(path, '[\n' + ',\n'.join(lines) + '\n]\n')
            tables.append(_table(asked, maps))
        else:
            path.unlink(missing_ok=True)
    if not tables:
        reasons = ', '.join(f'{reason}: {n}' for reason, n in left_out.items() if n)
        raise ValueError(
            f'no questions in {len(plan.patches)} patches ({reasons}); take more patches '
            'or larger ones, or choose --balance_by patch'
        )
    workspace.write(
        workspace.dataset / 'questions.parquet',
        lambda file: pq.write_table(pa.concat_tables(tables), file),
    )
    report = {
        'splits': _numbers(balance(rows), num_patches, plan.num_blocks),
        'left_out': left_out,
    }
    workspace.write_json(workspace.dataset / REPORT, report)
    for patch, own in zip(plan.patches, drawn, strict=True):
        if not own:
            for modality in FOLDERS:
                workspace.image(modality, patch.name).unlink(missing_ok=True)
    return report


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


def _shared(question: Question, texts: dict[Any, Any]) -> Question:
    """Let equal texts be one object."""
    return Question._make(texts.setdefault(value, value) for value in question)


def _table(
    asked: Sequence[tuple[Patch, Sequence[Question]]], maps: Sequence[OpenMaps]
) -> pa.Table:
    """Make a table of a split's questions and of where they are asked."""
    names = [zone.dataset.crs.to_string() for zone in maps]
    columns: dict[str, list[Any]] = {
        name: []
        for name in (
            *('split', 'image', 'question_type', 'question', 'answer'),
            *('top', 'left', 'bottom', 'right'),
            *('crs', 'xmin', 'ymin', 'xmax', 'ymax'),
        )
    }
    for patch, questions in asked:
        dataset = maps[patch.zone].dataset
        width, height = dataset.res
        xmin, ymin, xmax, ymax = patch.bounds
        size = round((ymax - ymin) / height), round((xmax - xmin) / width)
        for question in questions:
            top, left, bottom, right = question.footprint or (0, 0, *size)
            values = (
                *(patch.split, patch.name, *question[:3]),
                *(top, left, bottom, right),
                *(names[patch.zone], xmin + left * width, ymax - bottom * height),
                *(xmin + right * width, ymax - top * height),
            )
            for column, value in zip(columns.values(), values, strict=True):
                column.append(value)
    x = (np.array(columns['xmin']) + np.array(columns['xmax'])) / 2
    y = (np.array(columns['ymin']) + np.array(columns['ymax'])) / 2
    longitude, latitude = np.zeros(len(x)), np.zeros(len(x))
    for name in dict.fromkeys(columns['crs']):
        own = np.array(columns['crs']) == name
        longitude[own], latitude[own] = transform(name, 'EPSG:4326', x[own], y[own])
    return pa.table({**columns, 'longitude': longitude, 'latitude': latitude})


def _numbers(
    balanced: dict[str, list[TypeBalance]],
    num_patches: dict[str, int],
    num_blocks: dict[str, int],
) -> dict[str, Any]:
    """Put numbers of each split together."""
    return {
        split: {
            'blocks': num_blocks[split],
            'patches': num_patches[split],
            'questions': sum(kind.num_questions for kind in balanced.get(split, [])),
            'blind': overall_blind(balanced.get(split, [])),
            'types': {
                kind.question_type: {
                    'questions': kind.num_questions,
                    'top': kind.top,
                    'blind': kind.blind,
                    'answers': kind.answers,
                }
                for kind in balanced.get(split, [])
            },
        }
        for split in SPLITS
    }


def _sources(maps: Maps) -> dict[str, dict[str, list[int]]]:
    """Describe the files by size and time of change."""
    names = ('optical', 'sar', 'labels', 'quality')
    sources = {name: getattr(maps, name) for name in names}
    sources['objects'] = () if maps.objects is None else (maps.objects,)
    return {
        name: {
            path: [os.stat(path).st_size, os.stat(path).st_mtime_ns] for path in paths
        }
        for name, paths in sources.items()
    }


def _read_json(path: Path) -> Any:
    """Read a JSON file, None if there is none."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _percent(share: float | None) -> str:
    """Put a share in words."""
    return 'unknown' if share is None else f'{share:.1%}'
