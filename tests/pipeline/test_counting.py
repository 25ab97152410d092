"""Input tokens, counted by who can: the provider, the provider inside, or this server."""

from __future__ import annotations

import asyncio
import json

import pytest

from narthex.errors import Failure, InvalidRequest, MalformedAnswer, ProviderRejected, ProviderTimeout
from narthex.pipeline.exchange import Exchange
from narthex.providers.scripted.provider import ScriptedProvider
from narthex.types.dialects import Dialect, Operation
from narthex.types.requests import ChatRequest
from tests.pipeline.doubles import ANTHROPIC, CHAT, OPENAI, Double, House, exchange, whole


def count(model: str = "up/m", **more: object) -> Exchange:
    """Return a request for a count."""
    return exchange(
        {**CHAT, "model": model, **more}, dialect=Dialect.ANTHROPIC_COUNT_TOKENS, operation=Operation.COUNT_TOKENS
    )


async def test_a_provider_that_counts_is_asked() -> None:
    """The provider's own count passes on, and nothing is charged for it."""
    provider = Double(whole(b'{"input_tokens": 17}'), dialects=ANTHROPIC)
    house = House(provider)
    answer = await house.engine.handle(count())
    assert answer.body == b'{"input_tokens": 17}'
    assert json.loads(provider.calls[0].body)["model"] == "m"
    assert (house.metrics.input_tokens, house.metrics.output_tokens) == (0, 0)


async def test_other_providers_are_counted_for_here() -> None:
    """For a provider that cannot count, this server does, and says that it is an estimate where it is one."""
    provider = Double(dialects=OPENAI)
    call = count()
    answer = await House(provider).engine.handle(call)
    assert json.loads(answer.body)["input_tokens"] > 0
    assert call.usage is not None
    assert call.usage.estimated
    assert provider.calls == []


async def test_a_provider_inside_counts_exactly() -> None:
    """A provider that can count without answering is asked, and its count is no estimate."""
    call = count("demo/m")
    provider = ScriptedProvider("demo", {"models": ["m"]})
    answer = await House(provider).engine.handle(call)
    tokens = await provider.count_tokens("m", call.chat_request())
    assert json.loads(answer.body) == {"input_tokens": tokens}
    assert call.usage is not None
    assert not call.usage.estimated
    with pytest.raises(ProviderRejected):
        await House(provider).engine.handle(count("demo/m2"))


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"input_tokens": "many"}'])
async def test_a_count_that_is_none_is_malformed(body: bytes) -> None:
    """What is no count is no answer."""
    with pytest.raises(MalformedAnswer):
        await House(Double(whole(body), dialects=ANTHROPIC)).engine.handle(count())


async def test_a_request_that_is_none_is_refused() -> None:
    """What cannot be read is not counted."""
    with pytest.raises(InvalidRequest):
        await House(Double(dialects=OPENAI)).engine.handle(count(messages="x"))


class Slow(ScriptedProvider):
    """A provider inside that never has counted."""

    async def count_tokens(self, model: str, request: ChatRequest) -> int:
        """Count for ever."""
        await asyncio.Event().wait()
        return await super().count_tokens(model, request)


@pytest.mark.parametrize(
    ("first_token", "total", "failure"),
    [(b"0.02", b"5", Failure.FIRST_TOKEN_TIMEOUT), (b"5", b"0.02", Failure.DEADLINE)],
)
async def test_a_count_has_the_time_of_a_whole_answer(first_token: bytes, total: bytes, failure: Failure) -> None:
    """Who counts for ever is left, and the error says which limit that was."""
    call = count("demo/m")
    call.headers = {b"x-narthex-timeout-first-token": first_token, b"x-narthex-timeout": total}
    with pytest.raises(ProviderTimeout) as raised:
        await House(Slow("demo", {"models": ["m"]})).engine.handle(call)
    assert raised.value.failure is failure
