"""What is told of predictions."""

from __future__ import annotations

from narthex.pipeline.insights import insights, predictions, prefetch
from narthex.tenancy.keys import LOCAL, Caller
from narthex.types.accounts import Account
from tests.pipeline.test_prefetching import FLOW, Bench

OTHER = Caller(name="b", account=Account(workspace_id="ws_b", key_id="key_b"), workspace="ws_b")


async def test_how_predictions_do_is_told_of_ones_own() -> None:
    """Of all to whoever runs the server; of another's workspace nothing."""
    bench = Bench()
    await bench.flow(20)
    told = insights(bench.prefetching, None)
    assert (told.enabled, told.everything, told.used > 10, told.wasted) == (True, True, True, 0)
    assert (told.outcomes["generation"]["made"] > 10, told.spent_usd != "0") == (True, True)
    (one,) = told.principals
    assert (one.workspace_id, one.key_id, one.sessions) == (LOCAL.owner, "local", 1)
    (generation,) = one.rungs
    assert (generation.won > 20, generation.proved > 0.5, one.contexts > 3) == (True, True, True)
    own = insights(bench.prefetching, LOCAL.owner)
    assert (own.principals, own.outcomes, own.spent_usd) == (told.principals, {}, told.spent_usd)
    theirs = insights(bench.prefetching, OTHER.owner)
    assert (theirs.principals, theirs.spent_usd, theirs.used) == ((), "0", 0)


async def test_what_is_likely_is_told_and_made_on_demand() -> None:
    """Before it is proved; and to nobody else."""
    bench = Bench()
    await bench.flow(4)
    bench.end()
    await bench.ask(FLOW[0])
    (first, *_) = told = predictions(bench.prefetching, LOCAL, "")
    assert (first.model, first.pays, first.held, 0.3 < first.probability < 1) == ("up/m", True, False, True)
    assert predictions(bench.prefetching, OTHER, "") == predictions(bench.prefetching, LOCAL, "another") == []
    assert await prefetch(bench.prefetching, OTHER, "") == []
    made = await prefetch(bench.prefetching, LOCAL, "")
    assert (made[0].key, made[0].outcome) == (first.key, "made")
    assert len(made) == sum(one.pays for one in told)
    assert predictions(bench.prefetching, LOCAL, "")[0].held
    assert (await prefetch(bench.prefetching, LOCAL, ""))[0].outcome == "held"
    asked = await bench.ask(FLOW[1])
    assert asked.hit is not None
    assert (asked.hit.kind, insights(bench.prefetching, None).used) == ("prefetched", 1)
