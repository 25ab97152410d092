"""How far a failure reaches: it says something about one model, about the whole provider, or about neither.

`SCOPES` says it for each way in which a provider fails. What reaches the provider is counted by a breaker of its
own, so that its other models are left alone at once, and the same probes serve all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from narthex.errors import Failure, NarthexError, ProviderError
from narthex.resilience.decisions import failure_of


class Scope(StrEnum):
    """Whom a failure is held against."""

    PROVIDER = "provider"
    """The whole provider: no other model of it would have fared better."""
    SEVERAL = "several"
    """The model, and the provider too once several of its models fail so."""
    MODEL = "model"
    """The model alone."""
    NOBODY = "nobody"
    """It lies with the request, the key, the caller or this server."""


SCOPES: Final[Mapping[Failure, Scope]] = MappingProxyType(
    {
        # Refused, no such name, no valid certificate: the way to the provider is the same for all of its models.
        Failure.CONNECT: Scope.PROVIDER,
        Failure.CONNECT_TIMEOUT: Scope.PROVIDER,
        # Told only when no key is left that the provider takes.
        Failure.AUTHENTICATION: Scope.PROVIDER,
        Failure.UPSTREAM_ERROR: Scope.SEVERAL,
        Failure.OVERLOADED: Scope.SEVERAL,
        Failure.FIRST_TOKEN_TIMEOUT: Scope.SEVERAL,
        # The provider took the call and began to answer: what went wrong then went wrong with the model.
        Failure.STALL: Scope.MODEL,
        Failure.TRUNCATED: Scope.MODEL,
        Failure.MALFORMED: Scope.MODEL,
        # Quotas, limits and permissions differ from model to model, and a key that is over one rests by itself.
        Failure.QUOTA_EXHAUSTED: Scope.NOBODY,
        Failure.RATE_LIMITED: Scope.NOBODY,
        Failure.PERMISSION: Scope.NOBODY,
        Failure.MODEL_NOT_FOUND: Scope.NOBODY,
        Failure.UNSUPPORTED_FEATURE: Scope.NOBODY,
        Failure.CONTEXT_TOO_LONG: Scope.NOBODY,
        Failure.CONTENT_FILTERED: Scope.NOBODY,
        Failure.INVALID_REQUEST: Scope.NOBODY,
        Failure.DEADLINE: Scope.NOBODY,
        Failure.CANCELLED: Scope.NOBODY,
        Failure.INTERNAL: Scope.NOBODY,
    }
)
"""How far each way of failing reaches."""


def scope_of(error: NarthexError) -> Scope:
    """Return whom `error` is held against; what no provider sent is held against nobody."""
    if not isinstance(error, ProviderError) or error.lies_with_us:
        return Scope.NOBODY
    return SCOPES[failure_of(error)]
