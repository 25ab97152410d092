"""A bounded memory of what was asked for of late."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Recent(Generic[_Key, _Value]):
    """Remembers things in two generations: what nobody asked for while a whole one was filled is let go of."""

    def __init__(self, least: int) -> None:
        """Begin with nothing; at least so many are remembered, and twice as many at most."""
        self._least = least
        self._young: dict[_Key, _Value] = {}
        self._old: dict[_Key, _Value] = {}

    def get(self, key: _Key) -> _Value | None:
        """Return what lies under a key, which was asked for by this."""
        found = self._young.get(key)
        if found is None and self._old:
            found = self._old.pop(key, None)
            if found is not None:
                self._young[key] = found
        return found

    def put(self, key: _Key, value: _Value) -> dict[_Key, _Value] | None:
        """Remember something new; returns what was let go of for it, None where no generation ended."""
        forgotten = None
        if len(self._young) >= self._least:
            forgotten, self._old, self._young = self._old, self._young, {}
        self._young[key] = value
        return forgotten

    def keep(self, key: _Key, value: _Value) -> None:
        """Remember what was let go of after all."""
        self._young[key] = value

    def remove(self, key: _Key) -> None:
        """Let go of one."""
        self._young.pop(key, None)
        self._old.pop(key, None)

    def items(self) -> Iterator[tuple[_Key, _Value]]:
        """Yield all that is remembered, as it is at this moment."""
        yield from (*self._old.items(), *self._young.items())

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._old) + len(self._young)
