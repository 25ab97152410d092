"""Virtual models: plain names that stand for several models; and the chains of fallbacks behind any name."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from narthex.routing.budgets import Budget, check_budget
from narthex.routing.cascades import AnswerCheck, check_answer_check

Strategy = Literal["order", "weighted", "least_busy", "latency", "cost", "sticky", "cascade", "paced"]
"""How the members of a virtual model share its calls."""

Path = tuple[str | int, ...]
"""Where in the configuration something stands: keys, and positions in lists."""

Contradiction = tuple[Path, str]
"""Where something cannot hold, and why, with the remedy."""

Unknown = Callable[[str], str | None]
"""Tells why a name that is no virtual model leads to no model, with the remedy; None if it leads to one."""

Canonical = Callable[[str], str]
"""The one name of what a name stands for (aliases followed); names it does not know come back as they are."""

EVERY: Final = "*"
"""In a table of fallbacks: every name without a list of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A model among those that a virtual model stands for."""

    model: str
    """`provider/model`."""
    weight: float = 1.0
    """Its share of the calls in proportion to the others'; with 0 it only stands by."""
    tier: int = 1
    """Members of tier 2 are used while none of tier 1 is available, and so on."""
    draining: bool = False
    """Whether it gets no new calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualModel:
    """A plain name that stands for several models."""

    name: str
    members: tuple[Member, ...]
    strategy: Strategy = "order"
    fallbacks: tuple[str, ...] = ()
    """Who serves when no member could, in order: models, aliases or other virtual models."""
    slow_start_s: float = 30.0
    """How long the share of a member that came back grows until it is whole, in seconds; 0 gives all at once."""
    check: AnswerCheck | None = None
    """What an answer must be like, of a cascade."""
    budget: Budget | None = None
    """What may be spent, of a paced one."""


def as_it_is(name: str) -> str:
    """Return the name: the canonical name where there are no aliases."""
    return name


class FallbackTable:
    """Who serves when a model could not.

    A name's own list counts; `*` holds for the names that have none, so an empty list means "nobody". Names in a list
    bring their own lists along, after the whole list that names them.
    """

    def __init__(
        self,
        fallbacks: Mapping[str, Sequence[str]],
        models: Iterable[VirtualModel] = (),
        *,
        canonical: Canonical = as_it_is,
    ) -> None:
        """Join the table with the lists that virtual models carry; a list in the table wins."""
        self._lists = _lists(fallbacks, models, canonical)
        self._canonical = canonical

    def chain(self, name: str, *, general: bool = True) -> tuple[str, ...]:
        """Return all names behind `name` by their canonical names, in order, each once and never `name` itself.

        Args:
            name: Who is to serve.
            general: Whether the list `*` may hold for it; not for vectors, which another model does not understand.
        """
        name = self._canonical(name)
        chain: dict[str, None] = {}
        waiting = deque(self._lists.get(name, self._lists.get(EVERY, ()) if general else ()))
        while waiting:
            following = waiting.popleft()
            if following != name and following not in chain:
                chain[following] = None
                waiting.extend(self._lists.get(following, ()))
        return tuple(chain)


def _lists(
    fallbacks: Mapping[str, Sequence[str]], models: Iterable[VirtualModel], canonical: Canonical
) -> dict[str, tuple[str, ...]]:
    lists = {model.name: model.fallbacks for model in models if model.fallbacks}
    given = {name if name == EVERY else canonical(name): tuple(names) for name, names in fallbacks.items()}
    return {name: tuple(map(canonical, names)) for name, names in {**lists, **given}.items()}


def check(
    models: Sequence[VirtualModel],
    fallbacks: Mapping[str, Sequence[str]],
    *,
    unknown: Unknown,
    canonical: Canonical = as_it_is,
    models_at: Path = ("virtual",),
    fallbacks_at: Path = ("fallbacks",),
) -> Iterator[Contradiction]:
    """Yield what cannot hold in virtual models and fallbacks.

    Args:
        models: All virtual models.
        fallbacks: Names or `*`, to the names that serve when those could not.
        unknown: Why a name that is no virtual model leads nowhere.
        canonical: What a name stands for, so that loops are also seen through aliases.
        models_at: Where the table of virtual models, by name, stands in the configuration.
        fallbacks_at: Where the table of fallbacks stands.
    """
    names = {model.name for model in models}

    def why_unknown(name: str) -> str | None:
        return None if name in names or canonical(name) in names else unknown(name)

    for model in models:
        path = (*models_at, model.name)
        yield from _model(path, model, names, unknown)
        yield from _list((*path, "fallbacks"), model.fallbacks, why_unknown)
    places: dict[str, Path] = {model.name: (*models_at, model.name, "fallbacks") for model in models if model.fallbacks}
    for name, listed in fallbacks.items():
        path = (*fallbacks_at, name)
        if name != EVERY and (reason := why_unknown(name)):
            yield path, reason
        if canonical(name) in places:
            yield path, f'"{canonical(name)}" has a list of fallbacks already; keep one of the two'
        yield from _list(path, listed, why_unknown)
        places.setdefault(canonical(name), path)
    yield from _loops(_lists(fallbacks, models, canonical), places)


def _model(path: Path, model: VirtualModel, names: set[str], unknown: Unknown) -> Iterator[Contradiction]:
    if "/" in model.name or not model.name or model.name == EVERY:
        yield path, f'"{model.name}" is no plain name; choose one without `/`'
    if not 0 <= model.slow_start_s <= 86_400:
        yield (*path, "slow_start_s"), f"{model.slow_start_s:g} is no time; give seconds from 0 to 86400"
    yield from _cascade(path, model)
    yield from _paced(path, model)
    if not model.members:
        yield (*path, "members"), "there are none; name at least one `provider/model`"
        return
    seen: set[str] = set()
    for index, member in enumerate(model.members):
        place = (*path, "members", index)
        if member.model in seen:
            yield (*place, "model"), f'"{member.model}" is a member already; give that one more weight'
        seen.add(member.model)
        yield from _member(place, member, names, unknown)
    if not any(member.weight for member in model.members):
        yield (*path, "members"), "no member has a weight above 0; give one to at least one"
    if all(member.draining for member in model.members) and not model.fallbacks:
        yield (*path, "members"), "every member is draining and there are no `fallbacks`; nobody would serve"


def _cascade(path: Path, model: VirtualModel) -> Iterator[Contradiction]:
    if model.check is None:
        if model.strategy == "cascade":
            yield path, "a cascade asks the next member when an answer fails its `check`; add one, or choose another"
        return
    if model.strategy != "cascade":
        yield (*path, "check"), 'only a cascade checks its answers; set `strategy = "cascade"`, or remove this'
    elif len(model.members) == 1:
        yield (*path, "members"), "there is nobody to ask when an answer fails the check; add a member"
    yield from check_answer_check((*path, "check"), model.check)


def _paced(path: Path, model: VirtualModel) -> Iterator[Contradiction]:
    if model.budget is None:
        if model.strategy == "paced":
            yield path, "spending needs a `budget` to keep pace with; add one, or choose another strategy"
        return
    if model.strategy != "paced":
        yield (*path, "budget"), 'only a paced model has a budget; set `strategy = "paced"`, or remove this'
    names, tiers = [member.model for member in model.members], [member.tier for member in model.members]
    yield from check_budget(path, names, model.budget, tiers=tiers)


def _member(path: Path, member: Member, names: set[str], unknown: Unknown) -> Iterator[Contradiction]:
    if member.model in names:
        yield (*path, "model"), f'"{member.model}" is a virtual model itself; list its members, or name it a fallback'
    elif "/" not in member.model:
        yield (*path, "model"), f'"{member.model}" is no `provider/model`; members are not named by aliases'
    elif reason := unknown(member.model):
        yield (*path, "model"), reason
    if not 0 <= member.weight < math.inf:
        yield (*path, "weight"), f"{member.weight:g} is no weight; give 0 or more"
    if member.tier < 1:
        yield (*path, "tier"), f"{member.tier} is no tier; the first is 1"


def _list(path: Path, names: Sequence[str], why_unknown: Unknown) -> Iterator[Contradiction]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield (*path, index), f'"{name}" stands in this list already; remove one'
        elif reason := why_unknown(name):
            yield (*path, index), reason


def _loops(lists: Mapping[str, tuple[str, ...]], places: Mapping[str, Path]) -> Iterator[Contradiction]:
    """Yield each loop once, where its first name stands; under `*` a name that comes back is only passed over."""
    reported: set[str] = set()
    for name in lists:
        way = _way_back(name, lists) if name not in reported and name != EVERY else ()
        if way:
            reported.update(way)
            shown = " → ".join(way)
            yield places[name], f'leads back to itself ({shown}); end it, or list them all under "{EVERY}" instead'


def _way_back(name: str, lists: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the shortest way from a name back to itself, both ends included; empty if there is none."""
    came_from: dict[str, str] = {}
    waiting = deque([name])
    while waiting:
        here = waiting.popleft()
        for following in lists.get(here, ()):
            if following == name:
                return _walked(name, here, came_from)
            if following not in came_from:
                came_from[following] = here
                waiting.append(following)
    return ()


def _walked(name: str, last: str, came_from: Mapping[str, str]) -> tuple[str, ...]:
    way = [name]
    while last != name:
        way.append(last)
        last = came_from[last]
    return (*reversed([*way, name]),)
