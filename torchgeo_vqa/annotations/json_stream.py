# SPDX-License-Identifier: MIT
"""Reading large JSON files piece by piece."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

_CHUNK = 2**16

# Characters that a single value may have: a broken one is not searched for without end
_LONGEST = 2**24

_WHITESPACE = ' \t\r\n'


def stream(path: Path, encoding: str = 'utf-8-sig') -> Iterator[tuple[str | None, Any]]:
    """Read a JSON list, or the lists in a JSON object, without holding them in memory.

    Yield the elements of a list, each with None. Of an object, yield the elements of every
    value that is a list, and all other values, each with its key. Raise a UnicodeError for
    another encoding, a ValueError for what is not JSON, or neither a list nor an object.
    """
    with path.open(encoding=encoding) as file:
        cursor = _Cursor(path, file)
        if cursor.next() == '[':
            for _ in cursor.members('[]'):
                yield None, cursor.value()
        else:
            for _ in cursor.members('{}'):
                key = str(cursor.value())
                cursor.take(':')
                if cursor.next() == '[':
                    for _ in cursor.members('[]'):
                        yield key, cursor.value()
                else:
                    yield key, cursor.value()
        if cursor.next():
            raise cursor.error('there is more after its end')


class _Cursor:
    """A position in a JSON file, with some of the text that follows it."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self.path = path
        self.file = file
        self.text = ''
        self.at = 0
        # Number of characters before `text`
        self.passed = 0
        self.decode = json.JSONDecoder().raw_decode

    def error(self, reason: str) -> ValueError:
        """Return the error that says what is wrong, and where."""
        position = self.passed + self.at
        return ValueError(
            f'{self.path} is not valid JSON: {reason}, at character {position}'
        )

    def next(self) -> str:
        """Return the next character that is not white, or '' at the end."""
        while True:
            while self.at < len(self.text):
                if self.text[self.at] not in _WHITESPACE:
                    return self.text[self.at]
                self.at += 1
            if not self._read():
                return ''

    def take(self, allowed: str) -> str:
        """Step over the next character, which must be one of these."""
        character = self.next()
        if not character or character not in allowed:
            found = repr(character) if character else 'the end of the file'
            raise self.error(f'expected one of {" ".join(allowed)}, got {found}')
        self.at += 1
        return character

    def members(self, brackets: str) -> Iterator[None]:
        """Step to each member of a list or an object."""
        start, end = brackets[0], brackets[1]
        self.take(start)
        if self.next() == end:
            self.take(end)
            return
        separator = ','
        while separator == ',':
            yield
            separator = self.take(f',{end}')

    def value(self) -> Any:
        """Read a whole value."""
        self.next()
        while True:
            try:
                value, end = self.decode(self.text, self.at)
            except json.JSONDecodeError as error:
                # Perhaps its end has not been read yet
                if len(self.text) - self.at > _LONGEST or not self._read():
                    raise self.error(error.msg) from error
                continue
            except (RecursionError, ValueError) as error:  # such as a million digits
                raise self.error(str(error)) from error
            # A number may go on
            if end == len(self.text) and self._read():
                continue
            self.at = end
            return value

    def _read(self) -> bool:
        """Read on, twice as far each time for a long value; False at the end."""
        rest = self.text[self.at :]
        try:
            more = self.file.read(max(_CHUNK, len(rest)))
        except UnicodeError as error:
            raise UnicodeError(f'{self.path} is not valid JSON: {error}') from error
        self.passed += self.at
        self.text, self.at = rest + more, 0
        return bool(more)


def is_unicode(text: str) -> bool:
    """Tell whether a text can be written: JSON may hold halves of surrogate pairs."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
