"""What may be done, in words: `resource:action`; and the roles, which are sets of them.

A decision is one look-up in a set. A role stands as high as another if it may do all that the other may.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from narthex.errors import InvalidRequest

_ACTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "organisation": ("read", "write"),
    "workspaces": ("read", "write"),
    "members": ("read", "write"),
    "users": ("read", "write"),
    "roles": ("read", "write"),
    "keys": ("read", "write"),
    "limits": ("read", "write"),
    "prices": ("read", "write"),
    "usage": ("read",),
    "ledger": ("read", "write"),
    "audit": ("read",),
    "requests": ("read", "read_content"),
    "settings": ("read", "write"),
    "secrets": ("read", "write"),
    "models": ("call",),
    "privacy": ("read", "write"),
    "cache": ("read", "write"),
}

ALL: Final = frozenset(f"{resource}:{action}" for resource, actions in _ACTIONS.items() for action in actions)
"""Every permission there is."""

CALL_MODELS: Final = frozenset({"models:call"})
"""What a virtual key may do unless its scopes say more."""

_READ: Final = frozenset(word for word in ALL if word.endswith(":read"))
_PRIVATE: Final = frozenset({"requests:read_content", "privacy:read", "secrets:read", "audit:read"})

OF_ALL: Final = frozenset({"organisation:write", "privacy:write"})
"""What is about an organisation as a whole, and means nothing in a workspace."""

OWNER: Final = "owner"

BUILT_IN: Final[Mapping[str, frozenset[str]]] = {
    OWNER: ALL,
    "admin": ALL - OF_ALL,
    "member": (_READ - _PRIVATE - {"users:read", "ledger:read"}) | CALL_MODELS | {"keys:write"},
    "viewer": _READ - _PRIVATE - {"users:read", "ledger:read"},
    "billing": frozenset(
        {
            "organisation:read",
            "workspaces:read",
            "usage:read",
            "ledger:read",
            "prices:read",
            "prices:write",
            "limits:read",
            "limits:write",
        }
    ),
}
"""The roles that every organisation has."""


def checked(words: Iterable[str], *, param: str = "permissions") -> tuple[str, ...]:
    """Return permissions in order, each once.

    Raises:
        InvalidRequest: One of them is none.
    """
    given = sorted(set(words))
    for word in given:
        if word not in ALL:
            known = ", ".join(sorted(ALL))
            raise InvalidRequest(f"{word[:100]!r} is no permission; there are: {known}", param=param)
    return tuple(given)
