"""Where a gateway would send a call, and why, as values."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypedDict

import msgspec


class RouteOptions(TypedDict, total=False):
    """What can be said of a call beside its model; what is said here wins over `request`."""

    request: dict[str, object] | None
    """The body of the call."""
    surface: Literal["openai.chat", "openai.responses", "anthropic.messages"]
    """The shape of that body."""
    operation: Literal["chat", "embed", "count_tokens"]
    tags: list[str]
    """As in `x-narthex-tags`."""
    caller: str | None
    """Name of a key; by default the one that asks."""
    tenant: str | None
    """By default that of the key."""
    conversation: str | None
    """As in `x-narthex-conversation`."""
    streaming: bool | None
    input_tokens: int | None
    modalities: list[Literal["image", "audio", "file"]] | None
    tools: bool | None
    """Whether it offers tools."""
    at: datetime | None
    """When it comes, with its offset from UTC; by default now."""


class RouteCandidate(msgspec.Struct, frozen=True, kw_only=True):
    """A model that may serve the call."""

    model: str
    reason: str
    via: str | None = None
    """The virtual model it is a member of."""
    fallback: bool = False
    known: bool = True
    """Whether a provider has it."""
    breaker: str | None = None
    """How its breaker stands."""
    available: bool = True
    """Whether a call would be sent to it now."""
    key: str | None = None
    """ID of the provider's key that the call would be sent with first; None if it has none, or none to be used now."""


class RouteVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule says of the call."""

    name: str
    outcome: str
    """`matched`, `not_matched` or `not_asked`."""
    condition: str | None = None
    """The first option of its `when` that does not hold."""
    why: str | None = None
    drawn: bool = False
    """Whether a percentage was drawn by lot: the next such call may go elsewhere."""


class RouteMerge(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asked where a name stands for several models."""

    mode: str
    """`race`, `sequence`, `best_of` or `interleave`, unless the call says otherwise."""
    members: tuple[Route, ...]
    """Where the call to each would go."""
    judge: Route | None = None
    """Who chooses the best."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Where a call would go."""

    asked: str
    target: str
    """The model or virtual model that it is sent to."""
    rule: str | None = None
    """The rule that counts."""
    percentage: float = 100.0
    """The part of the rule's calls that goes there."""
    strategy: str | None = None
    """How the virtual model shares its calls."""
    shadow: str | None = None
    """Who gets a copy."""
    candidates: tuple[RouteCandidate, ...] = ()
    """Who serves first, and who is next in line."""
    draining: tuple[str, ...] = ()
    """Members of the virtual models in line that get no calls."""
    model: str | None = None
    """Who would serve; None if nobody is there."""
    header: str | None = None
    """What `x-narthex-route` would say."""
    rules: tuple[RouteVerdict, ...] = ()
    """Every rule, in order."""
    merge: RouteMerge | None = None
    """None if the name stands for one model."""
    facts: dict[str, object] = {}
    """What the decision went by."""
    text: str = ""
    """All of it, for people."""
