"""Makes a text that a regular expression matches.

Reads the part of the syntax that schemas use: literals, classes, groups, alternatives, quantifiers, anchors at the
ends. The result is checked against the expression by Python's own `re`.
"""

from __future__ import annotations

import string
from typing import NoReturn

from narthex.providers.scripted.schemas import UnsupportedSchema, pattern

_MAX_LENGTH = 20_000

_CLASSES = {"d": "0123456789", "w": "abcdefghijklmnopqrstuvwxyz_0123456789", "s": " "}
_OUTSIDE = {"D": "ax-", "W": "- .", "S": "ax1"}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
_PRINTABLE = string.ascii_lowercase + string.ascii_uppercase + string.digits + string.punctuation + " "


def matching(source: str, *, least: int, most: int) -> str:
    """Return a text of `least` to `most` characters that `source` matches.

    Raises:
        UnsupportedSchema: The expression uses more than is read here, or no such text was found.
    """
    compiled = pattern(source)
    for repeats in (1, 0, 2, max(least, 1), 5, 10):
        text = _Reader(source, repeats=repeats).read()
        if not source.endswith("$") and len(text) < least:
            text = text.ljust(least, text[-1:] or "a")
        if least <= len(text) <= most and compiled.search(text):
            return text
    raise UnsupportedSchema(f"no text of {least} to {most} characters was found for the pattern {source!r:.80}")


class _Reader:
    """Reads an expression from left to right and writes one text for it."""

    def __init__(self, source: str, *, repeats: int) -> None:
        self._source = source
        self._at = 0
        self._repeats = repeats
        self._turn = 0

    def read(self) -> str:
        """Return the text."""
        text = self._alternatives()
        if self._at < len(self._source):
            self._refuse("an unexpected `)`")
        return text

    def _refuse(self, what: str) -> NoReturn:
        raise UnsupportedSchema(f"the pattern {self._source!r:.80} has {what}, which is not understood here")

    def _peek(self) -> str:
        return self._source[self._at : self._at + 1]

    def _take(self) -> str:
        self._at += 1
        return self._source[self._at - 1 : self._at]

    def _alternatives(self) -> str:
        options = [self._sequence()]
        while self._peek() == "|":
            self._take()
            options.append(self._sequence())
        return options[0]

    def _sequence(self) -> str:
        pieces: list[str] = []
        length = 0
        while self._peek() not in ("", "|", ")"):
            pieces.append(self._quantified())
            length += len(pieces[-1])
            if length > _MAX_LENGTH:
                self._refuse("a length beyond all measure")
        return "".join(pieces)

    def _quantified(self) -> str:
        start = self._at
        piece = self._atom()
        least, most = self._quantifier()
        count = min(max(least, self._repeats), most)
        if len(piece) * count > _MAX_LENGTH:
            self._refuse("a length beyond all measure")
        end = self._at
        pieces = [piece] * min(count, 1)
        for _ in range(count - 1):
            # Read again, so that repeated classes give different characters.
            self._at = start
            pieces.append(self._atom())
        self._at = end
        return "".join(pieces)

    def _quantifier(self) -> tuple[int, int]:
        match self._peek():
            case "*":
                bounds = (0, _MAX_LENGTH)
            case "+":
                bounds = (1, _MAX_LENGTH)
            case "?":
                bounds = (0, 1)
            case "{" if self._braces() is not None:
                return self._counted()
            case _:
                return 1, 1
        self._take()
        self._lazy()
        return bounds

    def _braces(self) -> tuple[str, str, str] | None:
        closing = self._source.find("}", self._at)
        if closing < 0:
            return None
        low, comma, high = self._source[self._at + 1 : closing].partition(",")
        valid = low.isdecimal() and (high.isdecimal() or not high)
        return (low, comma, high) if valid and len(low) < 6 and len(high) < 6 else None

    def _counted(self) -> tuple[int, int]:
        low, comma, high = self._braces() or ("1", "", "")
        self._at = self._source.index("}", self._at) + 1
        self._lazy()
        return int(low), int(high) if high else _MAX_LENGTH if comma else int(low)

    def _lazy(self) -> None:
        if self._peek() in ("?", "+"):
            self._take()

    def _atom(self) -> str:
        match self._take():
            case "(":
                return self._group()
            case "[":
                return self._pick(self._class())
            case "\\":
                return self._pick(self._escape())
            case ".":
                return self._pick("abc")
            case "^" | "$":
                return ""
            case character:
                return character

    def _group(self) -> str:
        if self._peek() == "?":
            self._take()
            self._group_kind()
        text = self._alternatives()
        if self._take() != ")":
            self._refuse("a group without end")
        return text

    def _group_kind(self) -> None:
        kind = self._take()
        if kind in ("P", "<") and self._source[self._at - 1 : self._at + 1] not in ("<=", "<!", "P=", "P>"):
            self._at = self._source.find(">", self._at) + 1
        elif kind != ":":
            self._refuse(f"`(?{kind}`")

    def _pick(self, characters: str) -> str:
        if not characters:
            self._refuse("an empty class")
        self._turn += 1
        return characters[self._turn % len(characters)]

    def _escape(self) -> str:
        letter = self._take()
        if letter in _CLASSES:
            return _CLASSES[letter]
        if letter in _OUTSIDE:
            return _OUTSIDE[letter]
        if letter in _CONTROLS:
            return _CONTROLS[letter]
        if letter in ("x", "u"):
            return self._code({"x": 2, "u": 4}[letter])
        if letter.isalnum():
            self._refuse(f"`\\{letter}`")
        return letter

    def _code(self, digits: int) -> str:
        code = self._source[self._at : self._at + digits]
        self._at += digits
        return chr(int(code, 16))

    def _class(self) -> str:
        negated = self._peek() == "^"
        if negated:
            self._take()
        members = self._members()
        if not negated:
            return members
        return "".join(character for character in _PRINTABLE if character not in members)

    def _members(self) -> str:
        members = ""
        while self._peek() != "]" or not members:
            if self._at >= len(self._source):
                self._refuse("a class without end")
            members += self._member()
        self._take()
        return members

    def _member(self) -> str:
        first = self._take()
        if first == "\\":
            first = self._escape()
        if len(first) != 1 or self._peek() != "-" or self._source[self._at + 1 : self._at + 2] in ("]", ""):
            return first
        self._take()
        last = self._take()
        if last == "\\":
            last = self._escape()
        return "".join(map(chr, range(ord(first), min(ord(last), ord(first) + 1_000) + 1)))
