"""Tests of calls through one chain."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from narthex.errors import Failure, InternalError, InvalidRequest, ProviderUnreachable
from narthex.http.outflow import flow
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.handling import Handling
from narthex.pipeline.settle import Settlement
from narthex.providers.contract import Reply
from narthex.streams.stream import HIGH_WATER_BYTES, Stream
from narthex.telemetry.metrics import Metrics
from narthex.tenancy.keys import LOCAL
from narthex.testing.wires import anthropic_frames, openai_answer, openai_frames
from narthex.types.answers import FinishReason
from narthex.types.dialects import Dialect
from narthex.types.events import Ended, Finished, Started, TextDelta
from tests.pipeline.doubles import ANTHROPIC, CHAT, INNER, Double, House, at_once, read, streamed, told, whole
from tests.pipeline.doubles import exchange as asked
from tests.pipeline.keyed import FRAMES as PIECES
from tests.pipeline.keyed import Tap, bytes_of
from tests.pipeline.keyed import call as keyed


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


FRAMES = openai_frames("the owl")
CUT = ProviderUnreachable(provider="a", failure=Failure.TRUNCATED)
EVENTS = (Started(id="x", model="m", created_at=1), TextDelta(text="owl"), Finished(reason=FinishReason.STOP), Ended())


def _replies() -> Mapping[str, tuple[Reply, frozenset[Dialect] | None]]:
    return {
        "passed on": (streamed(FRAMES), None),
        "without its last line end": (streamed([*FRAMES[:-1], FRAMES[-1].rstrip()]), None),
        "translated": (streamed(anthropic_frames("the owl")), ANTHROPIC),
        "of events": (told(*EVENTS), INNER),
        "simulated": (whole(openai_answer("the owl")), None),
        "rescued": (at_once(FRAMES[:3], CUT), None),
    }


@pytest.mark.parametrize("way", [*_replies()])
@pytest.mark.parametrize("headers", [{}, {b"x-narthex-stream-id": b"s-1234567"}, {b"idempotency-key": b"i"}])
async def test_nobody_sees_the_end_of_an_answer_that_is_not_settled(way: str, headers: dict[bytes, bytes]) -> None:
    """Killed in any moment, the ledger has what a caller saw the end of, whichever way the answer came."""
    reply, dialects = _replies()[way]
    first = Double(reply, name="a") if dialects is None else Double(reply, name="a", dialects=dialects)
    house = House(first, Double(streamed(FRAMES), name="b"))
    house.fallbacks = ("b/m",)
    one = asked({**CHAT, "model": "a/m", "stream": True}, headers=headers)
    answer = await house.engine.handle(one)
    settled: list[bool] = []

    def write(data: bytes) -> None:
        if b"[DONE]" in data:
            settled.append(one.id in house.pages.entries)

    await flow(one, answer, write, b"").ended
    assert settled == [True]
    await house.settled()


async def test_a_repeat_that_overtakes_a_kept_answer_finds_its_call_settled() -> None:
    """Its end comes from the provider, while the first caller's own answer is held up; the books have it all then."""
    tap = Tap()
    house = House(Double(tap.reply))
    first = asyncio.ensure_future(house.engine.handle(keyed(x_narthex_stream_id="held-up-1")))
    await tap.give(*PIECES[:2])
    held = (await first).reader()
    handle = await house.registry.look_up(LOCAL.owner, "held-up-1")
    await handle.tell("pause")
    again = keyed()
    repeat = asyncio.ensure_future(read(await house.engine.handle(again)))
    await tap.give(*[PIECES[1].replace(b"one", b"o" * HIGH_WATER_BYTES)] * 8, *PIECES[2:], None)
    assert len(await repeat) == len(PIECES) + 8
    assert not (await first).closed
    (entry,) = house.entries
    assert (entry.status, entry.estimated) == ("settled", False)
    await handle.tell("resume")
    while not held.ended:
        held.take()
        await asyncio.sleep(0)
    assert house.entries == [entry]


async def test_what_a_repeat_is_given_is_billed_when_the_first_caller_ends_theirs() -> None:
    """A call goes on to its end for those who repeat it: all of it is on the bill."""
    tap = Tap()
    house = House(Double(tap.reply))
    first = asyncio.ensure_future(house.engine.handle(keyed(x_narthex_stream_id="cancelled-1")))
    await tap.give(*PIECES[:2])
    repeat = asyncio.ensure_future(bytes_of(await house.engine.handle(keyed())))
    handle = await house.registry.look_up(LOCAL.owner, "cancelled-1")
    await handle.tell("cancel")
    assert (await first).closed
    assert house.entries == []
    await tap.end(2)
    assert await repeat == b"".join(PIECES)
    (entry,) = house.entries
    assert (entry.status, entry.estimated) == ("settled", False)
