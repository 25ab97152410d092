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
    """It was refused."""
    PROBING = "probing"
    """It was refused, and one call tries whether it still is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoKey:
    """No key of the pool may be used now."""

    usable_in_s: float
    """When the next one may be."""
    state: KeyState
    """What the next one waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReport:
    """How one key stands."""

    key: KeyId
    state: KeyState
    reason: str | None
    """Why it was retired."""
    usable_in_s: float
    """0 for a key that may be used now."""
