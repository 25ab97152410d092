"""What a gateway has answers to before they are asked for, by both clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from narthex.client import AsyncClient, Client
from narthex.client.caching import Insights, Prediction, Prefetched, Warmed
from narthex.errors import InvalidRequest
from narthex.testing import RunningGateway, running_gateway

ASKED = ("one", "two", "three")


def body(said: str) -> dict[str, object]:
    """Return a request that is answered the same each time."""
    return {"model": "good/m", "temperature": 0, "messages": [{"role": "user", "content": said}]}


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    """A gateway that predicts."""
    settings: dict[str, object] = {
        "providers": {"good": {"kind": "scripted", "script": {"models": ["m"], "reply": "You said: {prompt}"}}},
        "cache": {"predictive": {"enabled": True}},
        "prices": {"good/m": {"input_usd_per_mtok": 1, "output_usd_per_mtok": 1}},
    }
    with running_gateway(settings) as running:
        yield running


def test_answers_are_made_on_demand(gateway: RunningGateway) -> None:
    """Each request is told by itself, also one that is none, and its answer can be declared void by its tags."""
    with Client(gateway.url) as client:
        made, broken = client.cache.warm([body("warm me"), {"model": "good/m"}], tags=["early"], ttl_s=60, parallel=2)
        assert isinstance(made, Warmed)
        assert (made.index, made.status, made.code) == (0, "kept", None)
        assert made.key is not None
        assert (broken.index, broken.status, broken.code) == (1, "failed", "invalid_request")
        assert client.call("GET", f"/api/cache/entries/{made.key}")
        with pytest.raises(InvalidRequest, match="length >= 1"):
            client.cache.warm([])


def test_what_comes_next_is_predicted(gateway: RunningGateway) -> None:
    """What followed before is told with its probability, and what pays is made."""
    with Client(gateway.url) as client:
        for _ in range(8):
            for said in ASKED:
                client.chat(said, model="good/m", temperature=0)
        client.chat(ASKED[0], model="good/m", temperature=0)
        first, *_ = client.cache.predict()
        assert isinstance(first, Prediction)
        assert (first.model, first.held) == ("good/m", True)
        assert 0.5 < first.probability <= 1
        assert all(isinstance(one, Prefetched) for one in client.cache.prefetch())
        insights = client.cache.insights()
        assert isinstance(insights, Insights)
        assert (insights.enabled, insights.everything) == (True, True)
        (mine,) = insights.principals
        assert mine.contexts > 0


async def test_on_an_event_loop_it_is_the_same(gateway: RunningGateway) -> None:
    """Awaited."""
    async with AsyncClient(gateway.url) as client:
        (made,) = await client.cache.warm([body("warm me on a loop")])
        assert made.status == "kept"
        assert await client.cache.predict("nobody's") == ()
        assert await client.cache.prefetch("nobody's") == ()
        assert (await client.cache.insights()).enabled
