"""Refusals that are given again."""

from __future__ import annotations

import pytest

from narthex.errors import Failure, ProviderFailed
from narthex.pipeline import refusals
from narthex.pipeline.refusals import Refusals

REFUSED = ProviderFailed("no", provider="up", failure=Failure.UPSTREAM_ERROR)


def test_a_refusal_is_given_again_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time as an error of its own; of no more questions than are remembered, the oldest going first."""
    monkeypatch.setattr(refusals, "MAX_ERRORS", 2)
    held = Refusals()
    held.raise_remembered(b"a")
    for key in (b"a", b"b", b"c"):
        held.remember(key, REFUSED, 60)
    held.remember(b"none", REFUSED, 0)
    held.raise_remembered(b"a")
    held.raise_remembered(b"none")
    with pytest.raises(ProviderFailed) as raised:
        held.raise_remembered(b"b")
    assert raised.value is not REFUSED


def test_it_is_forgotten_in_time() -> None:
    """Then the provider is asked again."""
    held = Refusals()
    held.remember(b"a", REFUSED, -1)
    held.raise_remembered(b"a")
    assert not held._errors
