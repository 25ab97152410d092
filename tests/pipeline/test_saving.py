"""What the ledger has of answers that were given again."""

from __future__ import annotations

from narthex.errors import Cancelled
from narthex.pipeline.cached_answers import Hit
from narthex.pipeline.saving import Saving
from narthex.types.usage import Usage
from tests.pipeline.doubles import House
from tests.pipeline.recalled import PRICE, call, house, said


async def test_it_costs_nothing_and_says_what_it_would_have() -> None:
    """What it cost when it was made, or, where that is not known, what its use costs now."""
    _, made = house()
    saving, asked = Saving(made.billing, made.pages), call()
    asked.read_head()
    asked.target = made.catalog.resolve("up/m")
    usage = Usage(input_tokens=3, output_tokens=4)
    assert saving.cost_of(asked, usage) == PRICE.picousd(usage) > 0
    asked.usage = usage
    saving.note(asked, Hit("joined", None), None)
    (entry,) = made.entries
    assert (entry.cost_picousd, entry.saved_picousd, entry.requests) == (0, PRICE.picousd(usage), 0)
    assert (entry.input_tokens, entry.output_tokens, entry.kind, entry.way) == (0, 0, "cache", "joined")


async def test_what_was_left_saves_nothing() -> None:
    """An answer that was not given to its end is no saving."""
    _, made = house()
    asked = call()
    asked.read_head()
    asked.target = made.catalog.resolve("up/m")
    Saving(made.billing, made.pages).note(asked, Hit("joined", None, 5), Cancelled())
    assert [(one.saved_picousd, one.status, one.code) for one in made.entries] == [(0, "cut", "cancelled")]


async def test_a_model_without_a_price_saves_what_is_not_known() -> None:
    """Nothing is made up."""
    provider, _ = house()
    made = House(provider, cache=house()[1].caching.policy.settings)  # type: ignore[union-attr]
    await said(made, call())
    await said(made, call())
    assert [(one.kind, one.saved_picousd, one.price_id) for one in made.entries] == [("call", 0, ""), ("cache", 0, "")]
