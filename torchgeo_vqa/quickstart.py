# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""The quickstart, which is what ``torchgeo fit --model tgfnet`` alone runs."""

import sys
from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_only

#: The quickstart's configuration, an ordinary LightningCLI file.
QUICKSTART = Path(__file__).parent / 'configs' / 'quickstart.yaml'

CHOICES = ('--config', '--data', '--data.class_path', '--data.help')
MODELS = ('tgfnet', 'torchgeo_vqa.trainers.tgfnet')
SUBCOMMANDS = ('fit', 'validate', 'test', 'predict')


def with_quickstart(argv: Sequence[str]) -> list[str]:
    """Complete a command line that names TGFNet but neither data nor configuration.

    The quickstart's ``--config`` comes after the subcommand, so that every option of the
    user overrides it. Any other command line is returned as it is.
    """
    args = list(argv)
    if _model(args) not in MODELS or any(map(_chooses, args)):
        return args
    for i, arg in enumerate(args):
        if arg in SUBCOMMANDS:
            return [*args[: i + 1], '--config', str(QUICKSTART), *args[i + 1 :]]
    return args


def start_quickstart() -> None:
    """Complete the command line if this program is TorchGeo's own."""
    if not sys.argv or not _is_torchgeo(Path(sys.argv[0])):
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


def _is_torchgeo(program: Path) -> bool:
    """Whether a program is ``torchgeo`` or ``python -m torchgeo``."""
    command = program.name in ('torchgeo', 'torchgeo.exe')
    return command or program.parts[-2:] == ('torchgeo', '__main__.py')


def _model(args: Sequence[str]) -> str | None:
    """Return the last value of ``--model``, the one that counts."""
    model = None
    for i, arg in enumerate(args):
        if arg.startswith('--model='):
            model = arg.removeprefix('--model=')
        elif arg == '--model' and i + 1 < len(args):
            model = args[i + 1]
    return model


def _chooses(arg: str) -> bool:
    """Whether an argument chooses a data module or a configuration file.

    ``--data.batch_size 4`` and the like do not: they refine the quickstart's own.
    """
    if arg.startswith('--'):
        return arg.split('=')[0] in CHOICES
    return arg.startswith('-c')
