"""What bounds the calls of a key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import AuthenticationFailed, PermissionDenied
from narthex.tenancy.bounds import Bounds, Patterns
from narthex.tenancy.scopes import NO_SCOPES, Scopes

PEER = ("192.0.2.7", 5000)


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("openai/*", "openai/gpt-5", True),
        ("openai/*", "azure/openai/gpt-5", False),
        ("*mini", "openai/gpt-5-mini", True),
        ("gpt.5", "gpt-5", False),
        ("*", "", True),
        ("a*c", "abc\nd\nc", True),
    ],
)
def test_a_star_stands_for_anything(pattern: str, name: str, fits: bool) -> None:
    """Nothing else in a pattern means anything but itself."""
    assert Patterns([pattern]).fit(name) is fits


@given(st.lists(st.text("ab*/.", max_size=6), min_size=1, max_size=3), st.text("ab/.", max_size=8))
def test_patterns_fit_as_the_shell_has_them(texts: list[str], name: str) -> None:
    """Against a plain matcher, character by character."""

    def fits(pattern: str, rest: str) -> bool:
        if not pattern:
            return not rest
        if pattern[0] == "*":
            return any(fits(pattern[1:], rest[cut:]) for cut in range(len(rest) + 1))
        return bool(rest) and rest[0] == pattern[0] and fits(pattern[1:], rest[1:])

    assert Patterns(texts).fit(name) is any(fits(text, name) for text in texts)


def test_a_key_ends_at_its_moment() -> None:
    """Before it is good, from then on it is not, and says since when."""
    now = [99.9]
    bounds = Bounds(NO_SCOPES, ends_at=100.0, clock=lambda: now[0])
    bounds.admit("chat", None)
    now[0] = 100.0
    with pytest.raises(AuthenticationFailed, match="expired at 1970-01-01T00:01:40Z"):
        bounds.admit("chat", None)
    assert bounds.is_over


def test_routes_are_bounded() -> None:
    """Only what is named is open; a key without such a scope is good for all."""
    bounds = Bounds(Scopes(routes=("embeddings",)))
    bounds.admit("embeddings", None)
    with pytest.raises(PermissionDenied, match="not good for `chat` routes"):
        bounds.admit("chat", None)
    Bounds(NO_SCOPES).admit("control", None)


@pytest.mark.parametrize(
    ("networks", "peer", "inside"),
    [
        (("192.0.2.0/24",), "192.0.2.7", True),
        (("192.0.2.0/24",), "::ffff:192.0.2.7", True),
        (("192.0.2.0/24",), "198.51.100.1", False),
        (("2001:db8::/32",), "2001:db8::1%eth0", True),
        (("2001:db8::/32",), "192.0.2.7", False),
        (("192.0.2.0/24", "::1/128"), "::1", True),
        (("192.0.2.0/24",), "a socket", False),
    ],
)
def test_addresses_are_bounded(networks: tuple[str, ...], peer: str, inside: bool) -> None:
    """A key is good from the networks it names, of both kinds, and from nowhere that is not known."""
    bounds = Bounds(Scopes(addresses=networks))
    if inside:
        bounds.admit("chat", (peer, 1))
        return
    with pytest.raises(PermissionDenied, match="may not be used from"):
        bounds.admit("chat", (peer, 1))
    with pytest.raises(PermissionDenied, match="an unknown address"):
        bounds.admit("chat", None)


def test_models_are_bounded_by_key_and_workspace() -> None:
    """Both must allow a model; who may use an alias by its name may use what it stands for, but no other name so."""
    bounds = Bounds(Scopes(models=("openai/*", "smart")), allowed_models=("openai/gpt*", "smart"))
    assert bounds.permit("openai/gpt-5", "openai/gpt-5")
    assert bounds.permit("gpt-5", "openai/gpt-5")
    assert not bounds.permit("openai/o9", "openai/o9")
    assert not bounds.permit("openai/gpt-5", "anthropic/claude")
    assert bounds.permit("smart", "anthropic/claude")
    assert not bounds.permit("dear", "anthropic/claude")
    assert bounds.told() == "openai/*, smart and openai/gpt*, smart"
    assert Bounds(NO_SCOPES).permit("any", "x/any")


def test_who_may_not_call_models_still_sees_what_there_is() -> None:
    """A key whose user lost the permission is refused on routes that call, and on no other."""
    bounds = Bounds(NO_SCOPES, may_call=False)
    bounds.admit("models", PEER)
    with pytest.raises(PermissionDenied, match="models:call"):
        bounds.admit("chat", PEER)
