"""The same request twice is one call: what stands under an idempotency key, while it runs and after.

    running ──publish──► running, readable ──finish──► kept, until age, number or size drive it out
       │                        │       └────grow too large──► spent: repeats are told so, for as long
       └──────────fail, abandon─┴──► forgotten: the next request under this key is a new call

The first request under a key makes the entry and does the work. Repeats wait until there is something to read, and
share it: a whole answer, or a stream that is still being written. A repeat with another body is its sender's mistake.
An answer too large to be kept was given all the same: its key is spent, rather than free for a second call.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Generic, TypeVar

from narthex.errors import AnswerNotKept, IdempotencyConflict, InvalidRequest, NarthexError, Overloaded, alike

T = TypeVar("T")

HEADER: Final = "idempotency-key"
MAX_KEY_CHARACTERS: Final = 255
_KEY: Final = re.compile(rf"[!-~]{{1,{MAX_KEY_CHARACTERS}}}")
_RETRY_S: Final = 1.0
"""When to come back to a store that is full of calls under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyPolicy:
    """How much is remembered, and for how long."""

    entries: int = 10_000
    """Most keys, calls under way included."""
    bytes: int = 67_108_864
    """Most that all answers weigh together, those still being written included."""
    answer_bytes: int = 8_388_608
    """Most that one answer may weigh."""
    kept_s: float = 86_400.0
    """How long an answer is kept."""
    running_s: float = 90_000.0
    """After how long a call that was never heard of again is given up, so that its key can be used; no call takes as
    long."""

    def __post_init__(self) -> None:
        if self.entries < 1 or min(self.bytes, self.answer_bytes) < 0 or not min(self.kept_s, self.running_s) > 0:
            raise ValueError(f"{self!r}: expected entries >= 1, bytes >= 0, and times above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyReport:
    """How full the store is."""

    running: int
    kept: int
    bytes: int


def digest_of(route: str, body: bytes) -> bytes:
    """Return what tells one request from another: the digest of where it went and what it said."""
    digest = blake2b(route.encode(), digest_size=32)
    digest.update(b"\0")
    digest.update(body)
    return digest.digest()


class Entry(Generic[T]):
    """What stands under one key. Whoever made it ends it, once: `finish`, `fail` or `abandon`.

    Attributes:
        value: What repeats read; None until it is published, and when the key is spent.
    """

    __slots__ = ("_ended", "_error", "_store", "_waiting", "at_s", "digest", "name", "size_bytes", "value")

    def __init__(self, store: IdempotencyStore[T], *, name: tuple[str, str], digest: bytes, at_s: float) -> None:
        self._store = store
        self.name = name
        """Tenant and key."""
        self.digest = digest
        self.at_s = at_s
        """When it began, and once it is kept, when that was."""
        self.size_bytes = 0
        self.value: T | None = None
        self._error: NarthexError | None = None
        self._ended = False
        self._waiting: set[asyncio.Future[T | None]] = set()

    def publish(self, value: T) -> None:
        """Give repeats something to read, at once or as it is written."""
        if not self._ended:
            self.value = value
            self._wake()

    def grow(self, size_bytes: int) -> bool:
        """Take room for what is being written, which weighs so much by now.

        False if there is none, or the entry has ended: then the key is spent, and what was published is for those alone
        who have it already.
        """
        if self._ended:
            return False
        if self._store.make_room(self, size_bytes):
            return True
        self._spend()
        return False

    def finish(self, size_bytes: int) -> None:
        """Keep what was published: it is whole, and weighs so much. Of what is too heavy the key stays, spent."""
        if self._ended or (self.value is not None and not self.grow(size_bytes)):
            return
        self._ended = True
        self._store.keep(self)
        self._wake()

    def fail(self, error: NarthexError) -> None:
        """Forget the entry: repeats that wait for it share the error, and later ones are new calls."""
        self._forget(error)

    def abandon(self) -> None:
        """Forget the entry: it says nothing about the call, and one of the repeats that wait for it starts anew."""
        self._forget(None)

    @property
    def ended(self) -> bool:
        """Whether whoever made it is done with it."""
        return self._ended

    async def settled(self) -> T | None:
        """Wait until there is something to read, and return it; None if the entry was abandoned.

        Raises:
            NarthexError: The request that made the entry failed, or the key is spent; each repeat gets an error of its
                own.
        """
        value = self.value
        while value is None and not self._ended:
            value = await self._arrival()
        if value is None and self._error is not None:
            raise alike(self._error)
        return value

    async def _arrival(self) -> T | None:
        arrival: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
        self._waiting.add(arrival)
        try:
            return await arrival
        finally:
            self._waiting.discard(arrival)

    def _spend(self) -> None:
        self._ended = True
        self._error = AnswerNotKept(param=HEADER)
        self._store.make_room(self, 0)
        self._store.keep(self)
        self.value = None
        self._wake()

    def _forget(self, error: NarthexError | None) -> None:
        if not self._ended:
            self._ended = True
            self._error = error
            self._store.forget(self)
            self._wake()

    def _wake(self) -> None:
        """Hand on what there is: it may be gone again before those who wait for it run."""
        for arrival in self._waiting:
            if not arrival.done():
                arrival.set_result(self.value)


class IdempotencyStore(Generic[T]):
    """All entries of this process, bounded by number, size and age; tenants never meet each other's keys."""

    def __init__(self, policy: IdempotencyPolicy | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy or IdempotencyPolicy()
        self._clock = clock
        self._entries: dict[tuple[str, str], Entry[T]] = {}
        self._kept: OrderedDict[tuple[str, str], Entry[T]] = OrderedDict()
        """Those of them that are finished, oldest first."""
        self._bytes = 0

    def adopt(self, policy: IdempotencyPolicy) -> None:
        """Go by another policy from now on; what is too much for it is forgotten."""
        self._policy = policy
        self._drop_old()
        while self._kept and (len(self._entries) > policy.entries or self._bytes > policy.bytes):
            self._forget_oldest()

    async def claim(self, *, tenant: str, key: str, digest: bytes) -> tuple[Entry[T], T | None]:
        """Return the entry of this key, and what there is to read; None for the first, who must do the work and end it.

        Args:
            tenant: Whose key it is.
            key: As the client sent it.
            digest: Of the request, as `digest_of` makes it.

        Raises:
            InvalidRequest: The key is empty, too long, or not visible ASCII.
            IdempotencyConflict: The key stands for another request.
            AnswerNotKept: The answer was given, and was too large to be given again.
            Overloaded: As many calls are under way as the store may hold.
            NarthexError: The first request failed while this one waited for it.
        """
        if not _KEY.fullmatch(key):
            message = f"`{HEADER}` must have 1 to {MAX_KEY_CHARACTERS} visible ASCII characters, without spaces."
            raise InvalidRequest(message, param=HEADER)
        while True:
            entry = self._current((tenant, key))
            if entry is None:
                return self._begin((tenant, key), digest), None
            if entry.digest != digest:
                raise IdempotencyConflict(param=HEADER)
            value = await entry.settled()
            if value is not None:
                return entry, value

    def report(self) -> IdempotencyReport:
        """Return how full it is."""
        self._drop_old()
        kept = len(self._kept)
        return IdempotencyReport(running=len(self._entries) - kept, kept=kept, bytes=self._bytes)

    def lines(self) -> Iterator[str]:
        """Yield how full it is, in Prometheus's text format."""
        report = self.report()
        yield "# HELP narthex_idempotency_keys Idempotency keys, by what stands under them."
        yield "# TYPE narthex_idempotency_keys gauge"
        yield f'narthex_idempotency_keys{{state="running"}} {report.running}'
        yield f'narthex_idempotency_keys{{state="kept"}} {report.kept}'
        yield "# HELP narthex_idempotency_bytes Bytes of answers held for idempotency keys."
        yield "# TYPE narthex_idempotency_bytes gauge"
        yield f"narthex_idempotency_bytes {report.bytes}"

    def make_room(self, entry: Entry[T], size_bytes: int) -> bool:
        """Let an entry weigh so much, at the price of older ones that are kept; False if that is too much."""
        if size_bytes > min(self._policy.answer_bytes, self._policy.bytes):
            return False
        more = size_bytes - entry.size_bytes
        while more > 0 and self._bytes + more > self._policy.bytes:
            if not self._kept:
                return False
            self._forget_oldest()
        entry.size_bytes = size_bytes
        self._bytes += more
        return True

    def keep(self, entry: Entry[T]) -> None:
        """Take in an entry that has ended well, or is spent; called by the entry."""
        if entry.value is None:
            self.forget(entry)
            return
        entry.at_s = self._clock()
        self._kept[entry.name] = entry

    def forget(self, entry: Entry[T]) -> None:
        """Drop an entry; called by the entry, while it stands under its key."""
        del self._entries[entry.name]
        self._kept.pop(entry.name, None)
        self._bytes -= entry.size_bytes

    def _current(self, name: tuple[str, str]) -> Entry[T] | None:
        self._drop_old()
        entry = self._entries.get(name)
        if entry is not None and not entry.ended and self._clock() - entry.at_s >= self._policy.running_s:
            entry.abandon()
            return None
        return entry

    def _begin(self, name: tuple[str, str], digest: bytes) -> Entry[T]:
        if len(self._entries) >= self._policy.entries:
            if not self._kept:
                raise Overloaded("Too many calls with an idempotency key are under way.", retry_after_s=_RETRY_S)
            self._forget_oldest()
        entry = self._entries[name] = Entry(self, name=name, digest=digest, at_s=self._clock())
        return entry

    def _drop_old(self) -> None:
        oldest_s = self._clock() - self._policy.kept_s
        while self._kept and next(iter(self._kept.values())).at_s <= oldest_s:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        self.forget(next(iter(self._kept.values())))
