"""Cookies of the dashboard, and who may send requests with them."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from narthex.errors import CrossSiteRequest, PermissionDenied
from narthex.http.cookies import SESSION, check_own_page, check_same_site, cookie_of, is_secure, set_cookie
from tests.http.doors import scope_of

HERE = b"127.0.0.1:8484"


def headers(**given: str) -> dict[bytes, bytes]:
    """Return headers of a request to this machine."""
    return {b"host": HERE, **{name.replace("_", "-").encode(): value.encode() for name, value in given.items()}}


def test_a_cookie_is_for_our_scripts_alone() -> None:
    """It is sent to this host, and no script reads it; over TLS browsers see to that by its name."""
    plain = set_cookie(SESSION, "v", secure=False, max_age_s=5)
    assert plain == "narthex_session=v; Path=/; Max-Age=5; HttpOnly; SameSite=Lax"
    assert set_cookie(SESSION, "v", secure=True, max_age_s=5) == f"__Host-{plain}; Secure"


@pytest.mark.parametrize(
    ("scheme", "host", "jar", "value"),
    [
        ("http", "127.0.0.1:8484", "a=b; narthex_session=x", "x"),
        ("http", "localhost", "narthex_session=x; __Host-narthex_session=y", "y"),
        ("http", "[::1]:8484", "narthex_session=x", "x"),
        ("http", "gateway.example", "narthex_session=x", ""),
        ("https", "127.0.0.1", "narthex_session=x", ""),
        ("http", "gateway.example", "__Host-narthex_session=x", "x"),
        ("https", "gateway.example", "narthex_session=x; __Host-narthex_session=y", "y"),
        ("https", "gateway.example", "__Host-narthex_session=x; __Host-narthex_session=y", ""),
        ("http", "127.0.0.1", "xnarthex_session=x", ""),
    ],
)
def test_a_neighbour_cannot_slip_a_cookie_in(scheme: str, host: str, jar: str, value: str) -> None:
    """The name that any host of the domain could set is heeded on plain loopback alone."""
    scope = {**scope_of("GET", "/", {}), "scheme": scheme}
    assert cookie_of(SESSION, scope, {b"host": host.encode(), b"cookie": jar.encode()}) == value


def test_a_request_of_our_page_passes() -> None:
    """And whatever only reads."""
    scope = scope_of("POST", "/api/x", {})
    check_same_site(scope, headers(x_narthex_csrf="1", sec_fetch_site="same-origin", origin="http://127.0.0.1:8484"))
    check_same_site(scope, headers(x_narthex_csrf="1"))
    check_same_site(scope_of("GET", "/api/x", {}), headers(sec_fetch_site="cross-site"))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"sec_fetch_site": "same-origin"},
        {"x_narthex_csrf": "1", "sec_fetch_site": "cross-site"},
        {"x_narthex_csrf": "1", "sec_fetch_site": "same-site"},
        {"x_narthex_csrf": "1", "sec_fetch_site": "none"},
        {"x_narthex_csrf": "1", "origin": "http://evil.example"},
        {"x_narthex_csrf": "1", "origin": "http://127.0.0.1:9999"},
        {"x_narthex_csrf": "1", "origin": "null"},
    ],
)
def test_a_request_of_another_page_does_not(given: dict[str, str]) -> None:
    """Without the header, from another site, or from another origin."""
    with pytest.raises(CrossSiteRequest):
        check_same_site(scope_of("POST", "/api/x", {}), headers(**given))


@pytest.mark.parametrize(
    ("given", "passes"),
    [
        ({"origin": "http://127.0.0.1:8484"}, True),
        ({"origin": "http://127.0.0.1:8484", "sec_fetch_site": "same-origin"}, True),
        ({"x_narthex_csrf": "1"}, True),
        ({}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "http://evil.example", "x_narthex_csrf": "1"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://127.0.0.1:8484", "sec_fetch_site": "same-site"}, False),
    ],
)
def test_a_socket_is_opened_by_our_pages_alone(given: dict[str, str], *, passes: bool) -> None:
    """By their origin, which a browser tells with every handshake; a program without one says the word."""
    with nullcontext() if passes else pytest.raises(CrossSiteRequest):
        check_own_page(headers(**given))


def test_passwords_do_not_travel_in_the_open() -> None:
    """TLS, here or before this server, or loopback."""
    scope = scope_of("POST", "/", {})
    assert not is_secure(scope, headers())
    assert is_secure({**scope, "scheme": "https"}, headers())
    assert is_secure(scope, {b"host": b"gateway.example", b"origin": b"https://gateway.example"})
    with pytest.raises(PermissionDenied, match="TLS"):
        is_secure(scope, {b"host": b"gateway.example", b"origin": b"http://gateway.example"})
