"""The place of every key in a TOML file, which the standard parser does not tell.

The text has been parsed before, so it is known to be valid: only the shape is followed here, not checked.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

from narthex.config.origins import KeyPath

_SKIP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BASIC = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_LITERAL = re.compile(r"'[^'\n]*'")
_LONG_BASIC = re.compile(r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})', re.DOTALL)
_LONG_LITERAL = re.compile(r"'''.*?'''(?:'{0,2})", re.DOTALL)
_SCALAR = re.compile(r"[^,\]}#\n]*")
_STRINGS = (_LONG_BASIC, _LONG_LITERAL, _BASIC, _LITERAL)

Places = dict[KeyPath, tuple[int, int]]
"""Line and column, both from 1, of each path."""


def toml_places(text: str) -> Places:
    """Return where each key and each list item of a valid TOML text stands.

    A table named by several headers or dotted keys stands where it was named first.
    """
    return _Reader(text).read()


class _Reader:
    """Walks once through the text and notes what it passes."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line_starts = [0, *(newline.end() for newline in re.finditer("\n", text))]
        self._places: Places = {}
        self._lengths: dict[KeyPath, int] = {}

    def read(self) -> Places:
        table: KeyPath = ()
        while self._skip(_SKIP) < len(self._text):
            if self._text.startswith("[[", self._at):
                table = self._list_header()
            elif self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._places

    def _header(self) -> KeyPath:
        self._at += 1
        path = self._key(())
        self._at += 1
        return path

    def _list_header(self) -> KeyPath:
        start, self._at = self._at, self._at + 2
        path = self._key(())
        self._at += 2
        count = self._lengths.get(path, 0)
        self._lengths[path] = count + 1
        self._note((*path, count), start)
        return (*path, count)

    def _pair(self, table: KeyPath) -> None:
        path = self._key(table)
        self._skip(_BLANK)
        self._at += 1
        self._skip(_BLANK)
        self._value(path)

    def _key(self, table: KeyPath) -> KeyPath:
        """Read a dotted key and note each of its parts; headers walk into the last item of a list of tables."""
        path = table
        while True:
            self._skip(_BLANK)
            path = self._into_last_item(path)
            start = self._at
            path = (*path, self._key_part())
            self._note(path, start)
            self._skip(_BLANK)
            if self._at >= len(self._text) or self._text[self._at] != ".":
                return path
            self._at += 1

    def _into_last_item(self, path: KeyPath) -> KeyPath:
        count = self._lengths.get(path)
        return (*path, count - 1) if count else path

    def _key_part(self) -> str:
        token = self._take(*_STRINGS[2:], _BARE_KEY)
        return str(tomllib.loads(f"key = {token}")["key"]) if token[0] in "\"'" else token

    def _value(self, path: KeyPath) -> None:
        match self._text[self._at]:
            case "[":
                self._list(path)
            case "{":
                self._inline_table(path)
            case '"' | "'":
                self._take(*_STRINGS)
            case _:
                self._take(_SCALAR)

    def _list(self, path: KeyPath) -> None:
        self._at += 1
        index = 0
        while self._text[self._skip(_SKIP)] != "]":
            self._note((*path, index), self._at)
            self._value((*path, index))
            index += 1
            if self._text[self._skip(_SKIP)] == ",":
                self._at += 1
        self._at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        while self._text[self._skip(_SKIP)] != "}":
            self._pair(path)
            if self._text[self._skip(_SKIP)] == ",":
                self._at += 1
        self._at += 1

    def _take(self, *patterns: re.Pattern[str]) -> str:
        for pattern in patterns:
            found = pattern.match(self._text, self._at)
            if found:
                self._at = found.end()
                return found.group()
        raise AssertionError("the text was parsed before, so one pattern matches")

    def _skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self._text, self._at)
        assert found is not None
        self._at = found.end()
        return self._at

    def _note(self, path: KeyPath, offset: int) -> None:
        line = bisect_right(self._line_starts, offset)
        self._places.setdefault(path, (line, offset - self._line_starts[line - 1] + 1))
