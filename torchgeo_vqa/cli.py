# SPDX-License-Identifier: MIT
"""The command ``torchgeo-vqa``, which makes datasets and asks about images."""

import inspect
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from jsonargparse import ArgumentParser

from _torchgeo_vqa_autoload import interrupt

from .conversion import QuestionFormat, SplitRule, convert
from .generation import generate
from .prediction import Predictor, ask_area, ask_pair
from .prediction.layer import reserved, write_layer

Paths = str | os.PathLike[str]


def ask(
    questions: Sequence[str],
    output: Paths | None = None,
    ckpt_path: Paths | None = None,
    **kwargs: Any,
) -> str:
    """Ask a trained model about a pair of images, or about every patch of an area.

    The answers about a pair are printed, those about an area are a layer that QGIS and
    geopandas open.

    Args:
        questions: The questions.
        output: Layer to write, *.parquet* (GeoParquet) or *.gpkg* (GeoPackage): every
            question is asked about every patch of the area. None: the images are one
            pair, which is asked about as a whole.
        ckpt_path: Checkpoint of :class:`~torchgeo_vqa.trainers.VQATask`. None: the
            weights that come with the package, which know the images and the questions
            of OSVQAMini.
        **kwargs: The images, and how an area is cut into patches: arguments of
            :func:`~torchgeo_vqa.prediction.ask_area`.
    """
    if output is None:
        return _ask_pair(_load_predictor(ckpt_path), questions, kwargs)
    with reserved(output):
        layer = ask_area(_load_predictor(ckpt_path), questions, **kwargs)
        write_layer(layer, output)
    lines = []
    for question, rows in layer.groupby('question', sort=False):
        counts = rows['answer'].value_counts()
        found = ', '.join(f'{answer}: {count:,}' for answer, count in counts.items())
        lines.append(f'{question}  {found}')
    return '\n'.join([*lines, f'Layer: {output}'])


def _ask_pair(
    predictor: Predictor, questions: Sequence[str], options: Mapping[str, Any]
) -> str:
    """Ask about a pair with those options of an area that a pair has, too."""
    if options.get('patch_size') is not None or options.get('stride') is not None:
        raise ValueError(
            'patch_size and stride are those of an area, whose answers need a file: '
            'name one with output, such as answers.parquet'
        )
    own = ('optical', 'sar', 'optical_bands', 'optical_scale', 'sar_scale')
    shared = {name: options[name] for name in own if name in options}
    answers = ask_pair(predictor, questions, **shared)
    return '\n'.join(f'{a.question}  {a.answer} ({a.probability:.0%})' for a in answers)


def _load_predictor(ckpt_path: Paths | None) -> Predictor:
    """Load a checkpoint, or the weights that come with the package."""
    if ckpt_path is None:
        return Predictor.from_weights()
    return Predictor.from_checkpoint(ckpt_path)


def serve(
    ckpt_path: Paths | None = None,
    host: str = '127.0.0.1',
    port: int = 7860,
    allowed_hosts: Sequence[str] = (),
) -> str:
    """Serve a page to ask on.

    Pick a pair of the sample or upload two images, put clouds or darkness on the optical
    one, ask, and see what the answer rests on.

    Args:
        ckpt_path: Checkpoint of VQATask. None: the weights that come with the package.
        host: Address to listen on. Others than this machine's own let everybody in the
            network ask.
        port: Port to listen on.
        allowed_hosts: Names by which visitors may call the page beside *host* and those
            of this machine, such as the name of a reverse proxy: ``vqa.example.org``, or
            ``*.example.org``.
    """
    try:
        from .page import run_app
    except ImportError as error:
        raise ImportError(
            f"the page needs Gradio ({error}): pip install 'torchgeo-vqa[app]'"
        ) from error
    run_app(_load_predictor(ckpt_path), host, port, allowed_hosts)
    return 'The page is closed.'


