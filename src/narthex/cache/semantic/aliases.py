"""Pairs that were judged: approved ones answer at once, and can be revoked; and those that wait for a judge."""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Callable

from narthex.cache.semantic.contract import Judge, Pair
from narthex.cache.semantic.normalising import folded

_log = logging.getLogger(__name__)
_Place = tuple[bytes, str]


class Aliases:
    """What was judged of texts within a scope: of which entry each is another wording, and of which it is none."""

    def __init__(self, most: int = 50_000) -> None:
        self._most = most
        self._approved: OrderedDict[_Place, int] = OrderedDict()
        self._refused: OrderedDict[tuple[bytes, str, int], None] = OrderedDict()

    def __len__(self) -> int:
        """Return how many aliases answer."""
        return len(self._approved)

    def entry_of(self, scope: bytes, text: str) -> int | None:
        """Return the entry that a text is another wording of."""
        return self._approved.get((scope, folded(text))) if self._approved else None

    def is_refused(self, pair: Pair) -> bool:
        """Tell whether a pair was judged different."""
        return (pair.scope, folded(pair.question), pair.entry) in self._refused

    def judged(self, pair: Pair, *, same: bool) -> None:
        """Keep a verdict; a later one of the same pair takes its place."""
        place = (pair.scope, folded(pair.question))
        if same:
            self._refused.pop((*place, pair.entry), None)
            self._approved[place] = pair.entry
            if len(self._approved) > self._most:
                self._approved.popitem(last=False)
            return
        if self._approved.get(place) == pair.entry:
            del self._approved[place]
        self._refused[(*place, pair.entry)] = None
        if len(self._refused) > self._most:
            self._refused.popitem(last=False)

    def revoke(self, scope: bytes, text: str) -> bool:
        """Take an alias away; tell whether there was one."""
        return self._approved.pop((scope, folded(text)), None) is not None


class GreyZone:
    """Pairs just below the threshold, each once, waiting for a judge that has time."""

    def __init__(self, most: int = 256) -> None:
        self._waiting: deque[Pair] = deque()
        self._known: set[tuple[bytes, str, int]] = set()
        self._most = most

    def __len__(self) -> int:
        """Return how many pairs wait."""
        return len(self._waiting)

    def put(self, pair: Pair) -> None:
        """Let a pair wait; where too many do, it is left out."""
        place = (pair.scope, folded(pair.question), pair.entry)
        if place in self._known or len(self._waiting) >= self._most:
            return
        self._known.add(place)
        self._waiting.append(pair)

    def take(self) -> Pair:
        """Take the pair that waits longest.

        Raises:
            IndexError: None waits.
        """
        pair = self._waiting.popleft()
        self._known.discard((pair.scope, folded(pair.question), pair.entry))
        return pair

    async def judge_next(self, judge: Judge, judged: Callable[[Pair, bool], None]) -> bool:
        """Have the next pair judged; False where none waits. A judge that fails is asked again another time."""
        if not self._waiting:
            return False
        pair = self.take()
        try:
            same = await judge(pair.question, pair.known)
        except Exception as error:  # noqa: BLE001 - a judge's fault is no one else's
            _log.info("semantic cache: a pair could not be judged: %r", error)
            return True
        if same is not None:
            judged(pair, same)
        return True
