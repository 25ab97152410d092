"""Which of a provider's keys may be used now.

    usable ──rate limited──► cooling ──its time is over──► usable
       │
       └──────refused──────► retired ──a long pause──► usable for one probe ──it went well──► usable
                                ▲                               │
                                └──────────refused again────────┘

A hand takes a key out, and only a hand brings that one back.

A cooling key is a good key that must rest: it says nothing about the target, and no breaker counts it. A retired key
is wrong, unpaid or revoked; it comes back by itself when somebody has put that right. Keys are known by opaque IDs:
nothing here ever holds a secret.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from narthex.errors import Failure
from narthex.routing.lots import MOST_AHEAD, by_lots
from narthex.types.keys import KeyId, KeyReport, KeyState, NoKey


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPolicy:
    """How long a refused key stays away."""

    retired_s: float = 60.0
    """Pause after the first refusal; it doubles with each further one."""
    retired_cap_s: float = 3600.0
    """Longest pause."""
    sets_aside: bool = True
    """Whether what the provider says takes a key out of the rotation; if not, it is only noted. For a key that is the
    only one: it is still the best there is, and breakers leave alone who takes none."""

    def __post_init__(self) -> None:
        if not 0 < self.retired_s <= self.retired_cap_s:
            raise ValueError(f"{self!r}: expected 0 < retired_s <= retired_cap_s")


_MAX_DOUBLINGS: Final = 60


class _Key:
    """What is known of one key."""

    __slots__ = ("ahead", "back_at_s", "by_hand", "id", "reason", "refusals", "state", "used")

    def __init__(self, key: KeyId, used: int) -> None:
        self.id = key
        self.state = KeyState.USABLE
        self.used = used
        """Which use of the pool its last one was."""
        self.back_at_s = 0.0
        """When it comes back into the rotation; 0 while it is there."""
        self.reason: str | None = None
        self.refusals = 0
        self.by_hand = False
        self.ahead = 0.0
        """So many more of the calls that want one of the keys it had than its share of these."""


class KeyPool:
    """The keys of one provider, used in turn.

    Each call takes a key and tells what was said of it: `succeeded`, `cool`, `retire`, or `abandoned`.
    Only a key on probe needs to hear of a success, but hearing it does no harm to others.
    """

    __slots__ = ("_clock", "_keys", "_next_back_s", "_policy", "_rotation", "_uses", "barred", "watchers")

    def __init__(
        self, keys: Iterable[KeyId], policy: KeyPolicy | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the keys in, in the order of their first use.

        Raises:
            ValueError: There is no key.
        """
        self._policy = policy or KeyPolicy()
        self._clock = clock
        self._keys = {key: _Key(key, order) for order, key in enumerate(keys)}
        if not self._keys:
            raise ValueError("a pool needs at least one key; a provider without keys needs no pool")
        self._rotation = deque(self._keys.values())
        """What may be used, the least recently used first."""
        self._uses = len(self._keys)
        self._next_back_s = math.inf
        self.barred = False
        """Whether no key may be used until a hand returns one."""
        self.watchers: list[Callable[[KeyId, bool], None]] = []
        """Called with a key when something is held against it, or no longer is, and with whether somebody wanted it so;
        not when time brings it back."""

    def take(self, prefix: bytes = b"") -> KeyId | NoKey:
        """Return the key that was least recently used of those that may be, or say when there will be one.

        Args:
            prefix: How the call begins, if it wants the key that others had which began alike. It gets that, or the
                next that is not `MOST_AHEAD` calls ahead of its share of such calls.
        """
        if self._next_back_s < math.inf:
            self._bring_back(self._clock())
        if not self._rotation:
            return self._none()
        held = self._drawn(prefix) if prefix else self._rotation[0]
        self._rotation.remove(held)
        self._uses += 1
        held.used = self._uses
        if held.state is KeyState.PROBING:
            # One call tries it; should that call never report, another may after as long a pause.
            self._leave(held, KeyState.PROBING, self._clock() + self._pause_s(held))
        else:
            self._rotation.append(held)
        return held.id

    def next(self, prefix: bytes = b"") -> KeyId | None:
        """Return the key that `take` would, and use up nobody's turn; None where no key may be used."""
        self._bring_back(self._clock())
        if not self._rotation:
            return None
        return (self._wanted(prefix) if prefix else self._rotation[0]).id

    def _drawn(self, prefix: bytes) -> _Key:
        keys = self._rotation
        found = self._wanted(prefix)
        if found.state is not KeyState.PROBING:
            for one in keys:
                one.ahead -= 1 / len(keys)
            found.ahead += 1
        return found

    def _wanted(self, prefix: bytes) -> _Key:
        keys = self._rotation
        if keys[0].state is KeyState.PROBING:
            # It is its turn to be tried, whatever the call begins with.
            return keys[0]
        share = 1 / len(keys)
        order = by_lots(prefix, keys, name=lambda held: held.id, weight=lambda _: 1.0)
        usable = (one for one in order if one.state is not KeyState.PROBING)
        return next((one for one in usable if one.ahead + 1 - share <= MOST_AHEAD), keys[0])

    def succeeded(self, key: KeyId) -> None:
        """Take note that the provider accepted the key."""
        held = self._keys[key]
        if held.state is KeyState.PROBING:
            self._accept(held)
            self._come_back(held, KeyState.USABLE)
            self._tell(held)
        elif not self._policy.sets_aside:
            self._accept(held)

    def cool(self, key: KeyId, until_s: float) -> None:
        """Let a key rest that is over its rate limit.

        Args:
            key: Which one.
            until_s: When it may be used again, by the pool's clock; of several times the latest holds.

        A retired key stays retired: only one on probe shows by its rate limit that it is accepted again.
        """
        held = self._keys[key]
        if held.state is KeyState.RETIRED or until_s <= self._clock():
            return
        if not self._policy.sets_aside:
            held.reason = Failure.RATE_LIMITED.value
            return
        latest_s = max(until_s, held.back_at_s) if held.state is KeyState.COOLING else until_s
        self._accept(held)
        self._leave(held, KeyState.COOLING, latest_s)
        self._tell(held)

    def retire(self, key: KeyId, reason: str) -> None:
        """Take a key out of the rotation that the provider refused; a late refusal of a retired one changes nothing.

        Args:
            key: Which one.
            reason: The class of the failure, for those who look at the pool; never the provider's own words.
        """
        held = self._keys[key]
        if held.state is KeyState.RETIRED:
            return
        held.reason = reason
        if not self._policy.sets_aside:
            return
        rests_until_s = held.back_at_s if held.state is KeyState.COOLING else 0.0
        back_at_s = max(self._clock() + self._pause_s(held), rests_until_s)
        held.refusals += 1
        self._leave(held, KeyState.RETIRED, back_at_s)
        self._tell(held)

    def withdraw(self, key: KeyId) -> None:
        """Take a key out of service by hand: only `restore` brings it back.

        Raises:
            KeyError: There is no such key.
        """
        held = self._keys[key]
        self._withdraw(held)
        self._tell(held, by_hand=True)

    def restore(self, key: KeyId) -> None:
        """Bring a key back by hand, whatever kept it away.

        Raises:
            KeyError: There is no such key.
        """
        held = self._keys[key]
        self._restore(held)
        self._tell(held, by_hand=True)

    def adopt(self, report: KeyReport) -> None:
        """Have a key stand as somebody else says it does, who holds the same one; nobody is told of that."""
        held = self._keys[report.key]
        if report.by_hand:
            self._withdraw(held)
            return
        self._restore(held)
        held.reason, held.refusals = report.reason, report.refusals
        if report.state is not KeyState.USABLE and self._policy.sets_aside:
            state = KeyState.COOLING if report.state is KeyState.COOLING else KeyState.RETIRED
            self._leave(held, state, self._clock() + report.usable_in_s)

    def abandoned(self, key: KeyId) -> None:
        """Take note that a call ended without a word about its key: a probe is free for the next call."""
        held = self._keys[key]
        if held.state is KeyState.PROBING:
            self._come_back(held, KeyState.PROBING)

    def usable_in_s(self) -> float:
        """Return in how many seconds a key may be used; 0 where one may be now."""
        now_s = self._clock()
        self._bring_back(now_s)
        return 0.0 if self._rotation else self._next_back_s - now_s

    def snapshot(self) -> tuple[KeyReport, ...]:
        """Return how every key stands, in the order in which they were taken in."""
        return tuple(self.report(key) for key in self._keys)

    def report(self, key: KeyId) -> KeyReport:
        """Return how one key stands."""
        now_s = self._clock()
        self._bring_back(now_s)
        held = self._keys[key]
        return KeyReport(
            key=held.id,
            state=held.state,
            reason=held.reason,
            usable_in_s=held.back_at_s - now_s if held.back_at_s else 0.0,
            refusals=held.refusals,
            by_hand=held.by_hand,
        )

    def _none(self) -> NoKey:
        first = min(self._keys.values(), key=lambda held: held.back_at_s)
        return NoKey(usable_in_s=first.back_at_s - self._clock(), state=first.state)

    def _pause_s(self, held: _Key) -> float:
        return min(self._policy.retired_cap_s, self._policy.retired_s * 2.0 ** min(held.refusals, _MAX_DOUBLINGS))

    def _tell(self, held: _Key, *, by_hand: bool = False) -> None:
        for watcher in self.watchers:
            watcher(held.id, by_hand)

    def _withdraw(self, held: _Key) -> None:
        self._accept(held)
        held.by_hand = True
        self._leave(held, KeyState.RETIRED, math.inf)

    def _restore(self, held: _Key) -> None:
        self._accept(held)
        held.by_hand = False
        self._come_back(held, KeyState.USABLE)
        self.barred = False

    def _accept(self, held: _Key) -> None:
        held.refusals = 0
        held.reason = None

    def _leave(self, held: _Key, state: KeyState, back_at_s: float) -> None:
        if held in self._rotation:
            self._rotation.remove(held)
        held.state = state
        held.back_at_s = back_at_s
        self._look_ahead()

    def _come_back(self, held: _Key, state: KeyState) -> None:
        held.state = state
        if held.back_at_s:
            held.back_at_s = 0.0
            self._rotation.insert(sum(other.used < held.used for other in self._rotation), held)
            self._look_ahead()

    def _bring_back(self, now_s: float) -> None:
        if now_s < self._next_back_s:
            return
        for held in self._keys.values():
            if held.back_at_s and held.back_at_s <= now_s:
                self._come_back(held, KeyState.USABLE if held.state is KeyState.COOLING else KeyState.PROBING)

    def _look_ahead(self) -> None:
        self._next_back_s = min((held.back_at_s for held in self._keys.values() if held.back_at_s), default=math.inf)
        self.barred = all(held.by_hand for held in self._keys.values())
