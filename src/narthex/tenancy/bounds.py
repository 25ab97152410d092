"""What bounds the calls of a key, made ready to be looked at in every call: its scopes, its end, its workspace."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final, Literal, NamedTuple

from narthex.errors import AuthenticationFailed, NarthexError, PermissionDenied
from narthex.tenancy.scopes import Scopes
from narthex.types.patterns import expression_of

_CALLS: Final = frozenset({"chat", "embeddings", "responses", "realtime"})
"""Routes that call models."""
_MAX_REMEMBERED: Final = 1_024

Capture = Literal["none", "metadata", "content"]
"""What a workspace keeps of calls: nothing; what they were about, and what their callers want kept; or all of it."""
Against = Literal["expired", "route", "role", "address"]
"""What may speak against a call before its model is known."""


class Keeping(NamedTuple):
    """What a workspace keeps of its calls."""

    caching: bool = True
    """Whether answers may come from a cache, and be put there."""
    capture: Capture = "metadata"
    retention_days: int | None = None
    """For how long; None for as long as the configuration says."""


ORDINARY: Final = Keeping()
"""Of a workspace that settles nothing."""


class Patterns:
    """Names of models, in which `*` stands for anything."""

    __slots__ = ("_fits", "texts")

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts = tuple(texts)
        joined = "|".join(map(expression_of, self.texts))
        self._fits = re.compile(joined, re.DOTALL).fullmatch

    def fit(self, name: str) -> bool:
        """Tell whether a name fits one of them."""
        return self._fits(name) is not None


class Bounds:
    """What a caller may ask for, and until when."""

    __slots__ = (
        "_clock",
        "_decided",
        "_may_call",
        "_models",
        "_near",
        "_networks",
        "_routes",
        "caching",
        "capture",
        "default_model",
        "default_provider",
        "ends_at",
        "retention_days",
    )

    def __init__(
        self,
        scopes: Scopes,
        *,
        ends_at: float | None = None,
        allowed_models: Iterable[str] = (),
        default_model: str = "",
        default_provider: str = "",
        keeping: Keeping = ORDINARY,
        may_call: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Make bounds ready.

        Args:
            scopes: Of the key.
            ends_at: When the key ends, as Unix time in seconds; None for never.
            allowed_models: Of its workspace; none for all.
            default_model: Of its workspace, for calls that name none.
            default_provider: Of its workspace: where a plain name is looked for first.
            keeping: Of its workspace: what is kept of calls.
            may_call: Whether models may be called at all.
            clock: Tells Unix time in seconds.
        """
        self._may_call = may_call
        self.ends_at = ends_at
        self.default_model = default_model
        self.default_provider = default_provider
        self.caching, self.retention_days = keeping.caching, keeping.retention_days
        self.capture: Capture = keeping.capture
        self._clock = clock
        self._routes = frozenset(scopes.routes)
        self._networks = tuple(ip_network(one) for one in scopes.addresses)
        self._models = tuple(Patterns(texts) for texts in (scopes.models, tuple(allowed_models)) if texts)
        self._near: dict[str, bool] = {}
        self._decided: dict[tuple[str, str], bool] = {}

    @property
    def terms(self) -> tuple[object, ...]:
        """All that bounds, to be compared with what bounds somebody else, or did before."""
        models = tuple(one.texts for one in self._models)
        kept = (self.caching, self.capture, self.retention_days)
        defaults = (self.default_model, self.default_provider)
        return (self._routes, self._networks, models, self._may_call, self.ends_at, *defaults, *kept)

    @property
    def is_over(self) -> bool:
        """Whether the key has ended."""
        return self.ends_at is not None and self._clock() >= self.ends_at

    def admit(self, route: str, peer: tuple[str, int] | None) -> None:
        """Let a call on a kind of route in.

        Args:
            route: One of `ROUTE_WORDS`; empty where none is meant.
            peer: Address and port that it comes from.

        Raises:
            AuthenticationFailed: The key has ended.
            PermissionDenied: It is not good for that route, or from that address.
        """
        against = self.against(route, peer)
        if against is not None:
            raise self.refusal(against, route, peer)

    def against(self, route: str, peer: tuple[str, int] | None) -> Against | None:
        """Return what speaks against a call; None if nothing does."""
        if self.ends_at is not None and self._clock() >= self.ends_at:
            return "expired"
        if self._routes and route and route not in self._routes:
            return "route"
        if not self._may_call and route in _CALLS:
            return "role"
        if self._networks and not self._is_near(peer):
            return "address"
        return None

    def refusal(self, against: Against, route: str, peer: tuple[str, int] | None) -> NarthexError:
        """Return the error that says what speaks against a call."""
        match against:
            case "expired":
                at = datetime.fromtimestamp(self.ends_at or 0, UTC).isoformat(timespec="seconds")
                return AuthenticationFailed(f"this API key expired at {at.replace('+00:00', 'Z')}: make a new one")
            case "route":
                words = ", ".join(sorted(self._routes))
                return PermissionDenied(
                    f"this API key is not good for `{route}` routes; its scopes have: {words}. Use another one, or "
                    "have its scopes changed"
                )
            case "role":
                return PermissionDenied(
                    "the role of whoever this API key belongs to has no `models:call`: ask an owner of the workspace "
                    "for another role"
                )
            case "address":
                shown = "an unknown address" if peer is None else peer[0]
                return PermissionDenied(
                    f"this API key may not be used from {shown}; its scopes name other addresses. Use another one, or "
                    "have its scopes changed"
                )

    def _is_near(self, peer: tuple[str, int] | None) -> bool:
        if peer is None:
            return False
        known = self._near.get(peer[0])
        if known is None:
            known = _is_within(peer[0], self._networks)
            if len(self._near) < _MAX_REMEMBERED:
                self._near[peer[0]] = known
        return known

    def permit(self, asked: str, target: str) -> bool:
        """Tell whether a call may go to a model.

        Who is allowed an alias or a virtual model by its own name is allowed everything that it stands for; other
        names must lead to a model that is allowed itself.

        Args:
            asked: The name that was asked for.
            target: `provider/model` that it led to.
        """
        if not self._models:
            return True
        known = self._decided.get((asked, target))
        if known is None:
            known = all(one.fit(target) or ("/" not in asked and one.fit(asked)) for one in self._models)
            if len(self._decided) < _MAX_REMEMBERED:
                self._decided[asked, target] = known
        return known

    def told(self) -> str:
        """Return the patterns that models must fit, for people."""
        return " and ".join(", ".join(one.texts) for one in self._models)


def _is_within(text: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    meant = address if mapped is None else mapped
    return any(meant in network for network in networks if network.version == meant.version)
