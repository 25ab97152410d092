"""Whose turn it is to ask, where several processes share answers: no lease outlives the call that took it."""

from __future__ import annotations

import asyncio

import pytest

from narthex.cache.entries import Entry
from narthex.errors import Failure, ProviderRejected
from narthex.testing.wires import openai_answer
from tests.cache.tiers.test_contract import DictTier
from tests.pipeline.doubles import whole
from tests.pipeline.keyed import turns
from tests.pipeline.leased import leased
from tests.pipeline.recalled import call, house, how, said

REFUSAL = ProviderRejected("too long", provider="up", failure=Failure.CONTEXT_TOO_LONG, retryable=False)


class Slow(DictTier):
    """A tier that answers when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Event()

    async def get(self, key: bytes) -> Entry | None:
        """Return what lies there, at last."""
        await self.answers.wait()
        return await super().get(key)


async def test_a_lease_ends_with_the_call() -> None:
    """When its answer is kept; or, where nobody else may have it, each is told to go on alone."""
    provider, made = house(whole(openai_answer("cut", finish="length")), whole(openai_answer("whole")))
    tier = leased(made)
    assert [await said(made, call()) for _ in range(3)] == ["cut", "whole", "whole"]
    await made.settled()
    assert (tier.ended, tier.open, len(provider.calls)) == (["alone", "kept"], 0, 2)


async def test_whoever_is_refused_again_has_no_lease() -> None:
    """A refusal that is remembered is given without a call: nobody waits for one."""
    provider, made = house(REFUSAL, errors_s=60)
    tier = leased(made)
    for _ in range(3):
        with pytest.raises(ProviderRejected, match="too long"):
            await made.engine.handle(call())
    assert (len(provider.calls), tier.open) == (1, 0)


async def test_whoever_leaves_while_it_is_looked_further_has_no_lease() -> None:
    """The tier behind that of the leases may be slow."""
    _, made = house()
    slow = Slow()
    tier = leased(made, slow)
    asking = asyncio.ensure_future(made.engine.handle(call()))
    await turns()
    assert tier.open == 1
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (tier.open, tier.ended) == (0, ["left"])


async def test_whoever_is_given_what_came_meanwhile_has_no_lease() -> None:
    """Another call has brought the answer while it was looked for."""
    provider, made = house()
    slow = Slow()
    tier = leased(made, slow)
    first, second = call(), call()
    asking = [asyncio.ensure_future(said(made, one)) for one in (first, second)]
    await turns()
    assert tier.open == 2
    made.cache.below = (tier,)
    made.cache.memory.put(await kept())
    slow.answers.set()
    assert await asyncio.gather(*asking) == ["answer 1"] * 2
    await made.settled()
    assert (how(first), how(second), tier.open, len(provider.calls)) == ("HIT", "HIT", 0, 0)


async def kept() -> Entry:
    """Return the answer of another house to the same question."""
    _, made = house()
    await said(made, call())
    return next(iter(made.cache.memory)).entry
