"""Responses in the background: begun at once, ended once, whatever happens in between."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import cast

import pytest

from narthex.config.response_settings import ResponseSettings
from narthex.errors import (
    CursorAhead,
    EventsForgotten,
    Failure,
    InvalidRequest,
    LimitExceeded,
    NarthexError,
    Overloaded,
    PreviousResponseNotFound,
    ProviderFailed,
    ResponseNotFound,
    StreamExpired,
)
from narthex.pipeline.carriers import Carriers
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.handles import OwnHandle
from narthex.streams.log import Log, LogBounds
from narthex.streams.stream import Frame
from narthex.tenancy.keys import LOCAL, Caller
from narthex.testing.wires import openai_answer, openai_frames
from narthex.types.dialects import Dialect
from narthex.wire.openai_responses.kept import KeptResponse
from tests.ledger.limits.making import limit
from tests.pipeline.doubles import Double, House, exchange, streamed, whole
from tests.pipeline.keyed import Tap, turns

Json = dict[str, object]

YOU = Caller(name="you")
TASKS = limit(measure="tasks", amount=1, period="total", subject_kind="workspace", subject="*")


def ask(said: str = "A", **members: object) -> Exchange:
    """Return a call for a response in the background."""
    body = {"model": "up/m", "input": said, "background": True, **members}
    return exchange(body, dialect=Dialect.OPENAI_RESPONSES)


async def begun(house: House, **members: object) -> str:
    """Begin a response, and return its ID."""
    told = json.loads((await house.engine.handle(ask(**members))).body)  # type: ignore[arg-type]  # members of the body
    assert (told["status"], told["background"], told["output"]) == ("queued", True, [])
    return cast("str", told["id"])


async def shown(house: House, response_id: str) -> Json:
    """Return a response as it stands."""
    return cast("Json", json.loads(bytes((await house.responses.get(LOCAL, response_id)).response)))


async def ended(house: House, response_id: str) -> Json:
    """Wait for the end of a response, and return it."""
    event = house.responses.ended(LOCAL, response_id)
    if event is not None:
        await asyncio.wait_for(event.wait(), 30)
    return await shown(house, response_id)


def sequence(frames: list[Frame]) -> list[int]:
    """Return the sequence numbers of events."""
    data = [bytes(cast("bytes", frame)).partition(b"data: ")[2] for frame in frames]
    return [cast("int", json.loads(one)["sequence_number"]) for one in data]


async def test_a_response_is_queued_then_in_progress_then_completed() -> None:
    """Each time it is asked for it says how it stands; the work is one call, on one bill."""
    tap = Tap()
    house = House(Double(tap.reply))
    response_id = await begun(house)
    assert (await shown(house, response_id))["status"] == "queued"
    frames = openai_frames("one two")
    await tap.give(*frames[:3])
    assert (await shown(house, response_id))["status"] == "in_progress"
    assert len(await house.responses.input_items(LOCAL, response_id)) == 1
    with pytest.raises(InvalidRequest, match="in_progress"):
        await house.engine.handle(ask("B", previous_response_id=response_id))
    with pytest.raises(InvalidRequest, match="cancel it first"):
        await house.responses.delete(LOCAL, response_id)
    await tap.give(*frames[3:], None)
    told = await ended(house, response_id)
    assert (told["status"], told["background"], told["id"]) == ("completed", True, response_id)
    queued, refused, work = house.lines
    assert (queued.output_tokens, refused.code, work.code) == (0, "invalid_request", "ok")
    assert work.output_tokens
    await house.responses.delete(LOCAL, response_id)


async def test_the_events_are_read_from_any_one_on() -> None:
    """Behind each sequence number comes the rest, without a gap or a repeat, also after the end."""
    house = House(Double(streamed(openai_frames("one two three"))))
    response_id = await begun(house)
    await ended(house, response_id)
    kept = await house.responses.get(LOCAL, response_id)
    for after in [None, *range(11)]:
        handle, number = await house.background.stream(LOCAL, kept, after)
        assert isinstance(handle, OwnHandle)
        reader = (await handle.read(number)).reader(after=number)
        assert sequence(reader.take()) == list(range(0 if after is None else after + 1, 11))
    with pytest.raises(CursorAhead):
        await house.background.stream(LOCAL, kept, 11)
    house.registry.forget(house.registry.find(LOCAL.owner, response_id))
    with pytest.raises(StreamExpired):
        await house.background.stream(LOCAL, kept, None)


@pytest.mark.parametrize("pieces", [0, 3])
async def test_a_response_is_cancelled(pieces: int) -> None:
    """Before it says anything and in the middle: the provider hears of it, and it is cancelled for good."""
    tap = Tap()
    house = House(Double(tap.reply))
    response_id = await begun(house)
    await turns()
    await tap.give(*openai_frames("one two")[:pieces])
    with pytest.raises(ResponseNotFound):
        await house.background.cancel(YOU, response_id)
    for _ in range(2):
        assert (await house.background.cancel(LOCAL, response_id)).status == "cancelled"
    await turns()
    assert "cancelled" in tap.notes
    told = await shown(house, response_id)
    assert (told["status"], told["error"], bool(told["output"])) == ("cancelled", None, bool(pieces))
    assert house.lines[-1].code == "cancelled"


async def test_a_response_is_cancelled_before_it_has_begun() -> None:
    """Nobody is asked for it then."""
    provider = Double()
    house = House(provider)
    response_id = await begun(house)
    assert (await house.background.cancel(LOCAL, response_id)).status == "cancelled"
    assert not provider.calls


@pytest.mark.parametrize(
    "error",
    [
        ProviderFailed("it broke", provider="up", failure=Failure.UPSTREAM_ERROR),
        Overloaded("too many calls"),
    ],
)
async def test_a_call_without_an_answer_is_a_failed_response(error: NarthexError) -> None:
    """It says why, and stays."""
    house = House(Double(error))
    response_id = await begun(house)
    told = await ended(house, response_id)
    assert (told["status"], cast("Json", told["error"])["message"]) == ("failed", error.message)
    assert (await house.background.cancel(LOCAL, response_id)).status == "failed"


async def test_a_call_that_is_refused_at_the_door_is_a_failed_response() -> None:
    """Also where it never came as far as to be a stream."""
    house = House(Double())

    async def refuse(_work: Exchange) -> None:
        raise Overloaded

    house.background.handle = refuse  # type: ignore[assignment]  # it never returns
    response_id = await begun(house)
    assert (await ended(house, response_id))["status"] == "failed"
    with pytest.raises(StreamExpired):
        await house.background.stream(LOCAL, await house.responses.get(LOCAL, response_id), None)


async def test_what_is_wrong_is_told_at_once() -> None:
    """A request that cannot be read, or goes on from nothing, begins nothing."""
    house = House(Double())
    with pytest.raises(InvalidRequest):
        await house.engine.handle(ask(temperature="hot"))
    with pytest.raises(PreviousResponseNotFound):
        await house.engine.handle(ask(previous_response_id="resp_x"))
    assert not house.responses._running


async def test_a_streamed_one_goes_on_without_its_reader() -> None:
    """Losing the connection ends nothing."""
    tap = Tap()
    house = House(Double(tap.reply))
    asking = asyncio.ensure_future(house.engine.handle(call := ask(stream=True)))
    frames = openai_frames("one two")
    await turns()
    await tap.give(*frames[:3])
    answer = await asking
    reader = answer.reader()
    seen = sequence(reader.take())
    reader.leave()
    await tap.give(*frames[3:], None)
    response_id = f"resp_{call.id.removeprefix('req_')}"
    assert (await ended(house, response_id))["status"] == "completed"
    handle, number = await house.background.stream(LOCAL, await house.responses.get(LOCAL, response_id), seen[-1])
    assert isinstance(handle, OwnHandle)
    rest = sequence((await handle.read(number)).reader(after=number).take())
    assert [*seen, *rest] == list(range(len(seen) + len(rest)))


async def test_only_one_in_the_background_is_streamed_or_cancelled() -> None:
    """Others are told what to do instead."""
    house = House(Double(whole(openai_answer("one"))))
    body = (await house.engine.handle(ask(background=False))).body
    kept = await house.responses.get(LOCAL, json.loads(body)["id"])
    with pytest.raises(InvalidRequest, match="background"):
        await house.background.stream(LOCAL, kept, None)
    with pytest.raises(InvalidRequest, match="background"):
        await house.background.cancel(LOCAL, kept.id)


async def test_one_key_begins_one_response() -> None:
    """Asked again under its idempotency key, it is the same response."""
    house = House(Double(streamed(openai_frames("one"))))
    calls = [ask(), ask()]
    for call in calls:
        call.headers = {b"idempotency-key": b"k"}
    first, again = [json.loads((await house.engine.handle(call)).body) for call in calls]
    assert first == again
    assert (await ended(house, first["id"]))["status"] == "completed"


async def test_it_goes_on_from_another() -> None:
    """And another goes on from it."""
    provider = Double(*(streamed(openai_frames(text)) for text in ("one", "two")), whole(openai_answer("three")))
    house = House(provider)
    first = await begun(house)
    await ended(house, first)
    second = await begun(house, said="B", previous_response_id=first)
    assert (await ended(house, second))["previous_response_id"] == first
    await house.engine.handle(ask("C", background=False, previous_response_id=second))
    said = [[one["content"] for one in json.loads(call.body)["messages"]] for call in provider.calls]
    assert said == [["A"], ["A", "one", "B"], ["A", "one", "B", "two", "C"]]


async def test_a_streamed_one_goes_on_from_another() -> None:
    """What came before it is told to a provider of another dialect, too."""
    provider = Double(*(streamed(openai_frames(text)) for text in ("one", "two")))
    house = House(provider)
    first = await begun(house)
    await ended(house, first)
    await house.engine.handle(ask("B", stream=True, previous_response_id=first))
    messages = json.loads(provider.calls[-1].body)["messages"]
    assert [message["content"] for message in messages] == ["A", "one", "B"]


@pytest.mark.parametrize("stream", [False, True])
async def test_one_that_is_ended_while_it_is_announced_is_no_more(*, stream: bool) -> None:
    """Nobody waits for it, and nothing of it stays in memory."""
    house = House(Double())
    put, gate = house.responses._put, asyncio.Event()

    async def slow(key: tuple[str, str], kept: KeptResponse) -> None:
        if not kept.ended:
            await gate.wait()
        await put(key, kept)

    house.responses._put = slow  # type: ignore[method-assign]
    house.responses.carriers = cast("Carriers", SimpleNamespace(node="n"))
    asking = asyncio.ensure_future(house.engine.handle(ask(stream=stream)))
    await turns()
    ((owner, response_id),) = house.responses._running
    if stream:
        assert (await house.background.cancel(LOCAL, response_id)).status == "cancelled"
        with pytest.raises(NarthexError):
            await asking
    else:
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await turns()
    assert not house.responses._running
    assert json.loads(await house.shelf.get(owner, response_id) or b"{}")["status"] == "cancelled"


async def test_one_that_is_too_large_says_so() -> None:
    """Its ID was told, so that whoever asks for it hears why there is no answer."""
    house = House(Double(streamed(openai_frames("one " * 2_000))), responses=ResponseSettings(response_bytes=4_096))
    response_id = await begun(house)
    told = await ended(house, response_id)
    assert told["status"] == "failed"
    assert "responses.response_bytes" in str(told["error"])


async def test_forgotten_events_are_not_given_as_others() -> None:
    """Where the beginning is no longer held that is said, and a number is found wherever its event stands."""
    house = House(Double(streamed(openai_frames("one two three"))))
    response_id = await begun(house)
    await ended(house, response_id)
    kept = await house.responses.get(LOCAL, response_id)
    handle, _ = await house.background.stream(LOCAL, kept, None)
    assert isinstance(handle, OwnHandle)
    frames = [cast("bytes", frame) for frame in (await handle.read(0)).held]
    short = Log(Dialect.OPENAI_RESPONSES, LogBounds(max_bytes=sum(map(len, frames[-3:]))))
    handle.owned.log = short
    with pytest.raises(CursorAhead):
        await house.background.stream(LOCAL, kept, 0)
    short.append(b": nothing is said here\n\n")
    for frame in frames:
        short.append(frame)
    assert (await house.background.stream(LOCAL, kept, 9))[1] == 11
    with pytest.raises(EventsForgotten):
        await house.background.stream(LOCAL, kept, 0)


async def test_as_many_are_under_way_as_may_be() -> None:
    """The next is refused before anything is kept of it; one that has ended, or was cancelled, makes room."""
    tap = Tap()
    house = House(Double(tap.reply), limits=[TASKS])
    first = await begun(house)
    with pytest.raises(LimitExceeded, match="1 are there; wait until one has ended"):
        await house.engine.handle(ask())
    await tap.give(*openai_frames("one"), None)
    await ended(house, first)
    await turns()
    second = await begun(house)
    with pytest.raises(LimitExceeded):
        await house.engine.handle(ask(stream=True))
    await house.background.cancel(LOCAL, second)
    await turns()
    await begun(house)
