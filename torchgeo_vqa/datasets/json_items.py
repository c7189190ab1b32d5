# Copyright (c) torchgeo-vqa contributors. All rights reserved.
# Licensed under the MIT License.

"""Reading of JSON files that are too large to be read at once."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Characters read at a time; no item may be longer
_CHUNK = 2**22

_WHITE = ' \t\n\r'


def json_items(path: Path) -> Iterator[tuple[str, Any]]:
    """Read a JSON object item by item.

    A value that is a list is not returned whole: each of its elements comes by itself,
    with the key of the list. So a file of any size takes a few megabytes.

    Args:
        path: JSON file, an object.

    Yields:
        A key and its value, or an element of its value.

    Raises:
        ValueError: If the file is not such an object.
    """
    with path.open(encoding='utf-8') as file:
        text = _Text(file.read)
        try:
            yield from _items(text)
        except ValueError as error:
            raise ValueError(f'{path} is not a valid JSON object: {error}') from error


class _Text:
    """What of a text is read so far and not parsed yet."""

    def __init__(self, read: Any) -> None:
        self._read = read
        self._decoder = json.JSONDecoder()
        self._buffer = ''
        self._start = 0
        self._is_whole = False

    def _fill(self) -> None:
        """Read on."""
        chunk = self._read(_CHUNK)
        self._is_whole = not chunk
        self._buffer = self._buffer[self._start :] + chunk
        self._start = 0

    def peek(self) -> str:
        """The next character that is not white, '' at the end."""
        while True:
            while self._start < len(self._buffer):
                if self._buffer[self._start] not in _WHITE:
                    return self._buffer[self._start]
                self._start += 1
            if self._is_whole:
                return ''
            self._fill()

    def take(self, allowed: str) -> str:
        """Take the next character that is not white."""
        character = self.peek()
        if not character or character not in allowed:
            found = repr(character) if character else 'the end'
            raise ValueError(f'expected one of {allowed!r}, got {found}')
        self._start += 1
        return character

    def value(self) -> Any:
        """Take a whole value."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._start)
            except json.JSONDecodeError:
                # It may only be cut off, but not if this much of it is there
                if self._is_whole or len(self._buffer) - self._start > 2 * _CHUNK:
                    raise
            else:
                # A number goes on as long as there are digits
                if end < len(self._buffer) or self._is_whole:
                    self._start = end
                    return value
            self._fill()


def _items(text: _Text) -> Iterator[tuple[str, Any]]:
    """Read an object item by item."""
    text.take('{')
    if text.peek() == '}':
        text.take('}')
    else:
        while True:
            if text.peek() != '"':
                raise ValueError(f'expected a key, got {text.peek()!r}')
            key = text.value()
            text.take(':')
            if text.peek() == '[':
                for element in _elements(text):
                    yield key, element
            else:
                yield key, text.value()
            if text.take(',}') == '}':
                break
    if text.peek():
        raise ValueError(f'expected the end, got {text.peek()!r}')


def _elements(text: _Text) -> Iterator[Any]:
    """Read a list element by element."""
    text.take('[')
    if text.peek() == ']':
        text.take(']')
        return
    while True:
        yield text.value()
        if text.take(',]') == ']':
            return
