"""Layers of settings, laid over each other: a later one wins, and every value keeps its origin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from narthex.config.origins import DEFAULT, KeyPath, Origin


class Layers:
    """The values so far. Tables are merged name by name; anything else is replaced whole, lists too."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self._origins: dict[KeyPath, Origin] = {}

    def add_document(self, values: Mapping[str, object], origins: Mapping[KeyPath, Origin]) -> None:
        """Lay a file's values over what is there, each with its own place."""
        for key, value in values.items():
            self._put((key,), value)
        self._origins.update(origins)

    def add(self, path: KeyPath, value: object, origin: Origin) -> None:
        """Lay one value over what is there."""
        self._put(path, value)
        for below in _paths(value, path):
            self._origins[below] = origin
        for length in range(1, len(path)):
            self._origins.setdefault(path[:length], origin)

    def note(self, path: KeyPath, origin: Origin) -> None:
        """Keep the origin of a value that is not laid over, because it is found elsewhere."""
        self._origins[path] = origin

    def _put(self, path: KeyPath, value: object) -> None:
        table = self.values
        for depth, part in enumerate(path[:-1], start=1):
            inner = table.get(str(part))
            if not isinstance(inner, dict):
                self._forget(path[:depth])
                inner = table[str(part)] = {}
            table = cast("dict[str, object]", inner)
        self._merge(table, path, value)

    def _merge(self, table: dict[str, object], path: KeyPath, value: object) -> None:
        key = str(path[-1])
        there = table.get(key)
        if not (isinstance(value, dict) and isinstance(there, dict)):
            self._forget(path)
            table[key] = _copied(value)
            return
        for name, inner in value.items():
            self._merge(cast("dict[str, object]", there), (*path, str(name)), inner)

    def _forget(self, path: KeyPath) -> None:
        for known in [known for known in self._origins if known[: len(path)] == path]:
            del self._origins[known]

    def origin_of(self, path: KeyPath) -> Origin:
        """Return where a value came from: its own origin, or that of the nearest thing around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._origins:
                return self._origins[path[:length]]
        return DEFAULT

    def has(self, path: KeyPath) -> bool:
        """Tell whether something set this very path."""
        return path in self._origins


def _paths(value: object, path: KeyPath) -> list[KeyPath]:
    if isinstance(value, dict):
        return [path, *(below for key, inner in value.items() for below in _paths(inner, (*path, str(key))))]
    if isinstance(value, list):
        return [path, *(below for index, inner in enumerate(value) for below in _paths(inner, (*path, index)))]
    return [path]


def _copied(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value
