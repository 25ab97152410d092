"""What a model that is held to calls and replies says, read as it comes: see `tools`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from narthex.providers.embedded.tools import CALLS, REPLY


@dataclass(frozen=True, slots=True)
class Said:
    """More of the reply."""

    text: str


@dataclass(frozen=True, slots=True)
class Called:
    """A call begins."""

    name: str


@dataclass(frozen=True, slots=True)
class Argued:
    """More of the JSON text of the arguments of the call that began last."""

    text: str


Spoken = Said | Called | Argued

_SPACE = " \t\r\n"
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_CALL_DEPTH = 3
"""Of the members of one call: in the answer, in its list, in the call."""


class ToolReader:
    """Reads one answer, however it is cut. What is not of the agreed form is passed on as text."""

    def __init__(self) -> None:
        self._read: Callable[[str], None] = self._opening
        self._spoken: list[Spoken] = []
        self._held = ""
        self._stack: list[str] = []
        self._keys: list[str] = []
        self._at_key = False
        self._string: JsonString | None = None
        self._raw: RawValue | None = None
        self.calls = 0
        """Calls begun so far."""

    def feed(self, text: str) -> list[Spoken]:
        """Return what `text` adds."""
        for character in text:
            self._read(character)
        return list(self._merged())

    def close(self) -> list[Spoken]:
        """Return what is left at the end."""
        if self._held:
            self._spoken.append(Said(self._held))
            self._held = ""
        return list(self._merged())

    def _merged(self) -> Iterator[Spoken]:
        """Put neighbours of one kind together: single characters are no pieces to send."""
        spoken, self._spoken = self._spoken, []
        last: Spoken | None = None
        for one in spoken:
            if isinstance(last, Said) and isinstance(one, Said):
                last = Said(last.text + one.text)
            elif isinstance(last, Argued) and isinstance(one, Argued):
                last = Argued(last.text + one.text)
            else:
                if last is not None:
                    yield last
                last = one
        if last is not None:
            yield last

    # -- states --------------------------------------------------------------------------------------------------------

    def _opening(self, character: str) -> None:
        if character in _SPACE:
            self._held += character
        elif character == "{":
            self._held = ""
            self._open(character)
            self._read = self._structure
        else:
            self._spoken.append(Said(self._held + character))
            self._held = ""
            self._read = self._plain

    def _plain(self, character: str) -> None:
        self._spoken.append(Said(character))

    def _structure(self, character: str) -> None:
        """Read between values; a value begins with anything that is no punctuation."""
        if character in _SPACE or character == ":":
            return
        if character == ",":
            self._at_key = self._stack[-1:] == ["{"]
        elif character in "}]":
            del self._stack[-1:], self._keys[-1:]
        elif self._at_key:
            self._string = JsonString()
            self._read = self._in_key
        else:
            self._begin_value(character)

    def _open(self, character: str) -> None:
        self._stack.append(character)
        self._keys.append("")
        self._at_key = character == "{"

    def _begin_value(self, character: str) -> None:
        depth, key = len(self._stack), self._keys[-1] if self._keys else ""
        in_call = depth == _CALL_DEPTH and self._keys[0] == CALLS
        if character == '"' and ((in_call and key == "name") or (depth == 1 and key == REPLY)):
            self._string = JsonString()
            self._read = self._in_name if in_call else self._in_reply
        elif (in_call and key == "arguments") or (depth == 1 and key == REPLY):
            self._raw = RawValue()
            self._read = self._in_arguments if in_call else self._in_json_reply
            self._read(character)
        elif character in "{[":
            self._open(character)

    def _in_key(self, character: str) -> None:
        string = self._string
        assert string is not None
        string.feed(character)
        if string.has_ended:
            self._keys[-1] = string.text
            self._at_key = False
            self._read = self._structure

    def _in_name(self, character: str) -> None:
        string = self._string
        assert string is not None
        string.feed(character)
        if string.has_ended:
            self.calls += 1
            self._spoken.append(Called(string.text))
            self._read = self._structure

    def _in_reply(self, character: str) -> None:
        string = self._string
        assert string is not None
        string.feed(character)
        if text := string.take():
            self._spoken.append(Said(text))
        if string.has_ended:
            self._read = self._structure

    def _in_arguments(self, character: str) -> None:
        self._in_raw(character, Argued)

    def _in_json_reply(self, character: str) -> None:
        self._in_raw(character, Said)

    def _in_raw(self, character: str, kind: type[Argued | Said]) -> None:
        raw = self._raw
        assert raw is not None
        if raw.takes(character):
            self._spoken.append(kind(character))
        if raw.has_ended:
            self._read = self._structure
            if not raw.took_last:
                self._structure(character)


class JsonString:
    """The inside of a JSON string, decoded character by character; begins after the quotation mark."""

    def __init__(self) -> None:
        self.has_ended = False
        self._decoded = ""
        self._escape = ""
        self._high = 0

    @property
    def text(self) -> str:
        """What is decoded and not taken yet."""
        return self._decoded

    def take(self) -> str:
        """Return what is decoded, once."""
        decoded, self._decoded = self._decoded, ""
        return decoded

    def feed(self, character: str) -> None:
        """Take the next character as written."""
        if self._escape:
            self._escaped(character)
        elif character == "\\":
            self._escape = character
        elif character == '"':
            self._flush()
            self.has_ended = True
        else:
            self._flush()
            self._decoded += character

    def _escaped(self, character: str) -> None:
        self._escape += character
        if self._escape[1] != "u":
            self._flush()
            self._decoded += _ESCAPES.get(character, character)
            self._escape = ""
        elif len(self._escape) == 6:
            self._code(self._escape[2:])
            self._escape = ""

    def _code(self, digits: str) -> None:
        """Add a character by its number; those beyond 65,535 come as two numbers."""
        try:
            code = int(digits, 16)
        except ValueError:
            self._decoded += "\ufffd"
            return
        if 0xD800 <= code < 0xDC00:
            self._flush()
            self._high = code
        elif 0xDC00 <= code < 0xE000:
            whole = 0x10000 + (self._high - 0xD800 << 10) + (code - 0xDC00)
            self._decoded += chr(whole) if self._high else "\ufffd"
            self._high = 0
        else:
            self._flush()
            self._decoded += chr(code)

    def _flush(self) -> None:
        """Give up on the second half of a character that did not come."""
        if self._high:
            self._decoded += "\ufffd"
            self._high = 0


class RawValue:
    """Finds the end of a JSON value that is passed on as it is written."""

    def __init__(self) -> None:
        self.has_ended = False
        self.took_last = True
        """Whether the character that ended it belongs to it."""
        self._depth = 0
        self._in_string = False
        self._is_escaped = False

    def takes(self, character: str) -> bool:
        """Tell whether the next character belongs to the value."""
        if self._in_string:
            self._inside(character)
            return True
        if self._depth == 0 and character in ",}]" + _SPACE:
            self.has_ended, self.took_last = True, False
            return False
        if character == '"':
            self._in_string = True
        elif character in "{[":
            self._depth += 1
        elif character in "}]":
            self._depth -= 1
            self.has_ended = self._depth == 0
        return True

    def _inside(self, character: str) -> None:
        if self._is_escaped:
            self._is_escaped = False
        elif character == "\\":
            self._is_escaped = True
        elif character == '"':
            self._in_string = False
            self.has_ended = self._depth == 0
