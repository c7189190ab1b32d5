# SPDX-License-Identifier: MIT
"""Options that a builder hands on to the functions that build its parts."""

import inspect
from collections.abc import Callable, Mapping
from inspect import Parameter
from typing import Any


def options_of[**P, T](
    *functions: Callable[..., Any], defaults: Mapping[str, Any] | None = None
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let the signature of a builder list the options that its ``**options`` stand for.

    So :func:`inspect.signature`, ``help`` and the documentation show all of them. Options
    are the parameters of the functions that have a default or are by keyword only;
    *defaults* differ from theirs.
    """
    required, by_keyword = Parameter.empty, Parameter.KEYWORD_ONLY

    def decorate(builder: Callable[P, T]) -> Callable[P, T]:
        own = inspect.signature(builder)
        parameters = {
            name: parameter
            for name, parameter in own.parameters.items()
            if parameter.kind is not Parameter.VAR_KEYWORD
        }
        for function in functions:
            for name, parameter in inspect.signature(function).parameters.items():
                default = parameter.default
                if parameter.kind is by_keyword or default is not required:
                    default = (defaults or {}).get(name, default)
                    option = parameter.replace(kind=by_keyword, default=default)
                    parameters.setdefault(name, option)
        builder.__signature__ = own.replace(parameters=[*parameters.values()])  # type: ignore[attr-defined]
        return builder

    return decorate


def take_options(
    options: dict[str, Any], function: Callable[..., Any]
) -> dict[str, Any]:
    """Take the options of a function out of a dictionary of options."""
    names = inspect.signature(function).parameters.keys() & options.keys()
    return {name: options.pop(name) for name in names}
