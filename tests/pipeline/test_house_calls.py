"""What the server asks of its own accord is paid by the house, and is in the ledger."""

from __future__ import annotations

import pytest

from narthex.errors import Failure, ProviderFailed
from narthex.pipeline.house_calls import HouseCalls
from narthex.testing.wires import openai_answer, openai_embeddings
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest
from tests.pipeline.doubles import Double, House, whole

QUESTION = ChatRequest(model="up/judge", messages=(Message(role="user", parts=(Text(text="Same?"),)),))


async def test_vectors_and_answers() -> None:
    """Each is a call of the local user's, with its tokens, and in no log."""
    provider = Double(whole(openai_embeddings([[0.5, 0.25]])), whole(openai_answer("yes")))
    made = House(provider)
    house = HouseCalls(made.catalog.resolve, made.tasks.spawn, made.billing)
    assert list(await house.embed("up/e", "hello")) == [0.5, 0.25]
    assert await house.ask(QUESTION) == "yes"
    assert [(one.operation, one.key_id, one.status) for one in made.entries] == [
        ("embed", "local", "settled"),
        ("chat", "local", "settled"),
    ]
    assert made.lines == []
    assert made.metrics.active == 0


async def test_a_failure_is_told() -> None:
    """Once: it is not tried again."""
    down = ProviderFailed("down", provider="up", failure=Failure.UPSTREAM_ERROR, retryable=True)
    provider = Double(down, down)
    made = House(provider)
    house = HouseCalls(made.catalog.resolve, made.tasks.spawn, made.billing)
    with pytest.raises(ProviderFailed):
        await house.embed("up/e", "hello")
    assert len(provider.calls) == 1
