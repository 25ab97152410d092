"""Chains of names become targets when they are needed, and vectors stay with their model."""

from __future__ import annotations

import pytest

from narthex.pipeline.exchange import Exchange, Tried
from narthex.pipeline.fallbacks import Fallbacks
from narthex.providers.catalog import Catalog
from narthex.providers.contract import Timeouts
from narthex.routing.router import Router
from narthex.types.dialects import Dialect, Operation
from tests.pipeline.doubles import Double, surroundings

LISTS = {"up/m": ["fast", "b/m"], "*": ["c/m"]}


def names(asked: str, operation: Operation = Operation.CHAT, *, now_at: str | None = None) -> list[str]:
    """Return whom else a call for `asked` may go to."""
    providers = [(Double(name=name), Timeouts()) for name in ("up", "b", "c")]
    catalog = Catalog(providers, aliases={"fast": "c/quick"})
    router = Router(*surroundings(catalog), fallbacks=LISTS)
    exchange = Exchange(Dialect.OPENAI_CHAT, b"", {}, operation)
    exchange.target = catalog.resolve(now_at or asked)
    if now_at is not None:
        exchange.note_attempt(Tried(asked, "first", 1, "stall"))
    return [target.name for target in Fallbacks(catalog, router)(exchange)][1:]


@pytest.mark.parametrize(
    ("asked", "expected"), [("up/m", ["c/quick", "b/m"]), ("up/other", ["c/m"]), ("c/m", [])], ids=str
)
def test_a_list_of_its_own_comes_before_the_one_for_all(asked: str, expected: list[str]) -> None:
    """Aliases are followed, and nobody stands in for itself."""
    assert names(asked) == expected


def test_the_chain_is_that_of_the_model_that_was_routed_to() -> None:
    """Whoever serves by now, the first target's list counts."""
    assert names("up/m", now_at="c/quick") == ["c/quick", "b/m"]


def test_vectors_come_from_another_model_only_if_it_is_named() -> None:
    """The list for all is about chats: vectors of two models cannot be compared."""
    assert names("up/other", Operation.EMBED) == []
    assert names("up/m", Operation.EMBED) == ["c/quick", "b/m"]


def test_a_name_that_leads_nowhere_is_left_out() -> None:
    """A provider that is gone takes nobody else away."""
    LISTS["up/gone"] = ["gone/m", "b/m"]
    try:
        assert names("up/gone") == ["b/m"]
    finally:
        del LISTS["up/gone"]
