"""What has been declared void: by tag, by pattern, or all of it.

Each declaration has a number, and each entry has the number that was the last when its question was asked. An entry is
dead if one of its tags was declared void under a later number. So a declaration costs the same for one entry and for a
million, and an answer that was on its way meanwhile is void with the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from narthex.types.patterns import expression_of

MAX_PATTERNS: Final = 1_024
"""Patterns that are held; where there are more, everything up to the oldest of them is void."""
MAX_TAGS: Final = 100_000
"""Tags that are held, likewise."""


class Invalidation:
    """Knows what is void.

    Attributes:
        number: Of the last declaration.
    """

    def __init__(self) -> None:
        self.number = 0
        self._floor = 0
        """Whatever is of this number or of one before it and not newer is void."""
        self._tags: dict[str, int] = {}
        self._patterns: list[tuple[int, re.Pattern[str]]] = []

    def declare(self, *, tags: Iterable[str] = (), patterns: Iterable[str] = (), number: int | None = None) -> int:
        """Declare void whatever has one of these tags, or one that a pattern fits; return the declaration's number.

        Args:
            tags: Whole tags.
            patterns: Of tags, in which `*` stands for anything.
            number: Of a declaration made elsewhere; by default the next.
        """
        number = self.number + 1 if number is None else max(number, self.number)
        self.number = number
        for tag in tags:
            self._tags.pop(tag, None)
            self._tags[tag] = number
        self._patterns += [(number, pattern_of(pattern)) for pattern in patterns]
        self._keep_few()
        return number

    def declare_all(self, *, number: int | None = None) -> int:
        """Declare void whatever there is."""
        self.number = self._floor = self.number + 1 if number is None else max(number, self.number)
        self._tags.clear()
        self._patterns.clear()
        return self.number

    def is_void(self, tags: Iterable[str], number: int) -> bool:
        """Tell whether what has these tags, and was asked for when `number` was the last, is void."""
        if number >= self.number:
            return False
        if number < self._floor:
            return True
        held = self._tags
        if any(held.get(tag, 0) > number for tag in tags):
            return True
        return any(at > number and any(pattern.fullmatch(tag) for tag in tags) for at, pattern in self._patterns)

    def _keep_few(self) -> None:
        while len(self._tags) > MAX_TAGS:
            self._floor = max(self._floor, self._tags.pop(next(iter(self._tags))))
        if len(self._patterns) > MAX_PATTERNS:
            self._floor = max(self._floor, self._patterns.pop(0)[0])


def pattern_of(text: str) -> re.Pattern[str]:
    """Return what fits the tags that a pattern means, in which `*` stands for anything."""
    return re.compile(expression_of(text), re.DOTALL)
