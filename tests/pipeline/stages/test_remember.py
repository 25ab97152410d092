"""What the responses API keeps, on its way through the chain."""

from __future__ import annotations

import asyncio
import json
from typing import cast

import pytest

from narthex.config.response_settings import ResponseSettings
from narthex.config.settings import IdempotencySettings
from narthex.errors import InvalidRequest, PreviousResponseNotFound, UnsupportedContent
from narthex.pipeline.exchange import Exchange
from narthex.tenancy.keys import LOCAL
from narthex.testing.wires import openai_answer, openai_frames
from narthex.types.dialects import Dialect, Operation
from narthex.wire.openai_responses.stream_encoder import ResponsesEncoder
from tests.pipeline.doubles import Double, House, exchange, read, streamed, whole

Json = dict[str, object]

NATIVE = frozenset({Dialect.OPENAI_RESPONSES})
THEIRS: Json = {"id": "resp_theirs", "object": "response", "status": "completed", "model": "m", "output": []}


def ask(said: str, **members: object) -> Exchange:
    """Return a call of the responses API."""
    return exchange({"model": "up/m", "input": said, **members}, dialect=Dialect.OPENAI_RESPONSES)


async def answer_of(house: House, call: Exchange) -> Json:
    """Return the whole response to a call."""
    return cast("Json", json.loads((await house.engine.handle(call)).body))


def sent(provider: Double, number: int = -1) -> Json:
    """Return a body that reached the provider."""
    return cast("Json", json.loads(provider.calls[number].body))


async def test_a_response_is_kept_under_the_id_that_it_was_given() -> None:
    """A provider that calls all of its answers the same takes nothing from anybody."""
    provider = Double(*(whole(openai_answer(text)) for text in ("one", "two", "three")))
    house = House(provider)
    first = await answer_of(house, ask("A"))
    second = await answer_of(house, ask("B", previous_response_id=first["id"]))
    await answer_of(house, ask("C", previous_response_id=second["id"], store=False))
    assert first["id"] != second["id"]
    assert (second["previous_response_id"], second["store"], first["store"]) == (first["id"], True, True)
    said = [message["content"] for message in cast("list[Json]", sent(provider)["messages"])]
    assert said == ["A", "one", "B", "two", "C"]
    assert json.loads(bytes((await house.responses.get(LOCAL, str(second["id"]))).response)) == second
    assert len(house.shelf) == 2


async def test_a_streamed_response_is_kept_as_it_was_told() -> None:
    """What is found later equals what its last event said."""
    house = House(Double(streamed(openai_frames("one two three"))))
    call = ask("A", stream=True)
    events = await read(await house.engine.handle(call))
    encoder = ResponsesEncoder(call.chat_request())
    for event in events:
        assert not isinstance(event, bytes)
        encoder.encode(event)
    kept = await house.responses.get(LOCAL, str(encoder.response["id"]))
    assert json.loads(bytes(kept.response)) == encoder.response
    assert kept.status == "completed"


async def test_a_stream_that_its_caller_leaves_is_cancelled() -> None:
    """Being kept does not keep a call going; what was said is there, marked."""
    frames = openai_frames("one two three")
    house = House(Double(streamed(frames[:3], hold=True)))
    reader = (await house.engine.handle(call := ask("A", stream=True))).reader()
    await asyncio.sleep(0.001)
    reader.leave()
    await house.settled()
    kept = await house.responses.get(LOCAL, f"resp_{call.id.removeprefix('req_')}")
    assert kept.status == "cancelled"


@pytest.mark.parametrize(
    ("default", "said", "is_kept"), [(True, None, True), (False, None, False), (False, True, True)]
)
async def test_who_says_what_is_kept(default: bool, said: bool | None, is_kept: bool) -> None:
    """The request, and the configuration where it does not; the response tells which."""
    house = House(Double(whole(openai_answer("one"))), responses=ResponseSettings(store=default))
    told = await answer_of(house, ask("A", **({} if said is None else {"store": said})))
    await house.settled()
    assert (told["store"], len(house.shelf)) == (is_kept, int(is_kept))


async def test_a_provider_that_speaks_this_api_keeps_nothing() -> None:
    """It is asked the whole conversation, and to store none of it; its answer passes, and is kept under its ID."""
    provider = Double(*[whole(json.dumps(THEIRS).encode())] * 2, dialects=NATIVE)
    house = House(provider)
    body = (await house.engine.handle(ask("A", store=True, x=1))).body
    assert json.loads(body) == THEIRS
    assert sent(provider) == {"model": "m", "input": "A", "x": 1, "store": False}
    await house.engine.handle(ask("B", previous_response_id="resp_theirs"))
    assert set(sent(provider)) == {"model", "input", "store"}
    assert [item["content"] for item in cast("list[Json]", sent(provider)["input"])][1] == "B"
    assert json.loads(bytes((await house.responses.get(LOCAL, "resp_theirs")).response))["store"] is True


async def test_what_is_not_there_is_not_asked_of_anybody() -> None:
    """An unknown response ends the call before any provider hears of it."""
    provider = Double()
    house = House(provider)
    with pytest.raises(PreviousResponseNotFound):
        await house.engine.handle(ask("B", previous_response_id="resp_x"))
    assert not provider.calls


@pytest.mark.parametrize("members", [{"conversation": "conv_1"}, {"conversation": {"id": "c"}}])
async def test_what_is_not_offered_is_refused(members: Json) -> None:
    """By name, and with what to do instead."""
    with pytest.raises(UnsupportedContent) as raised:
        await House(Double()).engine.handle(ask("A", **members))
    assert raised.value.param == next(iter(members))


async def test_what_is_not_kept_is_not_answered_in_the_background() -> None:
    """Nobody could ask for it later."""
    with pytest.raises(InvalidRequest) as raised:
        await House(Double()).engine.handle(ask("A", background=True, store=False))
    assert raised.value.param == "background"


async def test_counting_keeps_nothing() -> None:
    """What came before counts, and nothing is written down."""
    house = House(Double(whole(openai_answer("one " * 50))))
    first = await answer_of(house, ask("A"))
    await house.settled()
    counts: list[int] = []
    for members in ({}, {"previous_response_id": first["id"]}):
        body = {"model": "up/m", "input": "B", **members}
        call = exchange(body, dialect=Dialect.OPENAI_RESPONSES, operation=Operation.COUNT_TOKENS)
        counts.append(cast("int", (await answer_of(house, call))["input_tokens"]))
    await house.settled()
    assert counts[1] > counts[0] + 40
    assert len(house.shelf) == 1


async def test_an_answer_given_again_is_kept_once() -> None:
    """A repeat under its idempotency key has the response of the first call, ID and all."""
    house = House(Double(whole(openai_answer("one"))), remembering=IdempotencySettings())
    calls = [ask("A"), ask("A")]
    for call in calls:
        call.headers = {b"idempotency-key": b"k"}
    first, again = [await answer_of(house, call) for call in calls]
    await house.settled()
    assert first == again
    assert len(house.shelf) == 1
