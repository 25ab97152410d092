"""The keys of a provider, as everybody but their holder knows them: by ID and state, never by their secret."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

KeyId = NewType("KeyId", str)
"""Stands for a key; tells nothing about its secret."""


class KeyState(StrEnum):
    """Whether a key may be used."""

    USABLE = "usable"
    COOLING = "cooling"
    """It is over its rate limit until a known time."""
    RETIRED = "retired"
    """It was refused, or taken out of service by hand."""
    PROBING = "probing"
    """It was refused, and one call tries whether it still is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoKey:
    """No key of the pool may be used now."""

    usable_in_s: float
    """When the next one may be; infinite where that takes a hand."""
    state: KeyState
    """What the next one waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReport:
    """How one key stands."""

    key: KeyId
    state: KeyState
    reason: str | None = None
    """The class of failure that was last held against it; None once it was accepted again."""
    usable_in_s: float = 0.0
    """0 for a key that may be used now, infinite for one that comes back by hand only."""
    refusals: int = 0
    """How often in a row it was refused; its pause grows with it."""
    by_hand: bool = False
    """Whether it was taken out of service by hand."""
    ends: str = ""
    """The last characters of the key, to know it by; none of a short one."""
