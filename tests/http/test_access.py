"""Who may knock: without keys the local user alone, and browser pages as configured."""

from __future__ import annotations

import pytest

from narthex.errors import PermissionDenied
from narthex.http.access import Access
from narthex.tenancy.keys import Keyring

Headers = dict[bytes, bytes]

OPEN = Keyring([])
LOCKED = Keyring([("test", "sk-test-0123456789abcdef")])
APP = b"https://app.example"


def passes(access: Access, headers: Headers) -> bool:
    """Return whether the door opens."""
    try:
        access.check(headers)
    except PermissionDenied:
        return False
    return True


# -- host --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        b"localhost",
        b"LocalHost:8484",
        b"127.0.0.1",
        b"127.0.0.1:80",
        b"[::1]",
        b"[::1]:8484",
        b"gate.example",
        b"GATE.example:443",
    ],
)
def test_this_machine_may_be_called_by_its_names(host: bytes) -> None:
    """Loopback and the configured names are let in, with and without a port, in any case."""
    assert passes(Access(OPEN, allowed_hosts=("Gate.Example",)), {b"host": host})


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b"evil.example",
        b"evil.example:80",
        b"localhost.evil.example",
        b"127.0.0.1.evil.example:8484",
        b"evil.example:localhost",
        b"localhost:80:80",
        b"localhost.",
        b"127.0.0.2",
        b"0.0.0.0",
        b"[::2]:8484",
        b"[::1",
        b"::1",
        b":8484",
        b"user@localhost",
        b"\xff\xfe",
    ],
)
def test_a_name_pointed_at_this_machine_is_refused(host: bytes) -> None:
    """A page that reaches this address by a name of its own (DNS rebinding) is given away by its Host."""
    assert not passes(Access(OPEN, allowed_hosts=("gate.example",)), {b"host": host})


def test_a_request_without_a_host_is_refused() -> None:
    """Who does not say whom he calls is not let in."""
    assert not passes(Access(OPEN), {})


def test_a_refused_host_is_told_the_remedies() -> None:
    """The refusal names the setting to change, and quotes no more of the name than a line holds."""
    with pytest.raises(PermissionDenied) as raised:
        Access(OPEN).check({b"host": b"evil\r\n" + b"x" * 5_000})
    assert "`server.allowed_hosts`" in raised.value.message
    assert "\n" not in raised.value.message
    assert len(raised.value.message) < 400


def test_the_verdict_stays_the_same_whatever_has_been_asked() -> None:
    """However many names have been tried, each is judged as the first was."""
    access = Access(OPEN)
    for number in range(3_000):
        assert not passes(access, {b"host": b"%d.evil.example" % number})
    for _ in range(2):
        assert passes(access, {b"host": b"localhost"})
        assert not passes(access, {b"host": b"late.evil.example"})
        assert not passes(access, {b"host": b"1.evil.example"})


# -- origin ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "may"),
    [
        (b"http://127.0.0.1:8484", True),
        (b"HTTP://127.0.0.1:8484", True),
        (b"https://app.example", True),
        (b"https://APP.example", True),
        (b"http://127.0.0.1:3000", False),
        (b"http://127.0.0.1", False),
        (b"http://app.example", False),
        (b"https://app.example:444", False),
        (b"https://app.example.evil.example", False),
        (b"https://evil.example", False),
        (b"null", False),
        (b"", False),
        (b"file://", False),
    ],
)
def test_pages_of_elsewhere_are_refused(origin: bytes, may: bool) -> None:
    """A page may call if this server gave it out, or if its origin is configured: scheme, name and port."""
    access = Access(OPEN, cors_origins=("https://App.example/",))
    assert passes(access, {b"host": b"127.0.0.1:8484", b"origin": origin}) is may


def test_any_page_may_call_where_that_is_configured() -> None:
    """With `*` every origin is let in, and the host is checked all the same."""
    access = Access(OPEN, cors_origins=("*",))
    assert passes(access, {b"host": b"localhost", b"origin": b"https://evil.example"})
    assert not passes(access, {b"host": b"evil.example", b"origin": b"https://evil.example"})


def test_a_refused_page_is_told_the_remedy() -> None:
    """The refusal names the setting to change."""
    with pytest.raises(PermissionDenied, match=r"`server\.cors_origins`"):
        Access(OPEN).check({b"host": b"localhost", b"origin": b"https://evil.example"})


# -- keys --------------------------------------------------------------------------------------------------------------


def test_with_keys_the_key_decides() -> None:
    """Where keys are demanded, host and origin are nobody's business: no page knows a key."""
    access = Access(LOCKED)
    assert passes(access, {b"host": b"gate.example", b"origin": b"https://evil.example"})
    assert passes(access, {})


def test_the_rules_change_with_the_keys() -> None:
    """When keys are configured or taken away while the server runs, the door follows at once."""
    keyring = Keyring([])
    access = Access(keyring)
    foreign = {b"host": b"gate.example"}
    assert not passes(access, foreign)
    keyring.adopt(LOCKED)
    assert passes(access, foreign)
    keyring.adopt(OPEN)
    assert not passes(access, foreign)


# -- CORS --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origins", [(), ("*",), ("https://app.example",)])
def test_what_comes_from_no_page_gets_no_cors(origins: tuple[str, ...]) -> None:
    """Without an Origin there is nothing to allow."""
    assert Access(OPEN, cors_origins=origins).cors({}) == []


def test_without_configured_origins_there_is_no_cors() -> None:
    """By default no page of elsewhere may read an answer."""
    assert Access(LOCKED).cors({b"origin": APP}) == []


def test_a_configured_page_may_read_its_answer() -> None:
    """The origin is returned as it was sent, our headers can be read, and caches keep origins apart."""
    headers = dict(Access(LOCKED, cors_origins=("https://app.example/",)).cors({b"origin": b"https://App.example"}))
    assert headers[b"access-control-allow-origin"] == b"https://App.example"
    exposed = set(headers[b"access-control-expose-headers"].split(b", "))
    assert exposed >= {b"x-request-id", b"x-narthex-model", b"x-narthex-dropped", b"x-narthex-usage", b"retry-after"}
    assert headers[b"vary"] == b"origin"
    assert b"access-control-allow-credentials" not in headers


def test_another_page_may_not() -> None:
    """An origin that is not configured gets no permission, and caches keep it apart from those that are."""
    assert Access(LOCKED, cors_origins=("https://app.example",)).cors({b"origin": b"https://evil.example"}) == [
        (b"vary", b"origin")
    ]


def test_any_page_may_read_where_that_is_configured() -> None:
    """With `*` the permission is for all, and never with credentials."""
    headers = dict(Access(LOCKED, cors_origins=("*",)).cors({b"origin": APP}))
    assert headers == {b"access-control-allow-origin": b"*", b"access-control-expose-headers": b"*"}
