"""Whose entries may serve whom."""

from __future__ import annotations

import pytest

from narthex.cache.semantic.admission import Sharing, may_serve, sighted
from narthex.cache.semantic.entries import Entries, Entry
from tests.cache.semantic.asking import ask

TEXT = "How do I reset my router?"


def brought(by: str | None) -> Entry:
    """Return an entry."""
    return Entries(most=9, most_bytes=10**9).put(ask(TEXT, principal=by), b"k")


@pytest.mark.parametrize(
    ("by", "asker", "sharing", "is_served"),
    [
        ("ann", "ann", "own", True),
        ("ann", "ann", "sighted", True),
        ("ann", "bob", "own", False),
        ("ann", "bob", "sighted", False),
        ("ann", "bob", "tenant", True),
        ("ann", None, "sighted", False),
        ("ann", None, "tenant", True),
        (None, "ann", "tenant", False),
        (None, None, "tenant", False),
        (None, None, "own", False),
    ],
)
def test_who_serves_whom(by: str | None, asker: str | None, sharing: Sharing, is_served: bool) -> None:
    """Before anybody else asked the same."""
    assert may_serve(brought(by), ask(TEXT, principal=asker), sharing) is is_served


def test_a_second_principal_vouches_by_asking_the_same() -> None:
    """Neither the first one again nor somebody unknown does."""
    entry = brought("ann")
    for asker in ("ann", None):
        assert not sighted(entry, asker)
    assert not may_serve(entry, ask(TEXT, principal="eve"), "sighted")
    assert sighted(entry, "bob")
    assert not sighted(entry, "carl")
    assert may_serve(entry, ask(TEXT, principal="eve"), "sighted")
    assert not may_serve(entry, ask(TEXT, principal="eve"), "own")


def test_never_across_tenants() -> None:
    """Not even where a digest were the same."""
    entry = brought("ann")
    entry.is_sighted = True
    stranger = ask(TEXT, principal="ann", tenant="other")
    assert not may_serve(entry, stranger, "tenant")
    entry.scope = stranger.scope
    assert not may_serve(entry, stranger, "tenant")
