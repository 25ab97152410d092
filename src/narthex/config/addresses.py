"""Addresses: which are on this machine, and what a provider's address must look like."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

_OPERATIONS = re.compile(r"/(?:chat/completions|completions|messages|embeddings|responses|models)/?$")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")


def is_loopback(host: str) -> bool:
    """Tell whether an address to bind or call stays on this machine."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def why_not_base_url(address: str) -> str | None:
    """Return what is wrong with a provider's address and the remedy; None if nothing is.

    The address itself is never repeated: it may carry a secret.
    """
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return "not an address; write it like `http://127.0.0.1:8000/v1`"
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0 or re.search(r"\s", address):
        return "expected an address that begins with `http://` or `https://`, such as `http://127.0.0.1:8000/v1`"
    if parts.username is not None:
        return "holds a user or password; put the secret into `api_key` or `headers`"
    if parts.query or parts.fragment:
        return "ends in `?…` or `#…`; give the address without them, and secrets in `api_key` or `headers`"
    found = _OPERATIONS.search(parts.path)
    return f"ends in `{found.group()}`; leave that off, each call appends its own" if found else None


def why_not_origin(origin: str) -> str | None:
    """Return what is wrong with a browser origin and the remedy; None if nothing is."""
    if origin == "*" or _ORIGIN.fullmatch(origin):
        return None
    bare = _ORIGIN.match(origin)
    return (
        f'expected scheme, host and port only; write "{bare.group()}"'
        if bare
        else ('expected an origin such as "https://app.example.com", or "*"')
    )
