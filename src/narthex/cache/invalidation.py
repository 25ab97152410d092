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
"""Patterns that are held; where there are more, all that is of the oldest one's owner is void that is as old as it."""
MAX_TAGS: Final = 100_000
"""Tags that are held, likewise."""
MAX_OWNERS: Final = 10_000
"""Owners of whom that is known; where there are more, it is so for everybody's."""


class Invalidation:
    """Knows what is void.

    Attributes:
        number: Of the last declaration.
        count: Declarations heard of so far: until there is another one, whatever is not void stays so.
    """

    def __init__(self) -> None:
        self.number = self.count = 0
        self._floor = 0
        """Whatever is of this number or of one before it and not newer is void."""
        self._floors: dict[str, int] = {}
        """The same for tags that begin so: those of one owner."""
        self._tags: dict[str, int] = {}
        self._patterns: dict[str, int] = {}
        self._compiled: dict[str, dict[str, re.Pattern[str]]] = {}
        """The patterns, by how all begins that they fit: whoever declares many is not in the way of others."""

    def declare(self, *, tags: Iterable[str] = (), patterns: Iterable[str] = (), number: int | None = None) -> int:
        """Declare void whatever has one of these tags, or one that a pattern fits; return the declaration's number.

        Args:
            tags: Whole tags.
            patterns: Of tags, in which `*` stands for anything.
            number: Of a declaration made elsewhere; by default the next.
        """
        number = self.number + 1 if number is None else max(number, self.number)
        self.number = number
        self.count += 1
        for tag in tags:
            self._tags.pop(tag, None)
            self._tags[tag] = number
        for pattern in patterns:
            self._patterns.pop(pattern, None)
            self._patterns[pattern] = number
            self._compiled.setdefault(_owner_of(pattern), {})[pattern] = pattern_of(pattern)
        self._keep_few()
        return number

    def declare_all(self, *, number: int | None = None) -> int:
        """Declare void whatever there is."""
        self.number = self._floor = self.number + 1 if number is None else max(number, self.number)
        self.count += 1
        self._floors.clear()
        self._tags.clear()
        self._patterns.clear()
        self._compiled.clear()
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
        if not (self._patterns or self._floors):
            return False
        owners = {"", *map(_owner_of, tags)}
        return any(self._floors.get(owner, 0) > number for owner in owners) or any(
            self._patterns[name] > number and any(map(pattern.fullmatch, tags))
            for owner in owners
            for name, pattern in self._compiled.get(owner, {}).items()
        )

    def _keep_few(self) -> None:
        while len(self._tags) > MAX_TAGS:
            tag = next(iter(self._tags))
            self._let_go(tag, self._tags.pop(tag))
        while len(self._patterns) > MAX_PATTERNS:
            pattern = next(iter(self._patterns))
            owner = _owner_of(pattern)
            del self._compiled[owner][pattern]
            if not self._compiled[owner]:
                del self._compiled[owner]
            self._let_go(pattern, self._patterns.pop(pattern))

    def _let_go(self, name: str, number: int) -> None:
        """Have all be void that is its owner's and as old: whoever declares a lot does so to no one else."""
        owner = _owner_of(name)
        if not owner or len(self._floors) >= MAX_OWNERS:
            self._floor = max(self._floor, number)
        else:
            self._floors[owner] = max(self._floors.get(owner, 0), number)


def pattern_of(text: str) -> re.Pattern[str]:
    """Return what fits the tags that a pattern means, in which `*` stands for anything."""
    return re.compile(expression_of(text), re.DOTALL)


def _owner_of(name: str) -> str:
    """Return how all begins that is of one owner, as `tag:workspace:ID:invoices` does; empty where none is named."""
    *owner, _ = name.split(":", 3)
    return f"{':'.join(owner)}:" if len(owner) == 3 and "*" not in "".join(owner) else ""
