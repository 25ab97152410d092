"""What an examination finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at."""

    name: str
    status: Status
    """`warn`: it works, or will, but not as well as it could; `fail`: it does not work."""
    detail: str
    remedy: str | None = None
    """What mends it, as a command where there is one."""


def good(name: str, detail: str) -> Finding:
    """Return that all is well."""
    return Finding(name=name, status="ok", detail=detail)


def poor(name: str, detail: str, remedy: str) -> Finding:
    """Return that it could be better."""
    return Finding(name=name, status="warn", detail=detail, remedy=remedy)


def bad(name: str, detail: str, remedy: str) -> Finding:
    """Return that it does not work."""
    return Finding(name=name, status="fail", detail=detail, remedy=remedy)
