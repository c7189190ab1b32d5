# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""The command ``torchgeo-vqa``, which makes datasets."""

import sys
from collections.abc import Sequence

from jsonargparse import ArgumentParser
from torchgeo.datasets import DatasetNotFoundError

from .conversion import convert


def parser() -> ArgumentParser:
    """Make the parser of the command line.

    Returns:
        The parser, whose options are the arguments of the functions.
    """
    main = ArgumentParser(
        prog='torchgeo-vqa',
        description='Make datasets of questions about optical-SAR pairs, which OSVQA and '
        'OSVQADataModule read. Models are trained on them by the command `torchgeo`.',
    )
    subcommands = main.add_subcommands(required=True)
    subcommands.add_subcommand(
        'convert', _convert_parser(), help='bring your own questions and images'
    )
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
    # A flag and three numbers are more convenient than jsonargparse's own way
    parser.add_argument(
        '--dry_run', action='store_true', help='say what would be done, write no folder'
    )
    parser.add_argument(
        '--fractions',
        nargs=3,
        type=float,
        default=[0.8, 0.1, 0.1],
        metavar=('TRAIN', 'VAL', 'TEST'),
        help='shares of the images drawn for training, validation and test',
    )
    parser.add_function_arguments(
        convert, skip={'questions', 'dry_run', 'fractions'}, fail_untyped=True
    )
    return parser


def main(args: Sequence[str] | None = None) -> None:
    """Run the command.

    Args:
        args: Arguments (defaults to those of the program).

    Raises:
        SystemExit: If the arguments or the files they name are not right.
    """
    config = parser().parse_args(args)
    command = config.subcommand
    try:
        print({'convert': convert}[command](**config[command].as_dict()))
    except (DatasetNotFoundError, OSError, ValueError) as error:
        print(f'torchgeo-vqa {command}: error: {error}', file=sys.stderr)
        sys.exit(1)


if __name__ == '__main__':
    main()
