"""Refusals that are given again."""

from __future__ import annotations

import msgspec
import pytest

from narthex.cache.directives import NOTHING
from narthex.cache.invalidation import Invalidation
from narthex.errors import Failure, ProviderFailed
from narthex.pipeline import refusals
from narthex.pipeline.cache_terms import Terms
from narthex.pipeline.refusals import Refusals

REFUSED = ProviderFailed("no", provider="up", failure=Failure.UPSTREAM_ERROR)
TERMS = Terms(b"a", "up/m", "workspace:ws", NOTHING, ("scope:workspace:ws", "model:workspace:ws:up/m"), 0, 0, 0, False)


def of(key: bytes) -> Terms:
    """Return the terms of a question."""
    return msgspec.structs.replace(TERMS, key=key)


def test_a_refusal_is_given_again_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time as an error of its own; of no more questions than are remembered, the oldest going first."""
    monkeypatch.setattr(refusals, "MAX_ERRORS", 2)
    held = Refusals(Invalidation())
    held.raise_remembered(of(b"a"))
    for key in (b"a", b"b", b"a", b"c"):
        held.remember(of(key), REFUSED, for_s=60, number=0)
    held.remember(of(b"none"), REFUSED, for_s=0, number=0)
    held.raise_remembered(of(b"b"))
    held.raise_remembered(of(b"none"))
    for key in (b"a", b"c"):
        with pytest.raises(ProviderFailed) as raised:
            held.raise_remembered(of(key))
        assert raised.value is not REFUSED


def test_it_is_forgotten_in_time() -> None:
    """Then the provider is asked again."""
    held = Refusals(Invalidation())
    held.remember(TERMS, REFUSED, for_s=-1, number=0)
    held.raise_remembered(TERMS)
    assert not held._held


def test_what_is_declared_void_is_refused_no_more() -> None:
    """By a tag that its answer would have; of what was asked before that and refused after it, too."""
    invalidation = Invalidation()
    held = Refusals(invalidation)
    held.remember(TERMS, REFUSED, for_s=60, number=invalidation.number)
    invalidation.declare(tags=["model:workspace:ws:up/other"])
    with pytest.raises(ProviderFailed):
        held.raise_remembered(TERMS)
    invalidation.declare(tags=["model:workspace:ws:up/m"])
    held.raise_remembered(TERMS)
    held.remember(TERMS, REFUSED, for_s=60, number=0)
    held.raise_remembered(TERMS)
