# SPDX-License-Identifier: MIT
"""Measures the structure of the package against its limits.

    python benchmarks/structure.py

The exit status is 1 if a limit is exceeded. `tests/test_structure.py` runs it.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / 'torchgeo_vqa'

MAX_LINES = 21_000
MAX_FILE = 450
MAX_BODY = 60
MAX_METHODS = 16
MAX_OPTIONS = 14

#: Files that may be longer: one list of one kind.
LONG_FILES = ('questions/question_types.py',)

#: Rooms from the ground up. A module imports from its own room and from those below.
LAYERS = (
    ('sample', 'storage', 'metrics'),
    ('rasters',),
    ('annotations',),
    ('questions',),
    ('synthetic',),
    ('datasets',),
    ('samplers',),
    ('transforms',),
    ('models',),
    ('datamodules',),
    ('prediction',),
    ('callbacks',),
    ('trainers',),
    ('conversion', 'generation'),
    ('page',),
    ('cli', 'quickstart', '__init__'),
    ('__main__',),
)
LEVELS = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}


def body_length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Number of lines of a function, without its signature and docstring."""
    has_docstring = ast.get_docstring(function) is not None and len(function.body) > 1
    first = function.body[1 if has_docstring else 0]
    return (function.end_lineno or 0) - first.lineno + 1


def num_options(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Number of named parameters of a function, without `self` and `cls`."""
    names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    names += [a.arg for a in function.args.kwonlyargs]
    return len([name for name in names if name not in ('self', 'cls')])


def imported(tree: ast.Module, parts: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Line and room of each import from the package; *parts* are those of the file."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = parts[: len(parts) - node.level]
        module = (*base, *(node.module or '').split('.')) if node.module else base
        for alias in node.names:
            room = module[0] if module else alias.name
            yield node.lineno, room


def measure() -> tuple[dict[str, str], list[str]]:
    """Return the numbers, and what exceeds a limit."""
    problems: list[str] = []
    num_lines = num_files = 0
    longest_file = longest_body = most_methods = most_options = (0, '')
    for path in sorted(PACKAGE.rglob('*.py')):
        text = path.read_text(encoding='utf-8')
        name = path.relative_to(PACKAGE).as_posix()
        length = len(text.splitlines())
        num_lines, num_files = num_lines + length, num_files + 1
        if name not in LONG_FILES:
            longest_file = max(longest_file, (length, name))
            if length > MAX_FILE:
                problems.append(f'{name} has {length} lines')
        tree = ast.parse(text)
        parts = path.relative_to(PACKAGE).with_suffix('').parts
        for line, room in imported(tree, parts):
            if LEVELS[room] > LEVELS[parts[0]]:
                problems.append(f'{name}:{line} climbs to {room}')
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                where = f'{name}:{node.lineno} {node.name}'
                longest_body = max(longest_body, (body_length(node), where))
                if body_length(node) > MAX_BODY:
                    problems.append(f'{where} has a body of {body_length(node)} lines')
                most_options = max(most_options, (num_options(node), where))
                if num_options(node) > MAX_OPTIONS:
                    problems.append(f'{where} names {num_options(node)} options')
            elif isinstance(node, ast.ClassDef):
                where = f'{name}:{node.lineno} {node.name}'
                methods = [
                    n
                    for n in node.body
                    if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
                ]
                most_methods = max(most_methods, (len(methods), where))
                if len(methods) > MAX_METHODS:
                    problems.append(f'{where} has {len(methods)} methods')
    if num_lines > MAX_LINES:
        problems.append(f'the package has {num_lines:,} lines')
    numbers = {
        f'lines of the package (at most {MAX_LINES:,})': f'{num_lines:,} in {num_files}',
        f'longest file (at most {MAX_FILE})': '{} {}'.format(*longest_file),
        f'longest body (at most {MAX_BODY})': '{} {}'.format(*longest_body),
        f'most methods (at most {MAX_METHODS})': '{} {}'.format(*most_methods),
        f'most options (at most {MAX_OPTIONS})': '{} {}'.format(*most_options),
    }
    return numbers, problems


if __name__ == '__main__':
    numbers, problems = measure()
    for name, number in numbers.items():
        print(f'{name}: {number}')
    print(f'{len(problems)} limits exceeded')
    for problem in problems:
        print(f'  {problem}')
    sys.exit(bool(problems))
