"""Who may knock: host and origin are checked while there are no keys, and CORS as configured.

A server on loopback without keys is open to the local user, and to nobody else: not to a page in the user's browser
that calls `http://127.0.0.1` (its Origin gives it away), nor to one whose name was pointed there (its Host does).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from narthex.audit.records import Actor
from narthex.errors import PermissionDenied
from narthex.tenancy.denials import DENIED, Denial
from narthex.tenancy.keys import Keyring

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_EXPOSED: Final = (
    b"etag, x-request-id, request-id, x-narthex-model, x-narthex-route, x-narthex-attempts, x-narthex-stream-id, "
    b"x-narthex-dropped, x-narthex-cost, x-narthex-usage, x-narthex-resumed, x-narthex-not-kept, "
    b"idempotent-replayed, retry-after"
)
_MAX_REMEMBERED: Final = 1_024


class Access:
    """The rules of the door, the same for both doors."""

    def __init__(
        self, keyring: Keyring, *, allowed_hosts: tuple[str, ...] = (), cors_origins: tuple[str, ...] = ()
    ) -> None:
        self._keyring = keyring
        self._hosts = _LOOPBACK | {host.lower() for host in allowed_hosts}
        self._origins = frozenset(origin.rstrip("/").lower() for origin in cors_origins)
        self._known: dict[bytes, bool] = {}

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """Let a request pass, or say why not.

        Raises:
            PermissionDenied: The host or the origin is not one that may call this server.
        """
        if self._keyring.required:
            return
        host = headers.get(b"host", b"")
        if not self._host_known(host):
            self._deny("host")
            raise PermissionDenied(
                f"host {host.decode('latin-1')[:100]!r} may not be used here while there are no keys: "
                "call 127.0.0.1 or localhost, add the name to `server.allowed_hosts`, or configure `keys`"
            )
        origin = headers.get(b"origin")
        if origin is not None and not self._origin_may(origin, host):
            self._deny("origin")
            raise PermissionDenied(
                f"pages of {origin.decode('latin-1')[:100]!r} may not call this server: add it to `server.cors_origins`"
            )

    def cors(self, headers: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
        """Return the headers that let the calling page read the answer; none if it may not."""
        origin = headers.get(b"origin")
        if origin is None or not self._origins:
            return []
        if "*" in self._origins:
            return [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"*")]
        if origin.decode("latin-1").lower() not in self._origins:
            return [(b"vary", b"origin")]
        return [
            (b"access-control-allow-origin", origin),
            (
                b"access-control-expose-headers",
                _EXPOSED,
            ),
            (b"vary", b"origin"),
        ]

    def _deny(self, why: str) -> None:
        self._keyring.denials.note(Denial(action=DENIED, actor=Actor("key", ""), details={"why": why}))

    def _host_known(self, host: bytes) -> bool:
        known = self._known.get(host)
        if known is None:
            name = host.decode("latin-1").lower()
            if not name.endswith("]"):
                name = name.rpartition(":")[0] or name
            known = name in self._hosts
            if len(self._known) < _MAX_REMEMBERED:
                self._known[host] = known
        return known

    def _origin_may(self, origin: bytes, host: bytes) -> bool:
        text = origin.decode("latin-1").lower()
        return text.partition("://")[2] == host.decode("latin-1").lower() or bool(self._origins & {"*", text})
