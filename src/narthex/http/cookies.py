"""Cookies of the dashboard: a session, and what binds a single sign-on to the browser that began it.

Over TLS their names begin with `__Host-`, which browsers take from this host alone. A server on plain HTTP is let have
cookies on loopback only: anywhere else they, and the passwords before them, would travel in the open.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.types import Scope

from narthex.config.addresses import is_loopback
from narthex.errors import CrossSiteRequest, PermissionDenied
from narthex.tenancy.sign_in.reception import Guest, Reception

SESSION: Final = "narthex_session"
SINGLE_SIGN_ON: Final = "narthex_oidc"
CSRF_HEADER: Final = b"x-narthex-csrf"
_HOST: Final = "__Host-"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def cookie_of(name: str, scope: Scope, headers: Mapping[bytes, bytes]) -> str:
    """Return the value of a cookie of ours; empty if there is none.

    The name without prefix is heeded on plain loopback alone: elsewhere a neighbouring host could have set it.
    """
    jar = headers.get(b"cookie", b"").decode("latin-1")
    found = {one.strip() for one in jar.split(";")}
    names = [_HOST + name, *([name] if _is_plain_loopback(scope, headers) else [])]
    for wanted in names:
        values = [one[len(wanted) + 1 :] for one in found if one.startswith(f"{wanted}=")]
        if len(values) == 1:
            return values[0]
    return ""


def set_cookie(name: str, value: str, *, secure: bool, max_age_s: int) -> str:
    """Return the field that has a browser keep a cookie; an age of 0 has it forget one."""
    prefix, flag = (_HOST, "; Secure") if secure else ("", "")
    return f"{prefix}{name}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{flag}"


def guest_of(reception: Reception, scope: Scope, headers: Mapping[bytes, bytes]) -> Guest | None:
    """Return who comes with a session, if anybody does."""
    token = cookie_of(SESSION, scope, headers)
    return reception.guest(token) if token else None


def is_secure(scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether the browser came over TLS, which may end before this server; its Origin tells.

    Raises:
        PermissionDenied: It did not, and is not on this machine.
    """
    origin = headers.get(b"origin", b"").decode("latin-1").lower()
    if scope["scheme"] == "https" or origin.startswith("https://"):
        return True
    if not _is_plain_loopback(scope, headers):
        raise PermissionDenied(
            "signing in needs TLS, or a server on this machine: set `server.tls_cert` and `server.tls_key`, "
            "or put a proxy that ends TLS before it"
        )
    return False


def check_same_site(scope: Scope, headers: Mapping[bytes, bytes]) -> None:
    """Let a request of a browser pass that our own pages send.

    Three things that a page of another site cannot do: have a browser say that it comes from here
    (https://www.w3.org/TR/fetch-metadata/), send our Origin, or send a header of its own without being asked first.

    Raises:
        CrossSiteRequest: It changes something, and does not come from our own pages.
    """
    if scope["method"] in _SAFE:
        return
    site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    if (site is not None and site != b"same-origin") or CSRF_HEADER not in headers:
        raise CrossSiteRequest
    if origin is not None and not is_own_origin(headers):
        raise CrossSiteRequest


def check_own_page(headers: Mapping[bytes, bytes]) -> None:
    """Let a socket be opened that one of our own pages opens.

    A page sends no header of its own with a handshake; its browser says where it comes from, which no page can change.

    Raises:
        CrossSiteRequest: It does not come from our own pages.
    """
    site, is_page = headers.get(b"sec-fetch-site"), b"origin" in headers
    if site not in {None, b"same-origin"} or not (is_own_origin(headers) if is_page else CSRF_HEADER in headers):
        raise CrossSiteRequest


def is_own_origin(headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether the page that asks is one of this host."""
    origin = headers.get(b"origin", b"").decode("latin-1").lower()
    return origin.partition("://")[2] == headers.get(b"host", b"").decode("latin-1").lower()


def _is_plain_loopback(scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
    host = headers.get(b"host", b"").decode("latin-1").lower()
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return scope["scheme"] in {"http", "ws"} and is_loopback(name)
