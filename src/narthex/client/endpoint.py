"""Where a gateway is, and how a client identifies itself."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Unpack
from urllib.parse import urlsplit

from narthex.client.values import ClientOptions
from narthex.errors import ConfigError

DEFAULT_URL: Final = "http://127.0.0.1:8484"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One gateway: its address, the limits of time, and what is sent with every request."""

    host: str
    port: int
    prefix: str
    """Path before all routes, without a slash at its end."""
    tls: ssl.SSLContext | None
    timeout_s: float
    connect_timeout_s: float
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case; among them the key."""

    @property
    def authority(self) -> str:
        """Host and port as a `Host` header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = _DEFAULT_PORTS["https" if self.tls else "http"]
        return host if self.port == default else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The address."""
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.prefix}"


def endpoint_for(url: str | None, **options: Unpack[ClientOptions]) -> Endpoint:
    """Read an address and options; what is not given comes from `NARTHEX_URL` and `NARTHEX_API_KEY`.

    Raises:
        ConfigError: The address, the key or the authorities cannot be used.
    """
    source = "url" if url else "NARTHEX_URL"
    url = url or os.environ.get("NARTHEX_URL") or DEFAULT_URL
    host, port, prefix, secure = _split(url, source)
    return Endpoint(
        host=host,
        port=port,
        prefix=prefix,
        tls=_tls(options.get("ca_file")) if secure else None,
        timeout_s=options.get("timeout_s", 600.0),
        connect_timeout_s=options.get("connect_timeout_s", 5.0),
        headers=_headers(options.get("api_key"), options.get("headers") or {}),
    )


def _split(url: str, source: str) -> tuple[str, int, str, bool]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _bad_url(url, source) from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise _bad_url(url, source)
    if any(character.isspace() or not character.isprintable() for character in url):
        raise _bad_url(url, source)
    prefix = parts.path.rstrip("/")
    return parts.hostname, port or _DEFAULT_PORTS[parts.scheme], prefix, parts.scheme == "https"


def _bad_url(url: str, source: str) -> ConfigError:
    shown = f"…{url[url.rindex('@') :]}" if "@" in url else url
    return ConfigError((f"{source}: expected an address such as {DEFAULT_URL}, got {shown!r}",))


def _tls(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError((f"ca_file: cannot read authorities from {ca_file!r}: {error}",)) from error


def _headers(api_key: str | None, more: Mapping[str, str]) -> dict[str, str]:
    fields = {"user-agent": "narthex-python", "accept-encoding": "identity"}
    source = "api_key" if api_key else "NARTHEX_API_KEY"
    api_key = api_key or os.environ.get("NARTHEX_API_KEY")
    if api_key:
        if not (api_key.isascii() and api_key.isprintable()) or " " in api_key:
            raise ConfigError((f"{source}: a key has only visible ASCII characters; check for spaces and line ends",))
        fields["authorization"] = f"Bearer {api_key}"
    for name, value in more.items():
        if not _is_token(name) or any(character in value for character in "\r\n\0") or not value.isascii():
            raise ConfigError((f"headers: {name!r} cannot be sent as a header",))
        fields[name.lower()] = value
    return fields


def _is_token(name: str) -> bool:
    return name.isascii() and bool(name) and all(letter.isalnum() or letter in "!#$%&'*+-.^_`|~" for letter in name)
