"""Tests of calls through one chain."""

from __future__ import annotations

import pytest

from narthex.errors import InternalError, InvalidRequest
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.handling import Handling
from narthex.pipeline.settle import Settlement
from narthex.streams.stream import Stream
from narthex.telemetry.metrics import Metrics
from narthex.types.dialects import Dialect


def exchange() -> Exchange:
    """Return a call."""
    return Exchange(Dialect.OPENAI_CHAT, b"{}", {})


async def test_an_answer_is_settled_when_it_has_ended() -> None:
    """Not before: a stream counts as under way until its end."""
    metrics, answer = Metrics(), Stream(Dialect.OPENAI_CHAT)

    async def chain(one: Exchange) -> None:
        one.answer = answer

    assert await Handling(chain, Settlement(metrics, None)).handle(exchange()) is answer
    assert metrics.active == 1
    answer.close()
    assert metrics.active == 0


@pytest.mark.parametrize(("raised", "told"), [(InvalidRequest("no"), InvalidRequest), (KeyError(1), InternalError)])
async def test_failures_are_settled(raised: Exception, told: type[Exception]) -> None:
    """An error of ours is told as it is, anything else as a fault; both with the request's ID."""
    metrics, one = Metrics(), exchange()

    async def chain(_exchange: Exchange) -> None:
        raise raised

    with pytest.raises(told) as error:
        await Handling(chain, Settlement(metrics, None)).handle(one)
    assert getattr(error.value, "request_id", None) == one.id
    assert metrics.active == 0
