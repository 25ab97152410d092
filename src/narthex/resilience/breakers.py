"""Which targets are left alone for now: one breaker, as it opens, probes and closes.

    closed ──failing or slow──► open ──its time is over──► half open ──probes went well──► closed
       ▲                         ▲                             │
       │                         └──────── a probe failed ─────┘
       └── forced open, forced closed: set by hand, until set free

A breaker opens on the rate of failures or of slow calls over a rolling window, once there were enough calls to tell,
and at once after some failures in a row. Open time grows from one opening to the next. Half open, it lets one probe
through, then two, then four, and closes when all of them went well: a target that is back has all its traffic within
one open interval and a few round trips. Calls that began before a breaker's last change say nothing about it since.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from narthex.resilience.windows import RollingWindow, Window


class BreakerState(StrEnum):
    """Whether a target is asked."""

    CLOSED = "closed"
    """It is asked."""
    OPEN = "open"
    """It is left alone until the open time is over."""
    HALF_OPEN = "half_open"
    """Some calls probe it."""
    FORCED_OPEN = "forced_open"
    """It is left alone, because somebody said so."""
    FORCED_CLOSED = "forced_closed"
    """It is asked whatever happens, because somebody said so."""


class BreakerCause(StrEnum):
    """Why a breaker opened."""

    FAILING = "failing"
    SLOW = "slow"
    DEAD = "dead"
    """So many failures in a row that no rate was waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """When a breaker opens, and how it comes back."""

    window_s: float = 30.0
    """The stretch of time over which rates are taken."""
    buckets: int = 10
    """Parts in which the window is forgotten."""
    minimum_calls: int = 20
    """Calls within the window below which no rate is believed."""
    failure_rate: float = 0.5
    """Part of the calls that may fail; at this rate the breaker opens."""
    slow_rate: float = 0.8
    """Part of the calls that may be slow."""
    slow_call_s: float = 60.0
    """From when on a call is slow."""
    consecutive_failures: int = 5
    """Failures in a row that open the breaker at once."""
    open_s: float = 5.0
    """Longest first open time; each further opening doubles it."""
    open_cap_s: float = 60.0
    """Longest open time."""
    jitter: float = 0.2
    """Part of the open time that chance may take off, so that breakers do not probe together."""
    ramp: tuple[int, ...] = (1, 2, 4)
    """Probes let through at each step of the way back."""

    def __post_init__(self) -> None:
        counts = (self.buckets, self.minimum_calls, self.consecutive_failures, *self.ramp)
        rates = (self.failure_rate, self.slow_rate)
        times = (self.window_s, self.slow_call_s, self.open_s)
        if min(counts) < 1 or not self.ramp or not all(time_s > 0 for time_s in times):
            raise ValueError(f"{self!r}: counts and times must be positive")
        if not all(0 < rate <= 1 for rate in rates) or not 0 <= self.jitter < 1:
            raise ValueError(f"{self!r}: expected rates in (0, 1] and jitter in [0, 1)")
        if not self.open_s <= self.open_cap_s:
            raise ValueError(f"{self!r}: open_cap_s must not be below open_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerReport:
    """How one breaker stands."""

    name: str
    state: BreakerState
    in_state_s: float
    """For how long it has been in this state."""
    cause: BreakerCause | None
    """Why it opened; None while it is closed or forced."""
    calls: int
    """Calls ended within the window."""
    failure_rate: float
    slow_rate: float
    consecutive_failures: int
    openings: int
    """How often in a row it has opened; open time grows with it."""
    next_probe_in_s: float | None
    """When the next probe may go out; None where calls do not wait for one."""
    opened: int
    """How often it has opened since it was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a breaker stands, for another of the same target that is to stand so too."""

    state: BreakerState
    cause: BreakerCause | None = None
    openings: int = 0
    open_for_s: float = 0.0
    """How long it stays open this time, in seconds."""
    left_s: float = 0.0
    """How long it is until the next probe may go out, in seconds."""
    step: int = 0
    """Half open: which step of the ramp it is on."""


_CLOSED: Final = BreakerState.CLOSED
_FORCED: Final = frozenset({BreakerState.FORCED_OPEN, BreakerState.FORCED_CLOSED})
_MAX_DOUBLINGS: Final = 60


class Breaker:
    """The breaker of one target: ask `allow`, then report how the call ended, exactly once.

    What `allow` returns is handed back with the outcome, so that a call which outlived a change of state is told from a
    probe; without it every outcome is taken for one of the present state.
    """

    __slots__ = (
        *("_awaited", "_cause", "_chance", "_clock", "_consecutive", "_on_change", "_open_for_s", "_openings"),
        *("_permits", "_policy", "_probe_at_s", "_since_s", "_slow_call_s", "_state", "_step", "_turn", "_window"),
        *("name", "opened"),
    )

    def __init__(
        self,
        name: str,
        policy: BreakerPolicy,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
        on_change: Callable[[Breaker], None] | None = None,
        window: Window | None = None,
    ) -> None:
        """Begin closed.

        Args:
            name: What it stands for.
            policy: When it opens, and how it comes back.
            clock: Says the seconds.
            chance: Where jitter comes from.
            on_change: Called whenever its state, or its step half open, has changed.
            window: What happened lately; by default a window of its own.
        """
        self.name = name
        self.opened = 0
        self._policy = policy
        self._slow_call_s = policy.slow_call_s
        self._clock = clock
        # Jitter is no secret.
        self._chance = chance or random.Random()  # noqa: S311
        self._on_change = on_change
        self._window = window or RollingWindow(policy.window_s, policy.buckets)
        self._state = _CLOSED
        self._since_s = clock()
        self._cause: BreakerCause | None = None
        self._turn = 1
        self._consecutive = self._openings = 0
        self._permits = self._awaited = self._step = 0
        self._probe_at_s = self._open_for_s = 0.0

    @property
    def state(self) -> BreakerState:
        """Whether the target is asked; an open breaker is half open only once a probe was let through."""
        return self._state

    @property
    def turn(self) -> int:
        """Which of its states it is in, counted from 1; calls that are let through carry it."""
        return self._turn

    @property
    def window(self) -> Window:
        """What happened lately."""
        return self._window

    def available(self) -> bool:
        """Return whether `allow` would let a call through now; nothing is taken."""
        match self._state:
            case BreakerState.CLOSED | BreakerState.FORCED_CLOSED:
                return True
            case BreakerState.FORCED_OPEN:
                return False
            case _:
                return self._permits > 0 or self._clock() >= self._probe_at_s

    def allow(self) -> int:
        """Let a call through, or not: 0 says no, anything else is to be handed back with the call's outcome."""
        if self._state is _CLOSED:
            return self._turn
        return self._turn if self._allowed_otherwise() else 0

    def succeeded(self, duration_s: float, turn: int = 0) -> None:
        """Count a call that went well, and took `duration_s` of the target's time."""
        slow = duration_s >= self._slow_call_s
        if self._state is _CLOSED:
            if turn not in (0, self._turn):
                return
            self._consecutive = 0
            self._window.count(self._clock(), slow=slow)
            if slow:
                self._judge_slowness()
        elif self._is_probe(turn):
            self._probed(well=not (slow and self._cause is BreakerCause.SLOW))
        elif self._state is BreakerState.FORCED_CLOSED and turn in (0, self._turn):
            self._consecutive = 0
            self._window.count(self._clock(), slow=slow)

    def failed(self, turn: int = 0) -> None:
        """Count a call that failed through the target's own fault."""
        if self._is_probe(turn):
            self._probed(well=False)
        elif self._state in (_CLOSED, BreakerState.FORCED_CLOSED) and turn in (0, self._turn):
            self._consecutive += 1
            self._window.count(self._clock(), failed=True)
            if self._state is _CLOSED:
                self._judge()

    def abandoned(self, turn: int = 0) -> None:
        """Take note that a call ended without a word about the target: its caller left, or its request was at fault."""
        if self._is_probe(turn) and self._permits < self._awaited:
            self._permits += 1

    def force(self, state: BreakerState | None) -> None:
        """Hold the breaker open or closed; with None set it free, closed and with nothing counted.

        Raises:
            ValueError: The state is none that can be forced.
        """
        if state is not None and state not in _FORCED:
            raise ValueError(f"{state!r} cannot be forced: use forced_open, forced_closed, or None to set it free")
        self._window.clear()
        self._consecutive = self._openings = 0
        self._cause = None
        self._become(state or _CLOSED)

    def standing(self) -> Standing:
        """Return how it stands, to be adopted elsewhere."""
        waiting = self._state in (BreakerState.OPEN, BreakerState.HALF_OPEN)
        return Standing(
            state=self._state,
            cause=self._cause,
            openings=self._openings,
            open_for_s=self._open_for_s,
            left_s=max(0.0, self._probe_at_s - self._clock()) if waiting else 0.0,
            step=self._step if self._state is BreakerState.HALF_OPEN else 0,
        )

    def adopt(self, standing: Standing, *, late_s: float = 0.0) -> None:
        """Stand as another breaker of the same target does.

        Args:
            standing: How that stands.
            late_s: How much later than there a probe may go out here.

        Where the first probe is out there, this one waits: one is enough. Once it went well, both send further ones.
        """
        if standing.state in _FORCED:
            self.force(standing.state)
        elif standing.state is _CLOSED:
            if self._state is not _CLOSED:
                self._openings = 0 if self._state in _FORCED else self._openings
                self._close()
        else:
            self._cause, self._openings = standing.cause, standing.openings
            self._open_for_s = standing.open_for_s
            self._probe_at_s = self._clock() + standing.left_s + late_s
            self._permits = self._awaited = 0
            ramping = standing.state is BreakerState.HALF_OPEN and 0 < standing.step < len(self._policy.ramp)
            if ramping:
                self._climb(standing.step)
            self._become(BreakerState.HALF_OPEN if ramping else BreakerState.OPEN)

    def report(self) -> BreakerReport:
        """Return how it stands."""
        now_s = self._clock()
        self._window.turn_to(now_s)
        calls = self._window.calls
        waiting = self._state in (BreakerState.OPEN, BreakerState.HALF_OPEN)
        wait_s = 0.0 if self._permits else max(0.0, self._probe_at_s - now_s)
        return BreakerReport(
            name=self.name,
            state=self._state,
            in_state_s=now_s - self._since_s,
            cause=self._cause,
            calls=calls,
            failure_rate=self._window.failures / calls if calls else 0.0,
            slow_rate=self._window.slow / calls if calls else 0.0,
            consecutive_failures=self._consecutive,
            openings=self._openings,
            next_probe_in_s=wait_s if waiting else None,
            opened=self.opened,
        )

    def _judge_slowness(self) -> None:
        calls = self._window.calls
        if calls >= self._policy.minimum_calls and self._window.slow >= self._policy.slow_rate * calls:
            self._open(BreakerCause.SLOW)

    def _judge(self) -> None:
        calls = self._window.calls
        if self._consecutive >= self._policy.consecutive_failures:
            self._open(BreakerCause.DEAD)
        elif calls >= self._policy.minimum_calls and self._window.failures >= self._policy.failure_rate * calls:
            self._open(BreakerCause.FAILING)

    def _allowed_otherwise(self) -> bool:
        if self._state in _FORCED:
            return self._state is BreakerState.FORCED_CLOSED
        if self._permits > 0:
            self._permits -= 1
            return True
        now_s = self._clock()
        if now_s < self._probe_at_s:
            return False
        # A probe that is never heard of again must not keep the target out for ever: one more goes after each interval.
        self._probe_at_s = now_s + self._open_for_s
        if self._state is BreakerState.OPEN:
            self._climb(0)
            self._permits -= 1
            self._become(BreakerState.HALF_OPEN)
        return True

    def _is_probe(self, turn: int) -> bool:
        return self._state is BreakerState.HALF_OPEN and turn in (0, self._turn)

    def _probed(self, *, well: bool) -> None:
        if not well:
            self._open(self._cause or BreakerCause.FAILING)
            return
        self._awaited -= 1
        self._permits = min(self._permits, self._awaited)
        if self._awaited:
            return
        if self._step + 1 < len(self._policy.ramp):
            self._climb(self._step + 1)
            self._tell()
        else:
            self._close()

    def _climb(self, step: int) -> None:
        self._step = step
        self._permits = self._awaited = self._policy.ramp[step]

    def _close(self) -> None:
        self._window.clear()
        self._consecutive = 0
        self._cause = None
        self._become(_CLOSED)

    def _open(self, cause: BreakerCause) -> None:
        now_s = self._clock()
        if self._state is _CLOSED and now_s - self._since_s >= self._policy.window_s:
            # It held for a whole window: this is a new trouble, not the old one going on.
            self._openings = 0
        longest_s = min(self._policy.open_cap_s, self._policy.open_s * 2.0 ** min(self._openings, _MAX_DOUBLINGS))
        self._open_for_s = longest_s * (1 - self._policy.jitter * self._chance.random())
        self._probe_at_s = now_s + self._open_for_s
        self._openings += 1
        self.opened += 1
        self._permits = 0
        self._cause = cause
        self._become(BreakerState.OPEN)

    def _become(self, state: BreakerState) -> None:
        self._state = state
        self._since_s = self._clock()
        self._turn += 1
        self._tell()

    def _tell(self) -> None:
        if self._on_change is not None:
            self._on_change(self)
