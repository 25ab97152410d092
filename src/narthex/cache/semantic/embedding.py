"""A vector for each question, within a budget of time: a slow embedder slows nothing but itself."""

from __future__ import annotations

import array
import asyncio
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from narthex.cache.semantic.contract import Embed

_log = logging.getLogger(__name__)
_PROBE = "The quick brown fox asks which way the narthex leads, and how far."
_IS_SAME = 0.999
"""Cosine of one text's vectors by one model, made twice."""


class Embedding:
    """An embedder, its vectors of late, and a switch that turns it off while it is too slow.

    A text whose vector does not come in time has none; the vector is kept when it comes. Two that ask for one text
    wait for one call.
    """

    def __init__(
        self,
        embed: Embed,
        *,
        name: str,
        budget_ms: float = 50.0,
        kept: int = 2_000,
        most_waiting: int = 16,
        slow_in_row: int = 5,
        pause_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Wrap an embedder.

        Args:
            embed: Makes a vector of a text; it may take its time, and fail.
            name: Model, pooling and form of its vectors; another name is another namespace.
            budget_ms: Longest wait of a question.
            kept: Vectors that are remembered.
            most_waiting: Calls under way at once; beyond, a question has no vector.
            slow_in_row: Late or failed calls after which it is left alone.
            pause_s: How long.
            clock: Tells the time in seconds, from anywhere.
        """
        self.name = name
        self.budget_ms = budget_ms
        self._embed = embed
        self._limits = (kept, most_waiting, slow_in_row)
        self._pause_s = pause_s
        self._clock = clock
        self._vectors: OrderedDict[str, bytes] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[bytes | None]] = {}
        self._slow = 0
        self._off_until = 0.0
        self._probe: bytes | None = None
        self._generation = 0
        self._dimensions = 0

    @property
    def namespace(self) -> str:
        """How vectors are made now; it changes with the model, also where its name stays."""
        return f"{self.name}/{self._dimensions}/{self._generation}"

    @property
    def probe(self) -> bytes | None:
        """The vector of a sentence that is always the same, as it was made last; None before the first `check`."""
        return self._probe

    @property
    def is_off(self) -> bool:
        """Whether it is left alone because it was too slow."""
        return self._clock() < self._off_until

    async def of(self, text: str) -> bytes | None:
        """Return a text's vector of length one; None where it does not come within the budget, or at all."""
        known = self._vectors.get(text)
        if known is not None:
            self._vectors.move_to_end(text)
            return known
        call = self._call(text)
        if call is None:
            return None
        done, _ = await asyncio.wait({call}, timeout=self.budget_ms / 1000)
        vector = call.result() if done and not call.cancelled() else None
        self._count(is_slow=vector is None)
        return vector

    async def check(self) -> bool:
        """Embed a sentence that is always the same; tell whether the model is still the one it was.

        Where it is not, all vectors are forgotten and the namespace is another one. Not on a request's path.
        """
        vector = await self._embedded(_PROBE)
        if vector is None:
            return True
        if self._probe is not None and cosine(self._probe, vector) >= _IS_SAME:
            return True
        is_first, self._probe = self._probe is None, vector
        if is_first:
            return True
        self._changed("answers the same sentence with another vector")
        return False

    async def aclose(self) -> None:
        """End calls under way."""
        calls = list(self._under_way.values())
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    def _call(self, text: str) -> asyncio.Task[bytes | None] | None:
        """Return the call for a text, begun where there is none; None where it cannot be made now."""
        call = self._under_way.get(text)
        if call is not None:
            return call
        if self.is_off or len(self._under_way) >= self._limits[1]:
            return None
        call = self._under_way[text] = asyncio.get_running_loop().create_task(self._embedded(text))
        call.add_done_callback(lambda _: self._under_way.pop(text, None))
        return call

    async def _embedded(self, text: str) -> bytes | None:
        generation = self._generation
        try:
            values = await self._embed(text)
        except Exception as error:  # noqa: BLE001 - whatever an embedder does, the request goes on
            _log.info("semantic cache: %s has no vector for a question: %r", self.name, error)
            return None
        if generation != self._generation:
            # Made by the model that was there before: it is not to be held against vectors of the one that is now.
            return None
        vector = unit(values)
        if vector is None:
            _log.warning("semantic cache: %s made a vector that is none: empty, zero or not finite", self.name)
            return None
        if self._dimensions not in {0, len(values)}:
            self._changed(f"makes vectors of {len(values)} numbers in place of {self._dimensions}")
        self._dimensions = len(values)
        if text != _PROBE:
            self._keep(text, vector)
        return vector

    def _keep(self, text: str, vector: bytes) -> None:
        self._vectors[text] = vector
        if len(self._vectors) > self._limits[0]:
            self._vectors.popitem(last=False)

    def _changed(self, how: str) -> None:
        self._generation += 1
        self._vectors.clear()
        _log.warning("semantic cache: %s %s: what it embedded before is no longer looked at", self.name, how)

    def _count(self, *, is_slow: bool) -> None:
        self._slow = self._slow + 1 if is_slow else 0
        if self._slow >= self._limits[2] and not self.is_off:
            # One more slow call after the pause turns it off again.
            self._slow = self._limits[2] - 1
            self._off_until = self._clock() + self._pause_s
            _log.warning(
                "semantic cache: %s took longer than %g ms %d times in a row; not asked for %g s",
                self.name,
                self.budget_ms,
                self._limits[2],
                self._pause_s,
            )


def unit(values: Sequence[float]) -> bytes | None:
    """Return a vector as float32 of length one; None for one that has no direction."""
    length = math.sqrt(math.fsum(value * value for value in values))
    if not values or not math.isfinite(length) or length == 0:
        return None
    return array.array("f", [value / length for value in values]).tobytes()


def cosine(one: bytes, other: bytes) -> float:
    """Return the cosine of two vectors of length one, as float32; 0 for two of different lengths."""
    left, right = array.array("f", one), array.array("f", other)
    return sum(map(float.__mul__, left, right)) if len(left) == len(right) else 0.0
