"""One attempt at a provider: every kind of reply becomes the caller's answer, or an error that says why not."""

from __future__ import annotations

import asyncio
import json

import pytest

from narthex.errors import MalformedAnswer, ProviderError, ProviderRejected, TruncatedAnswer, UnsupportedContent
from narthex.providers.contract import Reply, VectorsReply
from narthex.streams.stream import HIGH_WATER_BYTES
from narthex.testing.wires import (
    anthropic_answer,
    anthropic_frames,
    openai_answer,
    openai_embeddings,
    openai_frames,
)
from narthex.types.answers import FinishReason
from narthex.types.dialects import Dialect, Operation
from narthex.types.events import Ended, Event, Finished, Started, TextDelta
from tests.pipeline.doubles import (
    ANTHROPIC,
    CHAT,
    INNER,
    MESSAGE,
    OPENAI,
    Double,
    House,
    exchange,
    read,
    streamed,
    told,
    whole,
)

EVENTS: tuple[Event, ...] = (
    Started(id="1", model="m-1", created_at=1),
    TextDelta(text="Hello"),
    Finished(reason=FinishReason.STOP),
    Ended(),
)
VECTORS = {"model": "up/e", "input": ["a", "b"]}


async def test_a_whole_answer_passes_byte_for_byte() -> None:
    """In the caller's own dialect the answer is the provider's, to the last blank."""
    body = json.dumps(json.loads(openai_answer("x")), indent=7).encode() + b"\n"
    call = exchange(CHAT)
    answer = await House(Double(whole(body))).engine.handle(call)
    assert answer.body == body
    assert call.first_frame_at >= call.received_at


@pytest.mark.parametrize(
    ("dialect", "dialects", "reply"),
    [
        (Dialect.OPENAI_CHAT, ANTHROPIC, whole(anthropic_answer("Hello", model="x-1"))),
        (Dialect.ANTHROPIC_MESSAGES, OPENAI, whole(openai_answer("Hello", model="x-1"))),
        (Dialect.OPENAI_CHAT, INNER, told(*EVENTS)),
        (Dialect.ANTHROPIC_MESSAGES, INNER, told(*EVENTS)),
    ],
)
async def test_a_whole_answer_is_translated(dialect: Dialect, dialects: frozenset[Dialect], reply: Reply) -> None:
    """From any other dialect, and from events, the caller gets a whole answer of its own."""
    call = exchange(MESSAGE, dialect=dialect)
    answer = await House(Double(reply, dialects=dialects)).engine.handle(call)
    body = json.loads(answer.body)
    assert body.get("object", body.get("type")) in {"chat.completion", "message"}
    assert b"Hello" in answer.body


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>It works!</html>",
        b"{}",
        b"[]",
        b"null",
        b'{"choices": []}',
        b'{"error": {"message": "x"}}',
        b"\xff",
    ],
)
@pytest.mark.parametrize("dialects", [OPENAI, ANTHROPIC])
async def test_nonsense_with_status_200_is_no_answer(
    dialects: frozenset[Dialect], body: bytes, *, stream: bool
) -> None:
    """HTML, emptiness, and JSON that is no answer are malformed, whole or streamed, passed on or translated."""
    house = House(Double(whole(body), dialects=dialects))
    with pytest.raises((MalformedAnswer, TruncatedAnswer, ProviderError)) as raised:
        await house.engine.handle(exchange({**CHAT, "stream": stream}))
    assert raised.value.status == 502
    assert house.lines[0].code == "provider_malformed_answer"


@pytest.mark.parametrize("dialects", [OPENAI, ANTHROPIC])
async def test_a_whole_answer_to_a_request_for_a_stream(dialects: frozenset[Dialect]) -> None:
    """A provider that cannot stream still makes a stream for the caller, with its end."""
    body = openai_answer("Hello") if dialects is OPENAI else anthropic_answer("Hello")
    answer = await House(Double(whole(body), dialects=dialects)).engine.handle(exchange({**CHAT, "stream": True}))
    frames = await read(answer)
    assert "".join(frame.text for frame in frames if isinstance(frame, TextDelta)) == "Hello"
    assert isinstance(frames[-1], Ended)


async def test_a_stream_passes_frame_by_frame() -> None:
    """In the caller's own dialect the frames are the provider's."""
    frames = openai_frames("one two")
    wanted = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
    answer = await House(Double(streamed(frames))).engine.handle(exchange(wanted))
    assert b"".join(bytes(frame) for frame in await read(answer) if isinstance(frame, bytes)) == b"".join(frames)
    assert answer.error is None


