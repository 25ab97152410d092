"""Where a gateway is."""

from __future__ import annotations

import pytest

from narthex.client.endpoint import Endpoint, endpoint_for
from narthex.errors import ConfigError


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NARTHEX_URL", raising=False)
    monkeypatch.delenv("NARTHEX_API_KEY", raising=False)


def _endpoint(url: str) -> Endpoint:
    return endpoint_for(url)


@pytest.mark.parametrize(
    ("url", "authority", "prefix"),
    [
        ("http://127.0.0.1:8484", "127.0.0.1:8484", ""),
        ("http://gateway.example/", "gateway.example", ""),
        ("https://gateway.example", "gateway.example", ""),
        ("https://gateway.example:8443/ai/", "gateway.example:8443", "/ai"),
        ("http://[::1]:8484", "[::1]:8484", ""),
    ],
)
def test_addresses_are_read(url: str, authority: str, prefix: str) -> None:
    """Scheme, host, port and path are taken from the address; usual ports are not said."""
    endpoint = _endpoint(url)
    assert (endpoint.authority, endpoint.prefix) == (authority, prefix)
    assert (endpoint.tls is not None) == url.startswith("https")
    assert endpoint.url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8484",
        "ftp://x",
        "http://",
        "http://x:port",
        "http://x:99999",
        "http://x/?a=1",
        "http://x y/",
        "http://x/\n",
    ],
)
def test_bad_addresses_are_refused(url: str) -> None:
    """What is no address is named, with an example of one."""
    with pytest.raises(ConfigError, match=r"url: expected an address such as http://127\.0\.0\.1:8484"):
        _endpoint(url)


def test_passwords_in_addresses_are_not_repeated() -> None:
    """An address with a password is refused without showing it."""
    with pytest.raises(ConfigError) as caught:
        _endpoint("http://me:hunter2@x")
    assert "hunter2" not in str(caught.value)


def test_the_environment_fills_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without arguments address and key come from the environment, with them they do not."""
    monkeypatch.setenv("NARTHEX_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("NARTHEX_API_KEY", "from-environment")
    endpoint = endpoint_for(None)
    assert endpoint.url == "http://127.0.0.1:1"
    assert endpoint.headers["authorization"] == "Bearer from-environment"
    endpoint = endpoint_for("http://127.0.0.1:2", api_key="given")
    assert (endpoint.port, endpoint.headers["authorization"]) == (2, "Bearer given")


def test_a_bad_address_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says which variable is wrong."""
    monkeypatch.setenv("NARTHEX_URL", "nowhere")
    with pytest.raises(ConfigError, match="NARTHEX_URL: expected"):
        endpoint_for(None)


def test_nothing_set_is_the_usual_gateway() -> None:
    """By default it is the gateway on this machine, without a key."""
    endpoint = endpoint_for(None)
    assert endpoint.url == "http://127.0.0.1:8484"
    assert "authorization" not in endpoint.headers


@pytest.mark.parametrize("key", ["with space", "line\nend", "schlüssel"])
def test_keys_that_cannot_be_sent_are_refused(key: str) -> None:
    """A key that would break the request is refused, and not shown."""
    with pytest.raises(ConfigError) as caught:
        endpoint_for("http://x", api_key=key)
    assert key not in str(caught.value)


@pytest.mark.parametrize(("name", "value"), [("a b", "x"), ("a", "x\r\ny: z"), ("", "x"), ("a:", "x"), ("a", "ü")])
def test_headers_that_cannot_be_sent_are_refused(name: str, value: str) -> None:
    """Nothing can be smuggled in by a header."""
    with pytest.raises(ConfigError, match="cannot be sent"):
        endpoint_for("http://x", headers={name: value})


def test_secrets_are_not_shown() -> None:
    """An endpoint's representation holds no key."""
    assert "hush-hush" not in repr(endpoint_for("http://x", api_key="hush-hush"))


def test_unreadable_authorities_are_named() -> None:
    """A missing file of authorities is told when the client is made."""
    with pytest.raises(ConfigError, match="ca_file: cannot read"):
        endpoint_for("https://x", ca_file="/nowhere.pem")
