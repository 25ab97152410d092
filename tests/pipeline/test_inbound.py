"""What comes back: whole only if its end was seen, whatever breaks, wherever it breaks."""

from __future__ import annotations

import asyncio
import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import (
    Cancelled,
    Failure,
    InternalError,
    MalformedAnswer,
    NarthexError,
    ProviderError,
    ProviderTimeout,
    ProviderUnreachable,
    TruncatedAnswer,
)
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.inbound import PassingSink, Sink, TranslatingSink, closing, dated, note, produce, relay, truncated
from narthex.providers.contract import StreamReply
from narthex.streams.stream import Stream
from narthex.testing.wires import anthropic_frame, anthropic_frames, openai_error, openai_frames
from narthex.types.answers import FinishReason
from narthex.types.dialects import Dialect
from narthex.types.events import Ended, Event, Failed, Finished, Started, TextDelta, UsageReported
from narthex.types.usage import Usage
from narthex.wire.contract import StreamFailed
from narthex.wire.registry import CHAT_WIRES
from tests.pipeline.doubles import CHAT, Double, House, exchange, read, streamed, told

WIRES = {
    Dialect.OPENAI_CHAT: openai_frames("one two three"),
    Dialect.ANTHROPIC_MESSAGES: anthropic_frames("one two three"),
}
EVENTS: tuple[Event, ...] = (
    Started(id="1", model="m-1", created_at=1),
    TextDelta(text="one"),
    Finished(reason=FinishReason.STOP),
    UsageReported(usage=Usage(input_tokens=3, output_tokens=1)),
    Ended(),
)


def call() -> Exchange:
    """Return a routed call."""
    made = exchange(CHAT)
    made.target = House(Double()).catalog.resolve("up/m")
    return made


async def produced(dialect: Dialect, reply: StreamReply, *, passing: bool) -> tuple[Exchange, Stream]:
    """Carry a reply into a stream and return both."""
    made, stream = call(), Stream(dialect if passing else None)
    wire = CHAT_WIRES[dialect]
    sink: Sink = (
        PassingSink(made, reply, stream, wire) if passing else TranslatingSink(made, reply, stream, wire.parser())
    )
    await produce(made, reply, stream, sink)
    assert stream.closed
    return made, stream


BOTH_WAYS = pytest.mark.parametrize("passing", [True, False])
EVERY_WIRE = pytest.mark.parametrize("dialect", WIRES)


@BOTH_WAYS
@EVERY_WIRE
async def test_a_whole_stream_closes_clean(dialect: Dialect, *, passing: bool) -> None:
    """All frames arrive, usage and model as the provider told them, and the provider is asked to hurry at the end."""
    notes: list[str] = []
    made, stream = await produced(dialect, streamed(WIRES[dialect], paused=notes), passing=passing)
    assert stream.error is None
    assert made.usage is not None
    assert made.usage.input_tokens == 9
    assert not made.usage.estimated
    assert made.model_answered in {"gpt-test", "claude-test"}
    assert notes == ["hurry"]
    if passing:
        assert b"".join(frame for frame in await read(stream) if isinstance(frame, bytes)) == b"".join(WIRES[dialect])
    else:
        assert isinstance((await read(stream))[-1], Ended)


@BOTH_WAYS
@EVERY_WIRE
@pytest.mark.parametrize("way", ["ends", "breaks", "stalls"])
async def test_a_stream_cut_anywhere_never_closes_clean(dialect: Dialect, way: str, *, passing: bool) -> None:
    """For N = 0, 1, 2 … the stream is cut after the N-th byte: only with all that says "whole" is it whole."""
    data = b"".join(WIRES[dialect])
    errors = {
        "ends": None,
        "breaks": ProviderUnreachable(provider="up", failure=Failure.TRUNCATED),
        "stalls": ProviderTimeout(provider="up", failure=Failure.STALL),
    }
    whole = []
    for size in range(len(data) + 1):
        _, stream = await produced(dialect, streamed([data[:size]], error=errors[way]), passing=passing)
        if stream.error is None:
            whole.append(size)
        else:
            assert isinstance(stream.error, ProviderError), size
    assert whole, "the whole stream at least is whole"
    last = data[: whole[0]]
    assert (b'finish_reason":"stop' if dialect is Dialect.OPENAI_CHAT else b'stop_reason":"end_turn') in last
    assert whole == list(range(whole[0], len(data) + 1)), "what is whole stays whole"


