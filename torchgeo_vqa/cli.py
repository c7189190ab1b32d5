# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""The command ``torchgeo-vqa``, which makes datasets and asks about images."""

import os
import sys
from argparse import SUPPRESS, ArgumentTypeError
from collections.abc import Callable, Sequence

from jsonargparse import ArgumentParser

from .conversion import convert
from .generation import generate
from .prediction.area import ask


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
        convert, skip={'questions', 'dry_run', 'fractions'}, fail_untyped=True
    )
    return parser


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
        ask, skip={'questions', 'optical_bands'}, fail_untyped=True
    )
    return parser


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
        'convert': convert,
        'generate': generate,
        'ask': ask,
        'app': _app,
    }
    try:
        print(commands[command](**options))
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        print(f'torchgeo-vqa {command}: error: {error}', file=sys.stderr)
        sys.exit(1)


if __name__ == '__main__':
    main()