@dataclass(frozen=True)
class Command:
    """A subcommand: its options are the arguments of a function, whose result is printed."""

    #: The function, whose docstring is the help.
    function: Callable[..., object]
    #: Options that are flags, or lists without brackets, which is more convenient than
    #: jsonargparse's own way: arguments of ``add_argument``.
    convenient: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: Arguments that are dataclasses; their fields are options like the others.
    groups: Mapping[str, type[Any]] = field(default_factory=dict)

    @property
    def description(self) -> str:
        """What the function does, up to its arguments."""
        return (inspect.getdoc(self.function) or '').partition('\n\nArgs:')[0]

    def parser(self) -> ArgumentParser:
        """Return the parser of its options."""
        every, parser = ArgumentParser(), ArgumentParser(description=self.description)
        self._add_options(every, set())
        texts = {action.dest: action.help for action in every._actions}
        names = {name: name.removeprefix('--') for name in self.convenient}
        for name, options in self.convenient.items():
            parser.add_argument(name, help=texts[names[name]], **options)
        self._add_options(parser, {*names.values()})
        parser.add_argument(
            '--config', action='config', help='YAML file with these options'
        )
        return parser

    def _add_options(self, parser: ArgumentParser, skip: set[str | int]) -> None:
        skipped = skip | set(self.groups)
        parser.add_function_arguments(self.function, skip=skipped, fail_untyped=True)
        for group in self.groups.values():
            parser.add_class_arguments(group, skip=skip, fail_untyped=True)

    def run(self, options: Mapping[str, Any]) -> object:
        """Call the function with parsed options."""
        arguments = {k: v for k, v in options.items() if k != 'config'}
        for name, group in self.groups.items():
            own = {own.name: arguments.pop(own.name) for own in fields(group)}
            arguments[name] = group(**own)
        return self.function(**arguments)


_NAMES = {'nargs': '+', 'type': str}
_NUMBERS = {'nargs': '+', 'type': int}
_FRACTIONS = {
    'nargs': 3,
    'type': float,
    'default': [0.8, 0.1, 0.1],
    'metavar': ('TRAIN', 'VAL', 'TEST'),
}

COMMANDS = {
    'convert': Command(
        convert,
        {
            'questions': _NAMES,
            '--dry_run': {'action': 'store_true'},
            '--fractions': _FRACTIONS,
        },
        {'question_format': QuestionFormat, 'split_rule': SplitRule},
    ),
    'generate': Command(
        generate,
        {
            '--fractions': _FRACTIONS,
            '--optical_bands': _NUMBERS,
            '--ignore': {**_NUMBERS, 'default': []},
            '--categories': _NAMES,
            '--urban_classes': {**_NAMES, 'default': []},
            '--question_types': _NAMES,
        },
    ),
    'ask': Command(ask, {'questions': _NAMES, '--optical_bands': _NUMBERS}),
    'app': Command(serve, {'--allowed_hosts': {**_NAMES, 'default': []}}),
}


def parser() -> ArgumentParser:
    """Return the parser of the command line."""
    main = ArgumentParser(
        prog='torchgeo-vqa',
        description='Make datasets of questions about optical-SAR pairs, which OSVQA and '
        'OSVQADataModule read, and ask trained models about images. Models are trained '
        'by the command `torchgeo`.',
    )
    subcommands = main.add_subcommands(required=True)
    for name, command in COMMANDS.items():
        subcommands.add_subcommand(
            name, command.parser(), help=command.description.partition('\n')[0]
        )
    return main


def main(args: Sequence[str] | None = None) -> None:
    """Run the command on arguments (defaults to those of the program)."""
    interrupt.clean_up()
    config = parser().parse_args(args)
    name = config.subcommand

    def show(message: Warning | str, kind: type[Warning], *args: Any) -> None:
        if issubclass(kind, UserWarning):
            print(f'torchgeo-vqa {name}: warning: {message}', file=sys.stderr)

    try:
        with warnings.catch_warnings():
            warnings.showwarning = show  # type: ignore[assignment]
            print(COMMANDS[name].run(config[name].as_dict()))
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        print(f'torchgeo-vqa {name}: error: {error}', file=sys.stderr)
        sys.exit(1)
