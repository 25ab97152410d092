"""Where a provider is: scheme, host, port, trust."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from narthex.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The far end of a connection."""

    host: str
    port: int
    tls: bool
    path: str
    """Path prefix of every request, without a closing slash: `/v1`."""
    ca_file: Path | None = None

    @classmethod
    def parse(cls, base_url: str, *, ca_file: Path | None = None) -> Origin:
        """Read a base URL such as `https://api.example.com/v1`.

        Raises:
            ConfigError: Not an http or https URL with a host, or one with a query or credentials.
        """
        problem = f"base_url {base_url!r}: expected `http://host[:port]/path` or `https://…` without query or password"
        try:
            parts = urlsplit(base_url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ConfigError((problem,)) from error
        if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment or "@" in parts.netloc:
            raise ConfigError((problem,))
        if port == 0 or any(ord(char) <= 0x20 or ord(char) > 0x7E for char in base_url):
            raise ConfigError((problem,))
        tls = parts.scheme == "https"
        path = parts.path.rstrip("/")
        return cls(host=host, port=port or (443 if tls else 80), tls=tls, path=path, ca_file=ca_file)

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The base URL, normalised."""
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.path}"

    def context(self) -> ssl.SSLContext | None:
        """Return the TLS context to connect with: certificate and host name are always verified.

        Raises:
            OSError: The authorities in `ca_file` cannot be read.
        """
        if not self.tls:
            return None
        if self.ca_file is None:
            return tls_context(None)
        try:
            return tls_context(self.ca_file, self.ca_file.stat().st_mtime_ns)
        except OSError as error:
            reason = error.strerror or str(error)
            raise OSError(f"the authorities in `ca_file` {str(self.ca_file)!r} cannot be read: {reason}") from error


@lru_cache(maxsize=16)
def tls_context(ca_file: Path | None, _changed_at_ns: int = 0) -> ssl.SSLContext:
    """Make a verifying client context; loading the authorities takes milliseconds, so each is made once.

    Args:
        ca_file: Authorities to trust, in place of the system's.
        _changed_at_ns: When the file was written: renewed authorities are trusted without a restart.
    """
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
