"""Where a provider is: addresses read strictly, and whom a connection trusts."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import ConfigError
from narthex.providers.transport.origin import Origin


@pytest.mark.parametrize(
    ("base_url", "authority", "path", "url"),
    [
        ("http://127.0.0.1:8000/v1", "127.0.0.1:8000", "/v1", "http://127.0.0.1:8000/v1"),
        ("https://api.example.com", "api.example.com", "", "https://api.example.com"),
        ("https://API.Example.com/v1/", "api.example.com", "/v1", "https://api.example.com/v1"),
        ("HTTPS://api.example.com:443/a/b", "api.example.com", "/a/b", "https://api.example.com/a/b"),
        ("http://host:80", "host", "", "http://host"),
        ("http://host:443", "host:443", "", "http://host:443"),
        ("https://host:80", "host:80", "", "https://host:80"),
        ("http://[::1]:11434/v1", "[::1]:11434", "/v1", "http://[::1]:11434/v1"),
        ("https://[2001:DB8::1]", "[2001:db8::1]", "", "https://[2001:db8::1]"),
    ],
)
def test_an_address_is_read(base_url: str, authority: str, path: str, url: str) -> None:
    """Scheme, host, port and path are taken apart, and come together again in one form."""
    origin = Origin.parse(base_url)
    assert (origin.authority, origin.path, origin.url) == (authority, path, url)
    assert origin.tls == url.startswith("https")
    assert Origin.parse(origin.url) == origin


@pytest.mark.parametrize(
    "base_url",
    [
        *[
            "",
            "api.example.com/v1",
            "//host",
            "ftp://host",
            "file:///etc/passwd",
            "http://",
            "http:///v1",
            "https://:443",
        ],
        *["http://host?key=1", "http://host/#a", "http://user@host", "http://user:pass@host", "http://:pass@host"],
        *["http://host:0/v1", "http://host:65536", "http://host:x", "http://host:-1", "http://[::1", "http://[host]"],
        *[
            "http://host/a b",
            "http://host/\r\nx: y",
            "http://ho\tst",
            "http://hóst",
            "http://host/\x7f",
            " http://host",
        ],
    ],
)
def test_what_is_no_address_is_refused(base_url: str) -> None:
    """What is not a plain http or https address is refused with what was expected."""
    with pytest.raises(ConfigError, match="base_url"):
        Origin.parse(base_url)


@given(st.text(max_size=60), st.text(st.characters(codec="ascii"), max_size=60))
def test_any_text_is_an_address_or_is_refused(anything: str, behind: str) -> None:
    """Whatever stands in the configuration, nothing but clean ASCII reaches the head of a request."""
    for base_url in (anything, f"http://{behind}", f"https://host/{behind}"):
        try:
            origin = Origin.parse(base_url)
        except ConfigError:
            continue
        head = f"{origin.authority}{origin.path}"
        assert origin.host
        assert 0 < origin.port < 65_536
        assert all(0x20 < ord(char) < 0x7F for char in head)


def test_plain_http_has_no_tls() -> None:
    """Nothing is verified where nothing is encrypted, whatever authority is named."""
    assert Origin.parse("http://host", ca_file=Path("missing")).context() is None


def test_certificates_and_names_are_always_verified() -> None:
    """No setting makes a connection that trusts everybody, or one of a version that is broken."""
    context = Origin.parse("https://host").context()
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert Origin.parse("https://other").context() is context


def test_only_the_authorities_named_are_trusted(tmp_path: Path) -> None:
    """An authority in `ca_file` stands in place of the system's, and is read again when it was renewed."""
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    origin = Origin.parse("https://host", ca_file=file)
    first = origin.context()
    assert first is not None
    assert len(first.get_ca_certs()) == 1
    assert origin.context() is first
    trustme.CA().cert_pem.write_to_path(str(file))
    os.utime(file, ns=(1, 1))
    second = origin.context()
    assert second is not None
    assert second.get_ca_certs() != first.get_ca_certs()


@pytest.mark.parametrize("text", [None, "", "nonsense"])
def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path, text: str | None) -> None:
    """The error names the setting and the file, not only what the system says."""
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)
    with pytest.raises(OSError, match=r"`ca_file` .*ca\.pem"):
        Origin.parse("https://host", ca_file=file).context()
