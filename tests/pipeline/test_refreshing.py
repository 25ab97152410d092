"""What is in the cache already is fetched anew once, however many are given it meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from tests.pipeline.doubles import Double, House
from tests.pipeline.leased import leased
from tests.pipeline.recalled import ZERO_STREAM, call, house, said
from tests.pipeline.stages.test_recall_in_time import DOWN, Later


async def stale() -> tuple[Double, House]:
    """Return a house with a stale answer."""
    provider, made = house(ttl_s=60, stale_while_revalidate_s=30)
    assert await said(made, call()) == "answer 1"
    Later(made).by(70)
    return provider, made


async def test_it_is_fetched_once_for_all() -> None:
    """Those who ask in one turn of the loop, in whatever form, have it fetched by one call."""
    provider, made = await stale()
    asked = (call(), call(), call(ZERO_STREAM))
    assert await asyncio.gather(*(said(made, one) for one in asked)) == ["answer 1"] * 3
    await made.settled()
    assert len(provider.calls) == 2
    Later(made).by(0)
    assert await said(made, call()) == "answer 2"


async def test_it_is_not_fetched_beside_a_call_for_it() -> None:
    """Whoever asks for a new one has it fetched for all."""
    provider, made = await stale()
    asked = (call(), call(x_narthex_cache="refresh"))
    assert await asyncio.gather(*(said(made, one) for one in asked)) == ["answer 1", "answer 2"]
    await made.settled()
    assert len(provider.calls) == 2


async def test_it_is_left_to_another_process_that_does_it() -> None:
    """Where that has the lease; where it is ours it is ended, and the next one may try."""
    provider, made = await stale()
    tier = leased(made)
    tier.elsewhere_s = 5.0
    await said(made, call())
    await made.settled()
    assert len(provider.calls) == 1
    tier.elsewhere_s = None
    await said(made, call())
    await made.settled()
    assert (len(provider.calls), tier.ended) == (2, ["kept"])


async def test_a_failure_is_told_in_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    """The old answer was given; the lease ends, and whoever asks next has it tried again."""
    provider, made = await stale()
    tier = leased(made)
    provider._replies[:0] = [DOWN]
    with caplog.at_level("INFO"):
        assert await said(made, call()) == "answer 1"
        await made.settled()
    assert "could not be fetched anew: down" in caplog.text
    assert tier.ended == ["alone"]
    await said(made, call())
    await made.settled()
    assert len(provider.calls) == 3
