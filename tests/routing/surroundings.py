"""Models whose figures a test sets, and what strategies look at."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from narthex.routing.conditions import Means
from narthex.routing.strategies import Surroundings
from narthex.routing.virtual import Member, Strategy, VirtualModel, as_it_is
from narthex.types.catalog import ModelFacts


class SetFigures:
    """Figures as set: nothing in flight, nothing measured, always there, unless said otherwise."""

    def __init__(self) -> None:
        self.busy: dict[str, int] = {}
        self.slow: dict[str, float] = {}
        self.down: set[str] = set()
        self.came: dict[str, float] = {}

    def in_flight(self, name: str, /) -> int:
        """Return the calls as set."""
        return self.busy.get(name, 0)

    def latency_s(self, name: str, /) -> float | None:
        """Return the latency as set."""
        return self.slow.get(name)

    def available(self, name: str, /) -> bool:
        """Tell whether it is not set down."""
        return name not in self.down

    def since(self, name: str, /) -> float | None:
        """Return the time as set."""
        return self.came.get(name)


class Scene:
    """Figures, a clock that stands still, and a generator with a fixed seed."""

    def __init__(self, *, seed: int = 7, prices: Mapping[str, int] | None = None) -> None:
        self.live = SetFigures()
        self.now = 1_000.0
        self.unix = 0.0
        self.random = Random(seed)
        self.prices = dict(prices or {})
        self.around = Surroundings(live=self.live, clock=lambda: self.now, random=self.random, facts_of=self.facts_of)
        self.aliases: dict[str, str] = {}
        self.means = Means(now=lambda: self.unix, random=self.random, canonical=self.canonical)

    def facts_of(self, name: str) -> ModelFacts | None:
        """Return a model at the price set, if one is set."""
        if name not in self.prices:
            return None
        provider, _, model = name.partition("/")
        price = self.prices[name]
        return ModelFacts(id=model, provider=provider, input_microusd_per_mtok=price, output_microusd_per_mtok=price)

    def canonical(self, name: str) -> str:
        """Follow one alias."""
        return self.aliases.get(name, as_it_is(name))


def virtual(strategy: Strategy, *members: Member | str, name: str = "fast", slow_start_s: float = 0.0) -> VirtualModel:
    """Return a virtual model; a member given as text has weight 1."""
    given = tuple(Member(model=one) if isinstance(one, str) else one for one in members)
    return VirtualModel(name=name, members=given, strategy=strategy, slow_start_s=slow_start_s)