@given(st.lists(st.integers(min_value=0, max_value=2_000), max_size=6), st.sampled_from(list(WIRES)), st.booleans())
def test_pieces_make_no_difference(cuts: list[int], dialect: Dialect, passing: bool) -> None:
    """However a stream is cut into pieces on its way, the same frames arrive."""
    data = b"".join(WIRES[dialect])
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(edges)]

    async def joined(split: list[bytes]) -> object:
        made, stream = await produced(dialect, streamed(split), passing=passing)
        assert stream.error is None
        frames = await read(stream)
        if passing:
            return made.usage, b"".join(map(bytes, frames))  # type: ignore[arg-type]  # bytes then
        # When it began is the only thing that two of them need not share.
        return made.usage, [
            msgspec.structs.replace(frame, created_at=0) if isinstance(frame, Started) else frame for frame in frames
        ]

    assert asyncio.run(joined(pieces)) == asyncio.run(joined([data]))


@BOTH_WAYS
@pytest.mark.parametrize(
    ("dialect", "report"),
    [
        (Dialect.OPENAI_CHAT, b"data: " + openai_error("No breath.", code="server_error") + b"\n\n"),
        (
            Dialect.ANTHROPIC_MESSAGES,
            anthropic_frame("error", error={"type": "overloaded_error", "message": "No breath."}),
        ),
    ],
)
async def test_a_failure_inside_a_stream_is_told(dialect: Dialect, report: bytes, *, passing: bool) -> None:
    """What the provider reports in its stream closes it with that failure, after the frames that came before."""
    made, stream = await produced(dialect, streamed([*WIRES[dialect][:3], report]), passing=passing)
    assert isinstance(stream.error, ProviderError)
    assert "No breath." in stream.error.message
    assert stream.frames_total
    assert made.usage is None or passing


@BOTH_WAYS
@pytest.mark.parametrize("data", [b"<html>It works!</html>", b"data: nonsense\n\n", b"\x00\xff" * 50, b"{}"])
@EVERY_WIRE
async def test_nonsense_is_malformed_or_cut(dialect: Dialect, data: bytes, *, passing: bool) -> None:
    """What is no stream of the dialect is told as that."""
    _, stream = await produced(dialect, streamed([data]), passing=passing)
    assert isinstance(stream.error, MalformedAnswer | TruncatedAnswer)
    assert not stream.frames_total or passing


async def test_a_broken_connection_after_the_end_does_no_harm() -> None:
    """What breaks when all is said is nobody's business."""
    error = ProviderUnreachable(provider="up", failure=Failure.TRUNCATED)
    _, stream = await produced(Dialect.OPENAI_CHAT, streamed(WIRES[Dialect.OPENAI_CHAT], error=error), passing=True)
    assert stream.error is None


async def test_a_missing_closing_mark_is_forgiven() -> None:
    """Servers that forget `[DONE]` after a finish reason have told their end all the same."""
    frames = openai_frames("one", done=False)
    for error in (None, ProviderUnreachable(provider="up", failure=Failure.TRUNCATED)):
        for passing in (True, False):
            _, stream = await produced(Dialect.OPENAI_CHAT, streamed(frames, error=error), passing=passing)
            assert stream.error is None, (error, passing)


async def test_a_cancelled_producer_says_so() -> None:
    """A caller that leaves closes the stream as cancelled."""
    made, stream = call(), Stream(None)
    reply = streamed(WIRES[Dialect.OPENAI_CHAT][:2], hold=True)
    sink = TranslatingSink(made, reply, stream, CHAT_WIRES[Dialect.OPENAI_CHAT].parser())
    task = asyncio.ensure_future(produce(made, reply, stream, sink))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert isinstance(stream.error, Cancelled)


async def test_a_fault_of_ours_closes_the_stream_too() -> None:
    """A bug while reading ends the answer as an internal error, and is raised for the log."""
    made, stream = call(), Stream(None)

    class Broken:
        ended = False

        def feed(self, data: bytes) -> None:
            raise ZeroDivisionError(data)

        def close(self) -> None:
            """Nothing."""

        def pass_on(self, frames: bytes) -> None:
            """Nothing."""

        def delivered(self) -> None:
            """Nothing."""

        def told(self) -> bool:
            return False

    with pytest.raises(ZeroDivisionError):
        await produce(made, streamed([b"x"]), stream, Broken())
    assert isinstance(stream.error, InternalError)


