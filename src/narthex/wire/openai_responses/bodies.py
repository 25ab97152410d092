"""What reading JSON from outside shares: the errors of it, and how to say which field is at fault."""

from __future__ import annotations

from typing import TypeVar

from narthex.errors import InvalidRequest, UnsupportedContent

_Value = TypeVar("_Value")


def given(value: _Value | None, where: str) -> _Value:
    """Return a value that must be there.

    Raises:
        InvalidRequest: It is not.
    """
    if value is None:
        raise InvalidRequest(f"{where}: this field is required here", param=where)
    return value


def untranslatable(what: str, where: str, remedy: str) -> UnsupportedContent:
    """Return the error of content that the inner vocabulary has no word for."""
    return UnsupportedContent(f"{where}: {what} cannot be translated; {remedy}", param=where)
