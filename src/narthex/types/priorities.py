"""How urgent a call is, compared with others."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final, Literal


class Priority(IntEnum):
    """Where there is not room for all, higher ones are served first and refused last."""

    LOW = -1
    NORMAL = 0
    HIGH = 1

    @property
    def word(self) -> str:
        """Its name in headers, settings and metrics."""
        return self.name.lower()


PriorityWord = Literal["low", "normal", "high"]

PRIORITIES: Final[Mapping[str, Priority]] = MappingProxyType({priority.word: priority for priority in Priority})
"""By their words."""