async def test_a_stream_is_translated_event_by_event() -> None:
    """From another dialect the stream is events, which each door writes in the caller's words."""
    house = House(Double(streamed(anthropic_frames("one two")), dialects=ANTHROPIC))
    answer = await house.engine.handle(exchange({**CHAT, "stream": True}))
    assert answer.dialect is None
    assert isinstance((await read(answer))[-1], Ended)


@pytest.mark.parametrize("pieces", [[], [b"data: {"], [b": no end"]])
async def test_what_breaks_before_the_first_frame_is_an_error(pieces: list[bytes]) -> None:
    """Until there is a frame there is no stream, but an error with its status."""
    house = House(Double(streamed(pieces)))
    with pytest.raises(ProviderError) as raised:
        await house.engine.handle(exchange({**CHAT, "stream": True}))
    assert raised.value.status == 502
    await house.settled()
    assert len(house.tasks) == 0
    assert len(house.lines) == 1


async def test_leaving_before_the_first_frame_ends_the_producer() -> None:
    """A caller that leaves while the provider is silent leaves no task behind."""
    house = House(Double(streamed([], hold=True)))
    task = asyncio.ensure_future(house.engine.handle(exchange({**CHAT, "stream": True})))
    await asyncio.sleep(0.01)
    assert len(house.tasks) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await house.settled()
    assert len(house.tasks) == 0
    assert [line.code for line in house.lines] == ["cancelled"]


async def test_a_slow_reader_pauses_the_provider() -> None:
    """A provider is paused while nobody reads, and goes on when somebody does."""
    notes: list[str] = []
    many = openai_frames("word " * (HIGH_WATER_BYTES // 100))
    answer = await House(Double(streamed(many, paused=notes))).engine.handle(exchange({**CHAT, "stream": True}))
    await asyncio.sleep(0.2)
    assert notes[0] == "pause"
    assert "resume" not in notes
    await read(answer)
    assert "resume" in notes


async def test_events_stop_while_nobody_reads() -> None:
    """A provider inside waits for its reader too: memory stays bounded."""
    closed: list[str] = []
    events = [EVENTS[0], *(TextDelta(text="x") for _ in range(20_000)), *EVENTS[2:]]
    house = House(Double(told(*events, closed=closed), dialects=INNER))
    answer = await house.engine.handle(exchange({**CHAT, "stream": True}))
    for _ in range(200):
        await asyncio.sleep(0.001)
    before = answer.frames_total
    assert before < len(events)
    assert len(await read(answer)) == len(events)
    assert closed == ["closed"]


async def test_vectors_pass_or_are_written() -> None:
    """Vectors of a wire pass byte for byte; vectors from inside are written in the caller's dialect."""
    body = openai_embeddings([(1.0, 2.0), (3.0, 4.0)])
    call = exchange(VECTORS, dialect=Dialect.OPENAI_EMBEDDINGS, operation=Operation.EMBED)
    assert (await House(Double(whole(body))).engine.handle(call)).body == body
    inside = Double(VectorsReply(((1.0, 2.0), (3.0, 4.0)), 5), dialects=INNER)
    call = exchange(VECTORS, dialect=Dialect.OPENAI_EMBEDDINGS, operation=Operation.EMBED)
    written = json.loads((await House(inside).engine.handle(call)).body)
    assert [item["embedding"] for item in written["data"]] == [[1.0, 2.0], [3.0, 4.0]]
    assert written["usage"]["total_tokens"] == 5


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"data": []}', b'{"data": [{}]}'])
async def test_vectors_that_are_none_are_malformed(body: bytes) -> None:
    """What holds no vectors is no answer."""
    call = exchange(VECTORS, dialect=Dialect.OPENAI_EMBEDDINGS, operation=Operation.EMBED)
    with pytest.raises(MalformedAnswer):
        await House(Double(whole(body))).engine.handle(call)


async def test_a_refusal_is_told_in_the_providers_words() -> None:
    """A provider's error keeps its status and message."""
    house = House(
        Double(whole(b'{"error": {"message": "No such thing.", "type": "invalid_request_error"}}', status=400))
    )
    with pytest.raises(ProviderRejected, match="No such thing") as raised:
        await house.engine.handle(exchange(CHAT))
    assert raised.value.status == 400


async def test_what_a_target_cannot_carry_is_refused_before_it_is_asked() -> None:
    """Content without a word in the target's dialect is refused, and the provider is not called."""
    provider = Double(dialects=ANTHROPIC)
    with pytest.raises(UnsupportedContent):
        await House(provider).engine.handle(exchange({**CHAT, "n": 2}))
    assert provider.calls == []
