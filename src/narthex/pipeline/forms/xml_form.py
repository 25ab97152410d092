"""XML in a model's text: taken as it is, or repaired into a well-formed document.

Repair leaves out the chat before and behind the document and keeps what the model said in it: it escapes bare `&` and
`<`, closes what was left open, drops ends without beginnings, gives a root to what has none, and removes document
types, so that no entity can be declared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree as ET

DEFAULT_ROOT = "answer"


class UnformedXml(ValueError):
    """There is no XML in the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormedXml:
    """A well-formed document, and whether the text had to be changed for it."""

    text: str
    repaired: bool


_NAME = r"[A-Za-z_][A-Za-z0-9_.\-]*"
_TOKEN = re.compile(
    rf"""
    (?P<comment><!--(?:(?!--).)*?-->)
  | (?P<cdata><!\[CDATA\[.*?\]\]>)
  | (?P<declaration><!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>|<[?!][^>]*>)
  | </(?P<end>{_NAME})\s*>
  | <(?P<begin>{_NAME})(?P<attributes>(?:\s+{_NAME}\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(?P<empty>/?)>
    """,
    re.VERBOSE | re.DOTALL,
)
_ATTRIBUTE = re.compile(rf"({_NAME})\s*=\s*(\"[^\"<]*\"|'[^'<]*')")
_BARE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|\#(?:[0-9]{1,7}|x[0-9A-Fa-f]{1,6}));)")
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BAD_REFERENCE = re.compile(r"&\#(x?)([0-9A-Fa-f]+);")
_CUT_TAG = re.compile(r"<[/!?]?[A-Za-z_]?[^<>]*\Z")
_FENCED = re.compile(r"```(?:xml|XML)?[ \t]*\n?(.*?)(?:```|\Z)", re.DOTALL)


def read_xml(text: str, *, root: str | None = None) -> FormedXml:
    """Return the XML document that a text holds.

    Args:
        text: What the model wrote.
        root: Name that the outermost element must have; any if None.

    Raises:
        UnformedXml: The text holds no element at all.
    """
    stripped = text.strip()
    if "<!DOCTYPE" not in stripped and _well_formed(stripped, root):
        return FormedXml(text=stripped, repaired=False)
    fenced = _FENCED.search(stripped)
    inner = fenced.group(1).strip() if fenced else stripped
    if fenced and "<!DOCTYPE" not in inner and _well_formed(inner, root):
        return FormedXml(text=inner, repaired=True)
    if not any(token.group("begin") for token in _TOKEN.finditer(inner)):
        raise UnformedXml("the text holds no XML element")
    repaired = _repair(_FORBIDDEN.sub("", inner), root)
    if not _well_formed(repaired, root):
        raise UnformedXml("the text cannot be made well-formed XML")
    return FormedXml(text=repaired, repaired=True)


def _well_formed(text: str, root: str | None) -> bool:
    try:
        element = ET.fromstring(text)  # noqa: S314 - document types are removed before, so no entities expand
    except (ET.ParseError, ValueError):
        return False
    return root is None or element.tag == root


def _repair(text: str, root: str | None) -> str:
    repair = _Repair()
    place = None
    for token in _TOKEN.finditer(text):
        if place is not None:
            repair.text(text[place : token.start()])
        if place is not None or token.group("begin"):
            repair.token(token)
            place = token.end()
    if repair.is_open:
        repair.text(_CUT_TAG.sub("", text[place:]))
    return repair.document(root)


class _Repair:
    """Writes a document from tokens, with every element closed in its place."""

    def __init__(self) -> None:
        self._written: list[str] = []
        self._open: list[str] = []
        self._top: list[str] = []
        self._loose_text = False

    @property
    def is_open(self) -> bool:
        return bool(self._open)

    def text(self, text: str) -> None:
        if not self._open and text.strip():
            self._loose_text = True
        self._written.append(_escaped(text).replace("<", "&lt;").replace("]]>", "]]&gt;"))

    def token(self, token: re.Match[str]) -> None:
        if token.group("declaration"):
            return
        if token.group("comment") or token.group("cdata"):
            if token.group("cdata") and not self._open:
                self._loose_text = True
            self._written.append(token.group())
        elif token.group("end"):
            self._end(token.group("end"))
        else:
            self._begin(token)

    def _begin(self, token: re.Match[str]) -> None:
        name = token.group("begin")
        if not self._open:
            self._top.append(name)
        attributes = dict(reversed(_ATTRIBUTE.findall(token.group("attributes"))))
        written = "".join(f" {key}={_escaped(value)}" for key, value in attributes.items())
        self._written.append(f"<{name}{written}{'/' if token.group('empty') else ''}>")
        if not token.group("empty"):
            self._open.append(name)

    def _end(self, name: str) -> None:
        if name not in self._open:
            return
        while True:
            last = self._open.pop()
            self._written.append(f"</{last}>")
            if last == name:
                return

    def document(self, root: str | None) -> str:
        body = "".join(self._written) + "".join(f"</{name}>" for name in reversed(self._open))
        if len(self._top) == 1 and not self._loose_text and root in {None, self._top[0]}:
            return body.strip()
        name = root or DEFAULT_ROOT
        return f"<{name}>{body}</{name}>"


def _escaped(text: str) -> str:
    return _BARE_AMPERSAND.sub("&amp;", _BAD_REFERENCE.sub(_reference, text))


def _reference(match: re.Match[str]) -> str:
    """Keep a numeric reference to a character that XML allows; drop any other."""
    digits = match.group(2)
    try:
        number = int(digits, 16 if match.group(1) else 10)
        char = chr(number)
    except (ValueError, OverflowError):
        return ""
    return "" if _FORBIDDEN.match(char) or 0xD800 <= number <= 0xDFFF else match.group()
