"""Who may keep an answer, and whether a client has it already."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.http.caching import CHECK_AGAIN, NO_STORE, Rule, Rules, etag_of, is_known, is_secret, stays_fresh, weak

RULES = Rules([Rule("/api/models*", "max-age=60"), Rule("*", "private, max-age=5"), Rule("/api/models", "no-cache")])


@pytest.mark.parametrize(
    ("path", "method", "status", "own", "told"),
    [
        ("/api/models", "GET", 200, None, "private, max-age=60"),
        ("/api/models/x/y", "HEAD", 200, None, "private, max-age=60"),
        ("/api/keys", "GET", 200, None, "private, max-age=5"),
        ("/api/keys", "GET", 404, None, NO_STORE),
        ("/api/keys", "POST", 200, None, NO_STORE),
        ("/api/keys", "GET", 200, NO_STORE, NO_STORE),
        ("/api/users/u/export", "GET", 200, None, NO_STORE),
        ("/api/auth/session", "GET", 200, None, NO_STORE),
        ("/api/workspaces/w/members", "GET", 200, None, NO_STORE),
        ("/v1/responses/r", "GET", 200, None, NO_STORE),
        ("/assets/x.js", "GET", 200, "public, immutable", "private, max-age=5"),
    ],
)
def test_the_first_rule_that_fits_holds(path: str, method: str, status: int, own: str | None, told: str) -> None:
    """Patterns choose what is said; no rule makes anybody keep what shows secrets or people."""
    assert RULES.of(path, method, status, own) == told


@pytest.mark.parametrize(
    ("path", "method", "own", "told"),
    [
        ("/api/models", "GET", None, CHECK_AGAIN),
        ("/v1/models", "GET", None, CHECK_AGAIN),
        ("/api/keys", "DELETE", None, NO_STORE),
        ("/assets/x.js", "GET", "public, immutable", "public, immutable"),
        ("/health", "GET", None, None),
        ("/api/workspaces/w/membership", "GET", None, CHECK_AGAIN),
    ],
)
def test_without_rules_answers_are_asked_for_again(path: str, method: str, own: str | None, told: str | None) -> None:
    """What the control API tells is kept by its caller, and checked each time; what others say of theirs stays."""
    assert Rules().of(path, method, 200, own) == told


def test_a_tag_follows_from_what_is_said() -> None:
    """Equal answers have equal tags; a version stands in front, and the tag of a file is its own."""
    assert etag_of(b"a", None) == etag_of(b"a", None) != etag_of(b"b", None)
    assert etag_of(b"a", '"3"').startswith('"3-')
    assert etag_of(b"a", '"3"') != etag_of(b"b", '"3"')
    assert etag_of(b"a", '"abc"') == '"abc"'
    assert weak(weak('"x"')) == 'W/"x"'


@pytest.mark.parametrize(
    ("field", "known"),
    [
        ("*", True),
        ('"a"', True),
        ('W/"a"', True),
        ('"b", W/"a"', True),
        ('"b,a"', False),
        ("a", False),
        ("", False),
        ('"a', False),
        ('"A"', False),
    ],
)
def test_tags_are_compared_weakly(field: str, known: bool) -> None:
    """Lists, weak tags and `*` are understood, and nothing else is taken for the tag."""
    assert is_known(field, '"a"') is known
    assert is_known(field, 'W/"a"') is known


@given(st.text())
def test_no_field_breaks_the_comparison(field: str) -> None:
    """Whatever a client sends, it is known or it is not."""
    assert is_known(field, '"0123"') in {True, False}


def test_what_stays_fresh_is_told_apart() -> None:
    """Only an age makes an answer good without asking."""
    assert stays_fresh("private, max-age=5")
    assert not any(stays_fresh(said) for said in (CHECK_AGAIN, NO_STORE, "no-cache, max-age=5"))
    assert is_secret("/api/auth/session")
    assert not is_secret("/api/users")
