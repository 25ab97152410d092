"""Breakers and provider keys that stand alike in all processes: what happens to one here is told, and adopted there.

    breaker or pool ──changed──► note ──► all others ──► their breaker or pool of the same name

Nothing waits for it: each process goes on deciding by what it sees itself. Keys are known to others by a mark only.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

import msgspec

from narthex.providers.contract import Provider
from narthex.providers.remote import RemoteProvider
from narthex.resilience.boards import BreakerBoard
from narthex.resilience.breakers import Breaker, BreakerCause, BreakerState, Standing
from narthex.resilience.cooling import KeyPool
from narthex.stores.notes import Draft, Manner, Note
from narthex.stores.replica import Replica
from narthex.types.keys import KeyId, KeyReport, KeyState

logger = logging.getLogger(__name__)

REMEMBERED_S: Final = 300.0
"""How long a note is kept after what it says is over: so long may a process be away and still hear of it."""
LATE: Final = 0.2
"""Part of the open time by which others let the one go first that opened a breaker: not all are to probe at once."""

_BREAKER: Final = "breaker:"
_KEY: Final = "key:"
_FORCED: Final = frozenset({BreakerState.FORCED_OPEN, BreakerState.FORCED_CLOSED})
_FOLLOWING: Final = frozenset({BreakerState.HALF_OPEN, BreakerState.CLOSED})
"""What a breaker only comes to by what it was before."""


class _BreakerText(msgspec.Struct, frozen=True, omit_defaults=True):
    state: BreakerState
    cause: BreakerCause | None = None
    openings: int = 0
    open_for_s: float = 0.0
    step: int = 0


class _KeyText(msgspec.Struct, frozen=True, omit_defaults=True):
    state: KeyState
    reason: str | None = None
    refusals: int = 0
    by_hand: bool = False


_encode = msgspec.json.Encoder().encode
_decode_breaker = msgspec.json.Decoder(_BreakerText).decode
_decode_key = msgspec.json.Decoder(_KeyText).decode

_Held = tuple[KeyPool, KeyId]


class Sharing:
    """Writes notes of what changes here, and takes over those of others."""

    def __init__(self, board: BreakerBoard, *, writer: str, pepper: str, chance: random.Random | None = None) -> None:
        """Watch a board; keys are watched once `follow` was told of their providers.

        Args:
            board: The breakers of this process.
            writer: Name of this process among all.
            pepper: Goes into the marks of keys.
            chance: Where jitter comes from.
        """
        self._board = board
        self._pepper = pepper
        self._chance = chance or random.Random()  # noqa: S311 - jitter is no secret
        self._held: dict[str, list[_Held]] = {}
        self._followed: set[KeyPool] = set()
        self.replica = Replica(writer, adopt=self._adopt, standing=self._drafts)
        board.watchers.append(self._breaker_changed)

    def follow(self, providers: Iterable[Provider]) -> None:
        """Share the keys of these providers from now on, and of no others."""
        held: dict[str, list[_Held]] = {}
        followed: set[KeyPool] = set()
        for topic, pool, key in self._keys_of(providers):
            held.setdefault(topic, []).append((pool, key))
            followed.add(pool)
            if pool not in self._followed:
                self._begin(topic, pool, key)
        self._held, self._followed = held, followed

    def lines(self) -> Iterator[str]:
        """Yield the counters in Prometheus's text format.

        https://prometheus.io/docs/instrumenting/exposition_formats/
        """
        yield "# HELP narthex_shared_notes_total Changes of breakers and keys that processes share, by way."
        yield "# TYPE narthex_shared_notes_total counter"
        yield f'narthex_shared_notes_total{{way="told"}} {self.replica.posted}'
        yield f'narthex_shared_notes_total{{way="heard"}} {self.replica.adopted}'

    # -- from here to there ----------------------------------------------------------------------------------------

    def _breaker_changed(self, breaker: Breaker, by_hand: bool) -> None:
        standing = breaker.standing()
        manner = Manner.CLAIM if standing.state in _FOLLOWING else Manner.EVENT
        if "\n" not in breaker.name:
            self.replica.write(_breaker_draft(breaker.name, standing, Manner.HAND if by_hand else manner))

    def _key_changed(self, topic: str, report: KeyReport, *, by_hand: bool) -> None:
        manner = Manner.CLAIM if report.state is KeyState.USABLE else Manner.EVENT
        self.replica.write(_key_draft(topic, report, Manner.HAND if by_hand else manner))

    def _drafts(self) -> Iterator[Draft]:
        for name, standing in self._board.standings().items():
            if "\n" not in name:
                yield _breaker_draft(name, standing, Manner.EVENT)
        for topic, each in self._held.items():
            reports = [report for pool, key in each if (report := pool.report(key)).state is not KeyState.USABLE]
            if reports:
                yield _key_draft(topic, reports[0], Manner.EVENT)

    # -- from there to here ----------------------------------------------------------------------------------------

    def _adopt(self, note: Note) -> None:
        try:
            if note.topic.startswith(_BREAKER):
                self._adopt_breaker(note)
            elif note.topic.startswith(_KEY):
                for pool, key in self._held.get(note.topic, ()):
                    pool.adopt(_read_key(note, key))
        except msgspec.MsgspecError:
            # Written by a release to come: it is left to those who understand it.
            logger.debug("a note on %s is not understood", note.topic)

    def _adopt_breaker(self, note: Note) -> None:
        standing = _read_breaker(note)
        late_s = self._chance.random() * LATE * standing.open_for_s
        self._board.adopt(note.topic.removeprefix(_BREAKER), standing, late_s=late_s)

    # -- keys ------------------------------------------------------------------------------------------------------

    def _keys_of(self, providers: Iterable[Provider]) -> Iterator[tuple[str, KeyPool, KeyId]]:
        for provider in providers:
            if not isinstance(provider, RemoteProvider) or provider.books is None:
                continue
            pool = provider.books.turns
            assert isinstance(pool, KeyPool)
            for key, mark in provider.books.marks(f"{self._pepper} {provider.base_url}").items():
                yield f"{_KEY}{mark}", pool, key

    def _begin(self, topic: str, pool: KeyPool, key: KeyId) -> None:
        pool.watchers.append(self._watcher(topic, pool, key))
        known = self.replica.told(topic)
        if known is not None:
            pool.adopt(_read_key(known, key))

    def _watcher(self, topic: str, pool: KeyPool, key: KeyId) -> Callable[[KeyId, bool], None]:
        def changed(which: KeyId, by_hand: bool) -> None:
            if which != key or topic not in self._held:
                return
            report = pool.report(key)
            for other, its_name in self._held[topic]:
                if other is not pool:
                    other.adopt(replace(report, key=its_name))
            self._key_changed(topic, report, by_hand=by_hand)

        return changed


def _breaker_draft(name: str, standing: Standing, manner: Manner) -> Draft:
    text = _BreakerText(standing.state, standing.cause, standing.openings, standing.open_for_s, standing.step)
    held = standing.state in _FORCED
    return Draft(
        topic=_BREAKER + name,
        text=_encode(text).decode(),
        manner=manner,
        held=held,
        left_s=standing.left_s,
        keep_s=None if held else standing.left_s + REMEMBERED_S,
    )


def _read_breaker(note: Note) -> Standing:
    if not note.text:
        return Standing(state=BreakerState.CLOSED)
    text = _decode_breaker(note.text)
    return Standing(
        state=text.state,
        cause=text.cause,
        openings=text.openings,
        open_for_s=text.open_for_s,
        left_s=note.left_s,
        step=text.step,
    )


def _key_draft(topic: str, report: KeyReport, manner: Manner) -> Draft:
    text = _KeyText(report.state, report.reason, report.refusals, report.by_hand)
    left_s = report.usable_in_s if report.usable_in_s < math.inf else 0.0
    return Draft(
        topic=topic,
        text=_encode(text).decode(),
        manner=manner,
        held=report.by_hand,
        left_s=left_s,
        keep_s=None if report.by_hand else left_s + REMEMBERED_S,
    )


def _read_key(note: Note, key: KeyId) -> KeyReport:
    usable = KeyReport(key=key, state=KeyState.USABLE)
    if not note.text:
        return usable
    text = _decode_key(note.text)
    told = replace(usable, state=text.state, reason=text.reason, refusals=text.refusals, by_hand=text.by_hand)
    return replace(told, usable_in_s=note.left_s)
