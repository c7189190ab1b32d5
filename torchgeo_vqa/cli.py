# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""The command ``torchgeo-vqa``, which makes datasets and asks about images."""

import os
import sys
from argparse import SUPPRESS, ArgumentTypeError
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from jsonargparse import ArgumentParser

from .conversion import QuestionFormat, Report, SplitRule, convert
from .generation import generate
from .prediction import Predictor, ask_area, ask_pair
from .prediction.layer import verify_format, write_layer

Paths = str | os.PathLike[str]


def parser() -> ArgumentParser:
    """Make the parser of the command line.

    Returns:
        The parser, whose options are the arguments of the functions.
    """
    main = ArgumentParser(
        prog='torchgeo-vqa',
        description='Make datasets of questions about optical-SAR pairs, which OSVQA and '
        'OSVQADataModule read, and ask trained models about images. Models are trained '
        'by the command `torchgeo`.',
    )
    subcommands = main.add_subcommands(required=True)
    subcommands.add_subcommand(
        'convert', _convert_parser(), help='bring your own questions and images'
    )
    subcommands.add_subcommand(
        'generate', _generate_parser(), help='make questions about images from a map'
    )
    subcommands.add_subcommand(
        'ask', _ask_parser(), help='ask about a pair of images, or about an area'
    )
    subcommands.add_subcommand('app', _app_parser(), help='serve a page to ask on')
    return main


def _convert_parser() -> ArgumentParser:
    """Make the parser of ``convert``."""
    parser = ArgumentParser(
        description='Bring your own questions and images into the layout of OSVQA. The '
        'folder appears only when it is complete. Rows that cannot be taken are listed '
        'in a report, each with the reason.'
    )
    parser.add_argument(
        'questions',
        nargs='+',
        type=str,
        help='question files: tables (.csv, .tsv) with a header, JSON lines (.jsonl, '
        '.ndjson), JSON lists (.json) of objects or of [image_name, question_type, '
        'question, answer], or the <name>_questions.json of RSVQA with '
        '<name>_images.json and <name>_answers.json beside it',
    )
    # A flag, and lists without brackets, are more convenient than jsonargparse's own way
    parser.add_argument(
        '--dry_run', action='store_true', help='say what would be done, write no folder'
    )
    _add_fractions(parser)
    parser.add_function_arguments(
        convert,
        skip={'questions', 'dry_run', 'question_format', 'split_rule'},
        fail_untyped=True,
    )
    # Their fields are options like the others
    parser.add_class_arguments(QuestionFormat, fail_untyped=True)
    parser.add_class_arguments(SplitRule, skip={'fractions'}, fail_untyped=True)
    return parser


def _convert(**options: Any) -> Report:
    """Convert by options, of which some belong together."""
    groups = {'question_format': QuestionFormat, 'split_rule': SplitRule}
    for argument, group in groups.items():
        names = [field.name for field in fields(group)]
        options[argument] = group(**{name: options.pop(name) for name in names})
    return convert(**options)


def _generate_parser() -> ArgumentParser:
    """Make the parser of ``generate``."""
    parser = ArgumentParser(
        description='Make questions about your own images from a map of classes, and cut '
        'both into patches in the layout of OSVQA. The folder appears only when it is '
        'complete; after a kill, the same command goes on where it was.'
    )
    _add_fractions(parser)
    lists: dict[str, tuple[type, str]] = {
        'optical_bands': (int, 'red, green and blue among the bands, counted from 1'),
        'ignore': (int, 'codes that mean that nothing is known, such as clouds'),
        'categories': (str, 'categories of objects that were looked for'),
        'urban_classes': (str, 'names of the classes that make an area urban'),
        'question_types': (str, 'question types to ask'),
    }
    for name, (kind, text) in lists.items():
        default: list[str] | None = [] if name in ('ignore', 'urban_classes') else None
        parser.add_argument(
            f'--{name}', nargs='+', type=kind, default=default, help=text
        )
    parser.add_function_arguments(
        generate, skip={'fractions', *lists}, fail_untyped=True
    )
    parser.add_argument('--kinds', nargs='+', type=_renamed, help=SUPPRESS)
    parser.add_argument(
        '--config', action='config', help='YAML file with these options'
    )
    return parser


def _renamed(value: str) -> str:
    """Raise an error that says the new name of the option."""
    raise ArgumentTypeError('the option is called --categories now')


def _ask_parser() -> ArgumentParser:
    """Make the parser of ``ask``."""
    parser = ArgumentParser(
        description='Ask a trained model about a pair of images, which prints the '
        'answers; or, with an output file, about every patch of an area, which writes a '
        'layer that QGIS and geopandas open.'
    )
    parser.add_argument('questions', nargs='+', type=str, help='the questions')
    parser.add_argument(
        '--optical_bands',
        nargs='+',
        type=int,
        help='red, green and blue among the bands of the optical images, counted from 1 '
        '(defaults to all bands)',
    )
    parser.add_function_arguments(
        _ask, skip={'questions', 'optical_bands'}, fail_untyped=True
    )
    return parser


