"""Who may keep an answer, for how long, and whether a client has it already.

https://www.rfc-editor.org/rfc/rfc9111, https://www.rfc-editor.org/rfc/rfc9110#name-conditional-requests
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate
from hashlib import blake2b
from typing import Final, NamedTuple

NO_STORE: Final = "no-store"
CHECK_AGAIN: Final = "private, no-cache"
"""To be kept by whoever asked alone, and asked for again each time; what is the same is not sent again."""

_SECRET: Final = ("/api/auth", "/api/invitations", "/api/me", "/api/provider-keys", "/v1/realtime")
"""What may show secrets: kept by nobody, and not compressed."""
_PERSONAL: Final = (
    *_SECRET,
    "/api/audit",
    "/api/ledger/",
    "/api/usage/export",
    "/api/users",
    "/v1/recordings",
    "/v1/responses",
    "/v1/streams",
)
"""What shows people, or what somebody asked and was answered: kept by nobody."""
_MEMBERS: Final = re.compile(r"/api/workspaces/[^/]+/members(/|$)")
_OURS: Final = ("/api/", "/v1/", "/metrics", "/openapi.json")
_VERSION: Final = re.compile(r'"([0-9]{1,9})"')
_TAGS: Final = re.compile(r'(?:W/)?("[^"]*")')
_DIGEST_BYTES: Final = 12


class Rule(NamedTuple):
    """What is said about answers to `GET` under some paths."""

    path: str
    """With `*` for anything."""
    cache_control: str


class Rules:
    """What `Cache-Control` says, path by path."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        """Take what is configured; the first that fits holds, before what is usual."""
        self._rules = [(re.compile(translate(rule.path)), _private(rule.cache_control)) for rule in rules]

    def of(self, path: str, method: str, status: int, own: str | None) -> str | None:
        """Return what is said about an answer; None for nothing.

        Args:
            path: That was asked for.
            method: As above.
            status: Of the answer.
            own: What the route itself says: that nobody keeps it is never overruled.
        """
        if own is not None and NO_STORE in own:
            return own
        ours = path.startswith(_OURS)
        if is_personal(path) or (ours and (method not in {"GET", "HEAD"} or status >= 400)):
            return NO_STORE
        rule = next((told for pattern, told in self._rules if pattern.match(path)), None)
        if rule is not None and method in {"GET", "HEAD"} and status < 400:
            return rule
        return CHECK_AGAIN if own is None and ours else own


def is_personal(path: str) -> bool:
    """Tell whether what a path shows is kept by nobody."""
    return path.startswith(_PERSONAL) or _MEMBERS.match(path) is not None


def is_secret(path: str) -> bool:
    """Tell whether what a path shows may be secret."""
    return path.startswith(_SECRET)


def etag_of(body: bytes, own: str | None) -> str:
    """Return the tag of an answer: what it says, behind the version of what it is about.

    A version alone would not do: an answer also tells what changes without one, such as when a key was used last.
    """
    digest = blake2b(body, digest_size=_DIGEST_BYTES).hexdigest()
    if own is None:
        return f'"{digest}"'
    version = _VERSION.fullmatch(own)
    return own if version is None else f'"{version[1]}-{digest}"'


def weak(etag: str) -> str:
    """Return the tag of an answer whose bytes are others, and which says the same."""
    return etag if etag.startswith("W/") else f"W/{etag}"


def is_known(field: str, etag: str) -> bool:
    """Tell whether an `If-None-Match` field names a tag, weak or strong."""
    return field.strip() == "*" or etag.removeprefix("W/") in _TAGS.findall(field)


def stays_fresh(cache_control: str) -> bool:
    """Tell whether an answer may be used again without asking."""
    return "max-age" in cache_control and "no-cache" not in cache_control and NO_STORE not in cache_control


def _private(cache_control: str) -> str:
    """Return a directive by which no cache that several people share keeps an answer."""
    said = {part.partition("=")[0].strip().lower() for part in cache_control.split(",")}
    return cache_control if said & {"private", NO_STORE} else f"private, {cache_control}"
