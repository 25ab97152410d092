"""A cache of prompts as Anthropic describes its own: what is marked is kept, what was kept is found again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import cast

Json = dict[str, object]
LOOKS_BACK = 20
"""So many blocks before a mark are looked at for what was kept before."""
READ, WRITTEN = 0.1, 1.25
"""What a token costs that is read from it, or written to it, by what any other costs."""


class PrefixCache:
    """Counts what is read and written; a token has four bytes."""

    def __init__(self, *, least_tokens: int = 1_024) -> None:
        self.least_tokens = least_tokens
        self.kept: set[bytes] = set()
        self.plain = self.read = self.written = 0

    @property
    def cost(self) -> float:
        """What all of it cost, by the price of a token that is neither read from the cache nor written to it."""
        return self.plain + READ * self.read + WRITTEN * self.written

    @property
    def tokens(self) -> int:
        """All tokens that came."""
        return self.plain + self.read + self.written

    def take(self, body: bytes) -> tuple[int, int]:
        """Take a request in; return the tokens that were read, and those that were written."""
        digest, at = sha256(), 0
        passed: list[tuple[bytes, int]] = []
        marks: list[int] = []
        for text, is_marked in _blocks(json.loads(body)):
            digest.update(text)
            at += len(text) // 4
            passed.append((digest.digest(), at))
            if is_marked:
                marks.append(len(passed) - 1)
        assert len(marks) <= 4
        found = max((self._found(passed, mark) for mark in marks), default=0)
        large = [passed[mark] for mark in marks if passed[mark][1] >= self.least_tokens]
        written = max((size for _, size in large), default=0) - found
        self.kept.update(name for name, _ in large)
        self.plain, self.read, self.written = (
            self.plain + at - found - written,
            self.read + found,
            self.written + written,
        )
        return found, written

    def _found(self, passed: list[tuple[bytes, int]], mark: int) -> int:
        near = passed[max(0, mark - LOOKS_BACK + 1) : mark + 1]
        return max((size for name, size in near if name in self.kept), default=0)


def _blocks(body: Json) -> Iterator[tuple[bytes, bool]]:
    """Yield what is read, in order, each with whether it is marked."""
    for tool in cast("list[Json]", body.get("tools", [])):
        yield _block(tool)
    for block in _content(body.get("system", [])):
        yield _block(block)
    for message in cast("list[Json]", body["messages"]):
        for block in _content(message["content"]):
            yield _block({"role": message["role"], **block})


def _content(said: object) -> list[Json]:
    return [{"type": "text", "text": said}] if isinstance(said, str) else cast("list[Json]", said)


def _block(block: Json) -> tuple[bytes, bool]:
    bare = {name: value for name, value in block.items() if name != "cache_control"}
    return json.dumps(bare, sort_keys=True).encode(), "cache_control" in block
