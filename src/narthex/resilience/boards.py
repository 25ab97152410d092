"""The board on which all breakers stand: those of models, of providers, and the gates that join them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Final

from narthex.resilience.breakers import Breaker, BreakerPolicy, BreakerReport, BreakerState, Standing
from narthex.resilience.gates import Gate, ProviderBreaker
from narthex.telemetry.metrics import escaped

CODES: Final = {
    BreakerState.CLOSED: 0,
    BreakerState.HALF_OPEN: 1,
    BreakerState.OPEN: 2,
    BreakerState.FORCED_OPEN: 3,
    BreakerState.FORCED_CLOSED: 4,
}
"""States as metrics have them."""


class BreakerBoard:
    """All breakers by name: `provider/model` for a model, `provider` for a whole provider."""

    def __init__(
        self,
        policy: BreakerPolicy | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
        most: int = 4096,
        wide: bool = True,
    ) -> None:
        """Start with an empty board.

        Args:
            policy: For every breaker.
            clock: Says the seconds.
            chance: Where jitter comes from.
            most: How many breakers are kept; beyond it the one whose loss costs least makes room.
            wide: Whether failures that reach a whole provider count against it.
        """
        self._policy = policy or BreakerPolicy()
        self._clock = clock
        self._chance = chance or random.Random()  # noqa: S311 - jitter is no secret
        self._most = max(2, most)
        self._wide = wide
        self._breakers: dict[str, Breaker] = {}
        self._gates: dict[str, Gate] = {}
        self._members: dict[str, dict[str, Breaker]] = {}
        """The breakers of models, by provider."""
        self.watchers: list[Callable[[Breaker, bool], None]] = []
        """Called with a breaker whenever it stands otherwise, and with whether somebody wanted it so."""
        self._is_adopting = self._is_forcing = False

    def gate(self, name: str) -> Gate:
        """Return what stands before the model `provider/model`."""
        gate = self._gates.get(name)
        return gate if gate is not None else self._new_gate(name)

    def available(self, name: str) -> bool:
        """Return whether a call to the model `provider/model` would be let through now."""
        return self.gate(name).available()

    def breaker(self, name: str) -> Breaker:
        """Return the breaker of this name, made if there is none yet."""
        breaker = self._breakers.get(name)
        return breaker if breaker is not None else self._new_breaker(name)

    def force(self, name: str, state: BreakerState | None) -> Breaker:
        """Hold a breaker open or closed, or set it free with None; one that is not there yet is made.

        Raises:
            ValueError: The state is none that can be forced.
        """
        breaker = self.breaker(name)
        self._is_forcing = True
        try:
            breaker.force(state)
        finally:
            self._is_forcing = False
        return breaker

    def adopt(self, name: str, standing: Standing, *, late_s: float = 0.0) -> None:
        """Have a breaker stand as one of the same name does elsewhere; no watcher hears of it."""
        self._is_adopting = True
        try:
            self.breaker(name).adopt(standing, late_s=late_s)
        finally:
            self._is_adopting = False

    def standings(self) -> dict[str, Standing]:
        """Return how every breaker stands that is not simply closed."""
        return {name: one.standing() for name, one in self._breakers.items() if one.state is not BreakerState.CLOSED}

    def knows(self, name: str) -> bool:
        """Tell whether there is a breaker of this name."""
        return name in self._breakers

    def snapshot(self) -> tuple[BreakerReport, ...]:
        """Return how every breaker stands, by name."""
        return tuple(self._breakers[name].report() for name in sorted(self._breakers))

    def lines(self) -> Iterator[str]:
        """Yield the states in Prometheus's text format.

        https://prometheus.io/docs/instrumenting/exposition_formats/
        """
        breakers = [(escaped(name), self._breakers[name]) for name in sorted(self._breakers)]
        meant = ", ".join(f"{code} {state.replace('_', ' ')}" for state, code in CODES.items())
        yield f"# HELP narthex_breaker_state How a breaker stands: {meant}."
        yield "# TYPE narthex_breaker_state gauge"
        for label, breaker in breakers:
            yield f'narthex_breaker_state{{breaker="{label}"}} {CODES[breaker.state]}'
        yield "# HELP narthex_breaker_openings_total How often a breaker has opened by itself."
        yield "# TYPE narthex_breaker_openings_total counter"
        for label, breaker in breakers:
            yield f'narthex_breaker_openings_total{{breaker="{label}"}} {breaker.opened}'

    def _new_gate(self, name: str) -> Gate:
        provider_name = name.partition("/")[0]
        provider = self.breaker(provider_name)
        assert isinstance(provider, ProviderBreaker)
        model = self.breaker(name)
        gate = Gate(model, provider, drag_s=self._policy.slow_call_s, wide=self._wide)
        self._gates[name] = gate
        return gate

    def _new_breaker(self, name: str) -> Breaker:
        if len(self._breakers) >= self._most:
            self._drop(self._dispensable())
        provider, slash, _ = name.partition("/")
        if slash:
            breaker = Breaker(name, self._policy, clock=self._clock, chance=self._chance, on_change=self._changed)
            self._members.setdefault(provider, {})[name] = breaker
        else:
            members = self._members.setdefault(provider, {}).values()
            breaker = ProviderBreaker(
                name, self._policy, members=members, clock=self._clock, chance=self._chance, on_change=self._changed
            )
        self._breakers[name] = breaker
        return breaker

    def _changed(self, breaker: Breaker) -> None:
        if isinstance(breaker, ProviderBreaker):
            for name in self._members[breaker.name]:
                self._refresh(name)
        else:
            self._refresh(breaker.name)
        for watcher in () if self._is_adopting else self.watchers:
            watcher(breaker, self._is_forcing)

    def _refresh(self, name: str) -> None:
        gate = self._gates.get(name)
        if gate is not None:
            gate.refresh()

    def _dispensable(self) -> str:
        """Return the name of the breaker whose loss costs least: closed, else not set by hand, else the oldest.

        A provider's stays as long as there is a model's: gates hold on to it.
        """
        rank = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 1}
        return min(self._breakers, key=lambda name: ("/" not in name, rank.get(self._breakers[name].state, 2)))

    def _drop(self, name: str) -> None:
        del self._breakers[name]
        self._gates.pop(name, None)
        self._members[name.partition("/")[0]].pop(name, None)
