# SPDX-License-Identifier: MIT
"""The quickstart, which is what ``torchgeo fit --model tgfnet`` alone runs."""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_only

from _torchgeo_vqa_autoload import running_command

#: The quickstart's configuration, an ordinary LightningCLI file.
QUICKSTART = Path(__file__).parent / 'configs' / 'quickstart.yaml'

# Of the options of a command line: which model, and whether data or a configuration file
# are chosen. `--data.batch_size 4` and the like do not: they refine the quickstart's own.
_OPTIONS = ArgumentParser(add_help=False, allow_abbrev=False)
_OPTIONS.add_argument('--model', nargs='?')
_CHOICES = ('-c', '--config', '--data', '--data.class_path', '--data.help')
_OPTIONS.add_argument(*_CHOICES, dest='chosen', nargs='?', const='')

MODELS = ('tgfnet', 'torchgeo_vqa.trainers.tgfnet')
SUBCOMMANDS = ('fit', 'validate', 'test', 'predict')


def with_quickstart(argv: Sequence[str]) -> list[str]:
    """Complete a command line that names TGFNet but neither data nor configuration.

    The quickstart's ``--config`` comes after the subcommand, so that every option of the
    user overrides it. Any other command line is returned as it is.
    """
    args = list(argv)
    found, _ = _OPTIONS.parse_known_args(args)
    if found.model not in MODELS or found.chosen is not None:
        return args
    for i, arg in enumerate(args):
        if arg in SUBCOMMANDS:
            return [*args[: i + 1], '--config', str(QUICKSTART), *args[i + 1 :]]
    return args


def start_quickstart() -> None:
    """Complete the command line if this program is TorchGeo's own."""
    if running_command() != 'torchgeo':
        return
    args = with_quickstart(sys.argv[1:])
    if args != sys.argv[1:]:
        sys.argv[1:] = args
        # on stderr: --print_config is often redirected to a file
        rank_zero_only(print)(
            'torchgeo-vqa: neither --data nor --config, so this is the quickstart, a '
            f'small model on the embedded sample: --config {QUICKSTART}',
            file=sys.stderr,
        )
