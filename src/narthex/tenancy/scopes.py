"""What a virtual key is good for, as it is written down: models, routes, addresses and permissions."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Final, Literal, get_args

import msgspec

from narthex.errors import InvalidRequest
from narthex.tenancy.permissions import checked

RouteWord = Literal["chat", "embeddings", "responses", "realtime", "streams", "models", "control"]
"""Kinds of routes: `chat` is every way to ask for a whole answer or a stream, `control` all below `/api`."""

ROUTE_WORDS: Final[tuple[str, ...]] = get_args(RouteWord)

Pattern = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
"""A name of a model, in which `*` stands for anything."""


class Scopes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of a key; what is empty bounds nothing, but `permissions`, which then are to call models only."""

    models: Annotated[tuple[Pattern, ...], msgspec.Meta(max_length=200)] = ()
    routes: Annotated[tuple[RouteWord, ...], msgspec.Meta(max_length=16)] = ()
    addresses: Annotated[tuple[Annotated[str, msgspec.Meta(max_length=64)], ...], msgspec.Meta(max_length=200)] = ()
    """Networks, as `10.0.0.0/8`, or single addresses."""
    permissions: Annotated[tuple[str, ...], msgspec.Meta(max_length=200)] = ()

    def checked(self) -> Scopes:
        """Return these scopes in their one written form.

        Raises:
            InvalidRequest: An address or a permission is none.
        """
        return Scopes(
            models=tuple(sorted(set(self.models))),
            routes=tuple(sorted(set(self.routes))),
            addresses=tuple(sorted({_network(one) for one in self.addresses})),
            permissions=checked(self.permissions, param="scopes.permissions"),
        )


NO_SCOPES: Final = Scopes()
"""Of a key that is bounded by nothing."""


def _network(text: str) -> str:
    try:
        return str(ip_network(text, strict=False))
    except ValueError as error:
        raise InvalidRequest(
            f"{text[:64]!r} is no address or network: write `192.0.2.7`, `10.0.0.0/8` or `2001:db8::/32`",
            param="scopes.addresses",
        ) from error
