"""TLS files: whether they fit together, and how long they last."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from narthex.cli.health.findings import Finding, bad, good, poor
from narthex.config.settings import ServerSettings

SOON_S = 21 * 86_400
"""Before this, in seconds, an expiring certificate should be renewed."""

_SEQUENCE, _CONTEXT_0, _UTC_TIME = 0x30, 0xA0, 0x17


class UnreadableCertificate(Exception):
    """The file holds no certificate that can be read."""


def certificates(server: ServerSettings, *, now: float | None = None) -> Iterator[Finding]:
    """Look at the certificate and key of the server, where it has them."""
    if server.tls_cert is None or server.tls_key is None:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(server.tls_cert, server.tls_key)
        expires_at = expiry_of(server.tls_cert)
    except (OSError, ssl.SSLError, UnreadableCertificate) as error:
        reason = getattr(error, "reason", None) or str(error)
        remedy = "give the certificate chain and its own private key, both PEM, in server.tls_cert and server.tls_key"
        yield bad("TLS", f"certificate and key cannot be used: {reason}", remedy)
        return
    yield _judged(expires_at, time.time() if now is None else now)


def _judged(expires_at: float, now: float) -> Finding:
    until = time.strftime("%Y-%m-%d", time.gmtime(expires_at))
    if expires_at <= now:
        return bad("TLS", f"the certificate expired on {until}", "renew it, then restart the server")
    if expires_at - now < SOON_S:
        return poor("TLS", f"the certificate expires on {until}", "renew it, then restart the server")
    return good("TLS", f"the certificate is valid until {until}")


def expiry_of(file: Path) -> float:
    """Return when the first certificate of a PEM file expires, as Unix time.

    Raises:
        UnreadableCertificate: It is not a certificate.
    """
    try:
        text = file.read_text(encoding="ascii")
        begin, end = text.index("-----BEGIN CERTIFICATE-----"), text.index("-----END CERTIFICATE-----")
        return _not_after(ssl.PEM_cert_to_DER_cert(text[begin:end] + "-----END CERTIFICATE-----"))
    except (ValueError, IndexError) as error:
        raise UnreadableCertificate(f"{file} holds no certificate") from error


def _not_after(der: bytes) -> float:
    """Walk to the validity of a certificate: https://www.rfc-editor.org/rfc/rfc5280#section-4.1."""
    certificate = _content(der, 0)
    fields = list(_elements(_content(certificate, 0)))
    if fields[0][0] == _CONTEXT_0:  # the version, which the oldest certificates leave out
        del fields[0]
    _serial, _algorithm, _issuer, validity = fields[:4]
    kind, text = list(_elements(validity[1]))[1]
    form = "%y%m%d%H%M%SZ" if kind == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(text.decode("ascii"), form).replace(tzinfo=UTC).timestamp()


def _content(data: bytes, start: int) -> bytes:
    kind, content, _ = _element(data, start)
    if kind != _SEQUENCE:
        raise ValueError("not a certificate")
    return content


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        kind, content, at = _element(data, at)
        yield kind, content


def _element(data: bytes, start: int) -> tuple[int, bytes, int]:
    """Return kind and content of one element of DER, and where the next begins."""
    kind, length, at = data[start], data[start + 1], start + 2
    if length & 0x80:
        size = length & 0x7F
        length, at = int.from_bytes(data[at : at + size], "big"), at + size
    if at + length > len(data):
        raise ValueError("cut short")
    return kind, data[at : at + length], at + length
