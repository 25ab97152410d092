"""What stands before a model: its own breaker, and that of its provider behind it.

    call ──► model's breaker ──► provider's breaker ──► provider

A call goes through if both let it, and its end is told to both, as far as it says something about each: `scopes` tells
how far a failure reaches. While both are closed, a call pays for one.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection
from typing import Final

from narthex.resilience.breakers import Breaker, BreakerCause, BreakerPolicy, BreakerState
from narthex.resilience.scopes import Scope
from narthex.resilience.windows import JointWindow

_BITS: Final = 32
_MASK: Final = (1 << _BITS) - 1
_NOT_ASKED: Final = _MASK
"""Stands for the turn of a provider's breaker that a call went past: no state ever has it."""
_CLOSED: Final = BreakerState.CLOSED


class ProviderBreaker(Breaker):
    """The breaker of a whole provider: it hears of what all of its models share.

    A failure that may be one model's own is believed of the provider only where several models met it, and no model
    alone for more than half of what it takes.
    """

    __slots__ = ("_members", "_suspects", "troubled")

    def __init__(
        self,
        name: str,
        policy: BreakerPolicy,
        *,
        members: Collection[Breaker],
        clock: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
        on_change: Callable[[Breaker], None] | None = None,
    ) -> None:
        """Begin closed.

        Args:
            name: The provider's.
            policy: When it opens, and how it comes back.
            members: The breakers of its models, as they are at any time.
            clock: Says the seconds.
            chance: Where jitter comes from.
            on_change: Called whenever its state has changed.
        """
        window = JointWindow(policy.window_s, policy.buckets, lambda: [one.window for one in members])
        super().__init__(name, policy, clock=clock, chance=chance, on_change=on_change, window=window)
        self._members = members
        self._suspects: dict[str, int] = {}
        self.troubled = False
        """Whether it wants to hear of calls that go well."""

    def failed(self, turn: int = 0) -> None:
        """Count a failure that any model would have met."""
        self.troubled = True
        super().failed(turn)

    def suspected(self, model: str, turn: int = 0) -> None:
        """Count a failure of a model that may be the provider's."""
        closed = self._state is _CLOSED
        probing = self._is_probe(turn)
        if not probing and not (closed and turn in (0, self._turn)):
            return
        self.troubled = True
        self._suspects[model] = self._suspects.get(model, 0) + 1
        if not self._is_convincing(enough=1 if probing else self._policy.consecutive_failures):
            self.abandoned(turn)
        elif probing:
            self._probed(well=False)
        else:
            self._open(BreakerCause.DEAD)

    def succeeded(self, duration_s: float, turn: int = 0) -> None:
        """Take note that a call to one of its models went well."""
        if turn in (0, self._turn):
            self._suspects.clear()
        super().succeeded(duration_s, turn)
        if self._state is _CLOSED and not self._suspects:
            self.troubled = False

    def _is_convincing(self, *, enough: int) -> bool:
        most = max(1, (self._policy.consecutive_failures + 1) // 2)
        believed = sum(min(most, times) for times in self._suspects.values())
        return len(self._suspects) > 1 and believed >= enough

    def _judge_slowness(self) -> None:
        self._window.turn_to(self._clock())
        drag = self._policy.slow_rate
        dragging = sum(one.window.slow > 0 and one.window.slow >= drag * one.window.calls for one in self._members)
        if dragging > 1:
            super()._judge_slowness()

    def _become(self, state: BreakerState) -> None:
        self._suspects.clear()
        self.troubled = state is not _CLOSED
        super()._become(state)


class Gate:
    """The breakers before one model: ask `allow`, then report how the call ended, exactly once, with what it gave."""

    __slots__ = ("_drag_s", "_is_clear", "_turn", "_wide", "model", "provider")

    def __init__(self, model: Breaker, provider: ProviderBreaker, *, drag_s: float, wide: bool = True) -> None:
        """Stand before a model.

        Args:
            model: Its breaker.
            provider: Its provider's.
            drag_s: From when on a call is slow.
            wide: Whether failures count against the provider too; if not, its breaker opens by hand only.
        """
        self.model = model
        self.provider = provider
        self._drag_s = drag_s
        self._wide = wide
        self.refresh()

    @property
    def name(self) -> str:
        """The model's, `provider/model`."""
        return self.model.name

    @property
    def state(self) -> BreakerState:
        """Whether the model is asked: the state of its breaker, or of its provider's where its own is closed."""
        return self.provider.state if self.model.state is _CLOSED else self.model.state

    def refresh(self) -> None:
        """Take note that one of the two has changed its state."""
        self._is_clear = self.model.state is _CLOSED and self.provider.state is _CLOSED
        self._turn = self.model.turn << _BITS | self.provider.turn

    def available(self) -> bool:
        """Return whether `allow` would let a call through now; nothing is taken."""
        return self._is_clear or (self.model.available() and (self.provider.available() or self._is_insisted_on()))

    def allow(self) -> int:
        """Let a call through, or not: 0 says no, anything else is to be handed back with the call's outcome."""
        if self._is_clear:
            return self._turn
        if not self.available():
            return 0
        provider_turn = self.provider.allow() or _NOT_ASKED
        return self.model.allow() << _BITS | provider_turn

    def succeeded(self, duration_s: float, turn: int) -> None:
        """Count a call that went well, and took `duration_s` of the model's time."""
        self.model.succeeded(duration_s, turn >> _BITS)
        provider = self.provider
        if provider.troubled or (duration_s >= self._drag_s and self._wide):
            provider.succeeded(duration_s, turn & _MASK)

    def failed(self, turn: int, scope: Scope = Scope.MODEL, *, breaks: bool = True) -> None:
        """Count a call that failed.

        Args:
            turn: What `allow` returned.
            scope: How far the failure reaches.
            breaks: Whether the model's breaker counts it.
        """
        if breaks:
            self.model.failed(turn >> _BITS)
        else:
            self.model.abandoned(turn >> _BITS)
        if self._wide and scope is Scope.PROVIDER:
            self.provider.failed(turn & _MASK)
        elif self._wide and scope is Scope.SEVERAL:
            self.provider.suspected(self.model.name, turn & _MASK)
        elif self.provider.troubled:
            self.provider.abandoned(turn & _MASK)

    def abandoned(self, turn: int) -> None:
        """Take note that a call ended without a word about model or provider."""
        self.model.abandoned(turn >> _BITS)
        if self.provider.troubled:
            self.provider.abandoned(turn & _MASK)

    def closed_by(self) -> Breaker:
        """Return the breaker that keeps calls out, or would be the next to."""
        return self.model if not self.model.available() else self.provider

    def _is_insisted_on(self) -> bool:
        """Whether somebody wants this model asked although its provider has failed by itself."""
        return self.model.state is BreakerState.FORCED_CLOSED and self.provider.state is not BreakerState.FORCED_OPEN
