# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

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
    defaults = defaults or {}

    def decorate(builder: Callable[P, T]) -> Callable[P, T]:
        own = inspect.signature(builder)
        parameters = {
            name: parameter
            for name, parameter in own.parameters.items()
            if parameter.kind is not Parameter.VAR_KEYWORD
        }
        for function in functions:
            for name, parameter in inspect.signature(function).parameters.items():
                keyword_only = parameter.kind is Parameter.KEYWORD_ONLY
                if keyword_only or parameter.default is not Parameter.empty:
                    default = defaults.get(name, parameter.default)
                    parameter = parameter.replace(
                        kind=Parameter.KEYWORD_ONLY, default=default
                    )
                    parameters.setdefault(name, parameter)
        builder.__signature__ = own.replace(parameters=[*parameters.values()])  # type: ignore[attr-defined]
        return builder

    return decorate


def take_options(
    options: dict[str, Any], function: Callable[..., Any]
) -> dict[str, Any]:
    """Take the options of a function out of a dictionary of options."""
    names = inspect.signature(function).parameters.keys() & options.keys()
    return {name: options.pop(name) for name in names}
