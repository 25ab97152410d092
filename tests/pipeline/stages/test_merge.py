"""Tests of the stage that asks several models."""

from __future__ import annotations

import asyncio

import pytest

from narthex.errors import InvalidRequest, ModelNotFound
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.gateway import TaskKeeper
from narthex.pipeline.merges import Merges
from narthex.pipeline.settle import Settlement
from narthex.pipeline.simulating import Simulation
from narthex.pipeline.stages.merge import Merge
from narthex.telemetry.metrics import Metrics
from narthex.types.dialects import Dialect
from narthex.types.requests import ChatRequest
from tests.pipeline.merging_doubles import MESSAGES, Chain
from tests.pipeline.test_merging import turns


def known(name: str) -> None:
    """Know the models `a` and `b`."""
    if name not in {"a", "b"}:
        raise ModelNotFound(name)


def stage() -> Merge:
    """Return the stage."""
    settlement = Settlement(Metrics(), None)
    return Merge(Merges(), settlement, TaskKeeper().spawn, check=known, simulation=Simulation())


def asked(model: str) -> Exchange:
    """Return a streamed chat."""
    request = ChatRequest(model=model, messages=MESSAGES, stream=True)
    return Exchange(Dialect.OPENAI_CHAT, b"{}", {}, request=request)


async def test_a_call_for_one_model_passes() -> None:
    """It goes on as it is."""
    chain, exchange = Chain(), asked("a")
    await stage()(exchange, chain)
    assert chain.calls == {"a": exchange}


async def test_a_call_for_several_is_one_call_to_each() -> None:
    """Each is a part of it, and the first that speaks is its answer."""
    chain, exchange = Chain(), asked("merge:a,b")
    work = asyncio.ensure_future(stage()(exchange, chain))
    await turns()
    assert {call.merged_into for call in chain.calls.values()} == {exchange.id}
    chain.say("a", "x")
    await work
    assert exchange.answer is not None
    assert chain.left == ["b"]


async def test_a_caller_who_leaves_before_an_answer_ends_all() -> None:
    """Cancelled, it lets every call go."""
    chain = Chain()
    work = asyncio.ensure_future(stage()(asked("merge:a,b"), chain))
    await turns()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert sorted(chain.left) == ["a", "b"]


@pytest.mark.parametrize(("model", "error"), [("merge:a", InvalidRequest), ("merge:a,z", ModelNotFound)])
async def test_what_cannot_be_served_is_refused_first(model: str, error: type[Exception]) -> None:
    """Nobody is asked."""
    chain = Chain()
    with pytest.raises(error):
        await stage()(asked(model), chain)
    assert not chain.calls
