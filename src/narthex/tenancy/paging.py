"""Lists told part by part: which part is wanted, and where the next one begins."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from narthex.errors import NotFound

R = TypeVar("R")
_LATEST: Final = 2**63 - 1


class Page(NamedTuple):
    """Which part of a list is wanted."""

    limit: int = 20
    after: str | None = None
    """Where the part before this one ended, as it was told."""


class Part(NamedTuple, Generic[R]):
    """A part of a list."""

    items: Sequence[R]
    next: str | None
    """Where the next part begins; None at the end."""


def cursor(at: object, name: str) -> str:
    """Return where the part behind a row begins."""
    return base64.urlsafe_b64encode(f"{at} {name}".encode()).decode().rstrip("=")


def place_of(cursor: str, *, is_time: bool) -> tuple[object, str]:
    """Return the row before a part.

    Raises:
        NotFound: This is no place that was told.
    """
    try:
        said = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        at, _, name = said.partition(" ")
        moment = int(at) if is_time else 0
    except (binascii.Error, ValueError) as error:
        raise NotFound(f"after: {cursor[:100]!r} is no `next` of this list", param="after") from error
    if "\0" in said or not 0 <= moment <= _LATEST:
        # No database takes that.
        raise NotFound(f"after: {cursor[:100]!r} is no `next` of this list", param="after")
    return (moment if is_time else at), name