def _ask(
    questions: Sequence[str],
    optical: Paths | None = None,
    sar: Paths | None = None,
    output: Paths | None = None,
    patch_size: int | None = None,
    stride: int | None = None,
    optical_bands: Sequence[int] | None = None,
    max_nodata: float = 0.5,
    batch_size: int = 16,
    ckpt_path: Paths | None = None,
) -> str:
    """Ask about image files, and say in words what came out.

    Args:
        questions: The questions.
        optical: Optical image, or a folder with some for an area. None: only SAR is
            looked at.
        sar: SAR image, or a folder with some for an area. None: only the optical image
            is looked at.
        output: Layer to write, *.parquet* (GeoParquet) or *.gpkg* (GeoPackage): every
            question is asked about every patch of the area. None: the images are one
            pair, which is asked about as a whole.
        patch_size: Side of a patch of an area, in pixels of the optical image (defaults
            to what the model was trained on).
        stride: Distance of the patches in pixels (defaults to *patch_size*).
        optical_bands: Red, green and blue among the bands of the optical images, counted
            from 1 (defaults to all bands).
        max_nodata: Share of a patch without data beyond which nothing is asked about it.
        batch_size: Number of patches that are looked at together.
        ckpt_path: Checkpoint of :class:`~torchgeo_vqa.trainers.VQATask`. None: the
            weights that come with the package, which know the images and the questions
            of OSVQAMini.

    Returns:
        The answers, or how often each was given and where the layer is.

    Raises:
        OSError: If a file cannot be read or written.
        ValueError: If the files do not fit the model or each other.
    """
    if output is not None:
        verify_format(output)
    if ckpt_path is None:
        predictor = Predictor.from_weights()
    else:
        predictor = Predictor.from_checkpoint(ckpt_path)
    if output is None:
        if patch_size is not None or stride is not None:
            raise ValueError(
                'patch_size and stride are those of an area, whose answers need a file: '
                'name one with output, such as answers.parquet'
            )
        answers = ask_pair(predictor, questions, optical, sar, optical_bands)
        return '\n'.join(
            f'{a.question}  {a.answer} ({a.probability:.0%})' for a in answers
        )
    layer = ask_area(
        predictor,
        questions,
        optical,
        sar,
        patch_size,
        stride,
        optical_bands,
        max_nodata,
        batch_size,
    )
    write_layer(layer, output)
    lines = []
    for question, rows in layer.groupby('question', sort=False):
        counts = rows['answer'].value_counts()
        found = ', '.join(f'{answer}: {count:,}' for answer, count in counts.items())
        lines.append(f'{question}  {found}')
    return '\n'.join([*lines, f'Layer: {output}'])


def _app_parser() -> ArgumentParser:
    """Make the parser of ``app``."""
    parser = ArgumentParser(
        description='Serve a page to ask on: pick a pair of the sample or upload two '
        'images, put clouds or darkness on the optical one, ask, and see what the answer '
        'rests on.'
    )
    parser.add_function_arguments(_app, fail_untyped=True)
    return parser


def _app(
    ckpt_path: str | os.PathLike[str] | None = None,
    host: str = '127.0.0.1',
    port: int = 7860,
) -> str:
    """Serve the page until it is interrupted.

    Args:
        ckpt_path: Checkpoint of VQATask. None: the weights that come with the package.
        host: Address to listen on. Others than this machine's own let everybody in the
            network ask.
        port: Port to listen on.
    """
    try:
        from .app import run_app
    except ImportError as error:
        raise ImportError(
            f"the page needs Gradio ({error}): pip install 'torchgeo-vqa[app]'"
        ) from error
    run_app(ckpt_path, host, port)
    return 'The page is closed.'


def _add_fractions(parser: ArgumentParser) -> None:
    """Add the option for the shares of the splits."""
    parser.add_argument(
        '--fractions',
        nargs=3,
        type=float,
        default=[0.8, 0.1, 0.1],
        metavar=('TRAIN', 'VAL', 'TEST'),
        help='shares of what is drawn for training, validation and test',
    )


def main(args: Sequence[str] | None = None) -> None:
    """Run the command.

    Args:
        args: Arguments (defaults to those of the program).

    Raises:
        SystemExit: If the arguments or the files they name are not right.
    """
    config = parser().parse_args(args)
    command = config.subcommand
    options = config[command].as_dict()
    for name in ('config', 'kinds'):
        options.pop(name, None)
    commands: dict[str, Callable[..., object]] = {
        'convert': _convert,
        'generate': generate,
        'ask': _ask,
        'app': _app,
    }
    try:
        print(commands[command](**options))
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        print(f'torchgeo-vqa {command}: error: {error}', file=sys.stderr)
        sys.exit(1)


if __name__ == '__main__':
    main()