# -- events ------------------------------------------------------------------------------------------------------------


async def relayed(*events: Event, error: BaseException | None = None) -> tuple[Exchange, Stream, list[str]]:
    """Carry events into a stream."""
    made, stream, closed = call(), Stream(None), list[str]()
    go_on = asyncio.Event()
    go_on.set()
    await relay(made, told(*events, error=error, closed=closed).events, stream, go_on)
    return made, stream, closed


async def test_events_are_relayed_to_their_end() -> None:
    """All events arrive, usage and model are kept, and the iterator is closed."""
    made, stream, closed = await relayed(*EVENTS)
    assert await read(stream) == list(EVENTS)
    assert stream.error is None
    assert made.usage == Usage(input_tokens=3, output_tokens=1)
    assert made.model_answered == "m-1"
    assert closed == ["closed"]


@pytest.mark.parametrize("count", range(len(EVENTS)))
async def test_events_without_their_end_are_cut(count: int) -> None:
    """For N = 0, 1, 2 … events without `Ended` never close clean."""
    _, stream, closed = await relayed(*EVENTS[:count])
    assert isinstance(stream.error, TruncatedAnswer)
    assert closed == ["closed"]


@pytest.mark.parametrize("count", range(len(EVENTS)))
@pytest.mark.parametrize(
    "error", [ProviderTimeout(provider="up"), StreamFailed("Out of breath.", code=None, kind="api_error")]
)
async def test_events_that_fail_are_told(count: int, error: Exception) -> None:
    """A failure between two events closes the stream with it."""
    _, stream, closed = await relayed(*EVENTS[:count], error=error)
    assert isinstance(stream.error, ProviderError)
    assert closed == ["closed"]


async def test_a_failed_event_is_told() -> None:
    """A failure that comes as an event is an error, not a frame."""
    _, stream, _ = await relayed(*EVENTS[:2], Failed(message="Out of breath."))
    assert isinstance(stream.error, ProviderError)
    assert await read(stream) == list(EVENTS[:2])


async def test_a_provider_that_breaks_is_an_internal_error() -> None:
    """A bug in a provider ends the answer as an internal error, and is raised for the log."""
    made, stream, go_on = call(), Stream(None), asyncio.Event()
    go_on.set()
    with pytest.raises(ZeroDivisionError):
        await relay(made, told(*EVENTS[:2], error=ZeroDivisionError()).events, stream, go_on)
    assert isinstance(stream.error, InternalError)


async def test_a_slow_reader_holds_events_back() -> None:
    """While nobody reads, no further event is asked for; leaving closes the iterator."""
    made, stream, go_on, closed = call(), Stream(None), asyncio.Event(), list[str]()
    task = asyncio.ensure_future(relay(made, told(*EVENTS, closed=closed).events, stream, go_on))
    await asyncio.sleep(0.01)
    assert stream.frames_total == 0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert isinstance(stream.error, Cancelled)
    assert closed == ["closed"]


def test_a_noted_end_closes_the_stream() -> None:
    """`note` tells when the answer has ended."""
    made, stream = call(), Stream(None)
    assert [note(made, stream, event) for event in EVENTS] == [False, False, False, False, True]
    assert stream.closed


async def test_what_cannot_be_closed_is_left() -> None:
    """An iterator without `aclose` is nothing to close."""

    class Bare:
        def __aiter__(self) -> Bare:
            return self

        async def __anext__(self) -> Event:
            raise StopAsyncIteration

    async with closing(Bare()):
        pass


def test_a_cut_answer_says_where() -> None:
    """The error of a cut answer names the provider and is worth another try."""
    error: NarthexError = truncated("up", "the connection broke")
    assert isinstance(error, TruncatedAnswer)
    assert "up" in error.message
    assert error.retryable


def test_an_end_is_dated_where_its_dialect_tells_the_time() -> None:
    """OpenAI's responses tell when they ended: whoever writes one later writes that time; other events stay."""
    response = exchange(CHAT, dialect=Dialect.OPENAI_RESPONSES)
    ended = dated(response, Ended())
    assert isinstance(ended, Ended)
    assert ended.at > 0
    text = TextDelta(text="a")
    assert dated(response, text) is text
    assert dated(exchange(CHAT), Ended()) == Ended()
