"""Providers' streams, read at any split, with all the liberties that providers take."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narthex.types.answers import FinishReason, TokenLogprob
from narthex.types.dialects import Dialect
from narthex.types.events import (
    Ended,
    Event,
    Failed,
    Finished,
    Started,
    TextDelta,
    UsageReported,
)
from narthex.types.usage import Usage
from narthex.wire.contract import BrokenStream, MalformedStream, TruncatedStream
from narthex.wire.openai_chat import OPENAI_CHAT
from narthex.wire.openai_chat.parser import OpenAIChatParser
from narthex.wire.sse import SseTooLarge
from tests.wire.openai_chat.strategies import cuts, pieces, streams, whole_streams

DONE = b"data: [DONE]\n\n"
USAGE: dict[str, object] = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def chunk(delta: dict[str, object] | None, finish: object = None, *, index: int = 0, **members: object) -> bytes:
    """Write a chunk; without a delta it holds no choice."""
    choices = [] if delta is None else [{"index": index, "delta": delta, "finish_reason": finish}]
    head = {"id": "c-1", "object": "chat.completion.chunk", "created": 7, "model": "m-1", "choices": choices}
    return b"data: " + json.dumps(head | members).encode() + b"\n\n"


def read(*stream: bytes) -> list[Event]:
    """Read a stream to its end."""
    parser = OpenAIChatParser()
    events = [event for piece in stream for event in parser.feed(piece)]
    return events + parser.close()


STARTED = Started(id="c-1", model="m-1", created_at=7, extra_dialect=Dialect.OPENAI_CHAT)
STOPPED = Finished(reason=FinishReason.STOP)


def outcome(stream: list[bytes]) -> tuple[list[Event], str]:
    """Read a stream however it ends: its events, and the name of what was raised."""
    parser = OpenAIChatParser()
    events: list[Event] = []
    try:
        for piece in stream:
            events += parser.feed(piece)
        events += parser.close()
    except BrokenStream as broken:
        return events, repr(broken)
    return events, ""


@settings(max_examples=200)
@given(streams, cuts)
def test_pieces_do_not_matter(stream: bytes, places: list[int]) -> None:
    """A stream gives the same events wherever it is cut."""
    assert outcome(pieces(stream, places)) == outcome([stream])


@settings(max_examples=200)
@given(streams)
def test_events_come_in_order(stream: bytes) -> None:
    """`Started` first, then deltas, then one `Finished` per choice, at most one usage, then `Ended` or `Failed`."""
    events, broken = outcome([stream])
    order = [_rank(event) for event in events]
    assert order == sorted(order)
    for once in (Started, UsageReported, Ended, Failed):
        assert sum(isinstance(event, once) for event in events) <= 1
    finished = [event.choice for event in events if isinstance(event, Finished)]
    assert finished == sorted(set(finished))
    assert isinstance(events[-1], (Ended, Failed)) if events and not broken else True


def _rank(event: Event) -> int:
    match event:
        case Started():
            return 0
        case Finished():
            return 2
        case UsageReported():
            return 3
        case Ended() | Failed():
            return 4
        case _:
            return 1


@settings(max_examples=200)
@given(whole_streams())
def test_what_is_written_is_read_back(stream: bytes) -> None:
    """Events, written for a client and read again, are the same events."""
    events = read(stream)
    request = OPENAI_CHAT.decode_request(
        b'{"model":"m","messages":[{"role":"user"}],"stream":true,"stream_options":{"include_usage":true}}'
    )
    encoder = OPENAI_CHAT.encoder(request)
    assert read(*(encoder.encode(event) for event in events)) == events


@given(st.lists(st.binary(max_size=30), max_size=5))
def test_any_bytes_are_read_or_broken(stream: list[bytes]) -> None:
    """Nonsense raises nothing but what is documented."""
    events, broken = outcome(stream)
    assert broken or isinstance(events[-1], (Ended, Failed))


def test_a_plain_answer() -> None:
    """The golden case: role, two pieces of text, an end, usage, `[DONE]`."""
    assert read(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Hel"}),
        chunk({"content": "lo"}),
        chunk({}, "stop"),
        chunk(None, usage=USAGE),
        DONE,
    ) == [
        STARTED,
        TextDelta(text="Hel"),
        TextDelta(text="lo"),
        STOPPED,
        UsageReported(usage=Usage(input_tokens=3, output_tokens=4)),
        Ended(),
    ]


def test_usage_may_come_in_every_chunk() -> None:
    """The last one counts, and is told once."""
    events = read(
        chunk({"content": "a"}, usage=USAGE | {"completion_tokens": 1}),
        chunk({}, "stop", usage=USAGE),
        DONE,
    )
    assert events[-2] == UsageReported(usage=Usage(input_tokens=3, output_tokens=4))
    assert sum(isinstance(event, UsageReported) for event in events) == 1


def test_groqs_usage_is_found() -> None:
    """Groq reports usage in a member of its own."""
    events = read(chunk({"content": "a"}), chunk({}, "stop", x_groq={"id": "r", "usage": USAGE}), DONE)
    assert UsageReported(usage=Usage(input_tokens=3, output_tokens=4)) in events


def test_azures_blank_first_chunk_begins_nothing() -> None:
    """The chunk with the results of the prompt's filter has no ID and no model."""
    blank = b'data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[]}\n\n'
    assert read(blank, chunk({"content": "a"}), chunk({}, "stop"), DONE)[0] == STARTED


def test_comments_and_blank_data_are_nothing() -> None:
    """Keep-alives of all kinds are passed over and not counted as malformed."""
    parser = OpenAIChatParser()
    parser.feed(b": OPENROUTER PROCESSING\n\ndata:\n\n" + chunk({"content": "a"}, "stop") + DONE)
    assert parser.skipped == 0


@pytest.mark.parametrize("bad", [b"data: {broken\n\n", b"data: 7\n\n", b'data: {"choices":7}\n\n', b"data: {}\n\n"])
def test_a_malformed_event_is_skipped_and_counted(bad: bytes) -> None:
    """One bad event does not cost the answer."""
    parser = OpenAIChatParser()
    events = parser.feed(chunk({"content": "a"}) + bad + chunk({"content": "b"}, "stop") + DONE)
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["a", "b"]
    assert isinstance(events[-1], Ended)
    assert parser.skipped == 1


def test_an_end_without_done_is_an_end() -> None:
    """Closing the connection behind the finish reasons completes the answer."""
    assert read(chunk({"content": "a"}), chunk({}, "stop"))[-2:] == [STOPPED, Ended()]


def test_a_last_event_without_blank_line_counts() -> None:
    """A server that saves the last line feed has still said it all."""
    assert read(chunk({"content": "a"}), chunk({}, "stop").rstrip())[-1] == Ended()


@pytest.mark.parametrize(
    "stream",
    [
        [chunk({"content": "a"})],
        [chunk({"content": "a"}), DONE],
        [chunk({"content": "a"}, "")],
        [DONE],
        [chunk(None, usage=USAGE), DONE],
        [chunk({"content": "a"}, "stop"), chunk({"content": "b"}, index=1), DONE],
        [chunk({"content": "a"}), chunk({}, "stop")[:-9]],
    ],
)
def test_a_stream_without_its_end_is_truncated(stream: list[bytes]) -> None:
    """Without a finish reason for every choice, no answer is whole, whatever `[DONE]` says."""
    with pytest.raises(TruncatedStream):
        read(*stream)


@pytest.mark.parametrize("stream", [b"", b"<html>\n\n</html>", b'{"id":"x","choices":[]}', b"data: hello\n\n"])
def test_what_is_not_this_dialect_is_malformed(stream: bytes) -> None:
    """A page or a bare body is no stream."""
    with pytest.raises(MalformedStream):
        read(stream)


@pytest.mark.parametrize(
    ("frame", "failed"),
    [
        (
            b'data: {"error":{"message":"down","type":"server_error","code":"x"}}\n\n',
            Failed(message="down", code="x", kind="server_error"),
        ),
        (b'data: {"error":{"message":"down","code":502}}\n\n', Failed(message="down", code="502")),
        (b'data: {"error":"down"}\n\n', Failed(message="down")),
        (
            b'data: {"object":"error","message":"down","type":"T","code":400}\n\n',
            Failed(message="down", code="400", kind="T"),
        ),
        (b'event: error\ndata: {"message":"down"}\n\n', Failed(message="down")),
        (b"event: error\ndata: down\n\n", Failed(message="the provider reported an error in a shape of its own")),
        (chunk({}, "error"), Failed(message="the answer ended with 'error'", code="error")),
    ],
)
def test_an_error_inside_the_stream_is_told(frame: bytes, failed: Failed) -> None:
    """All shapes of errors give the provider's words, and nothing follows."""
    assert read(chunk({"content": "a"}), frame, chunk({}, "stop"), DONE) == [STARTED, TextDelta(text="a"), failed]


def test_all_choices_must_finish() -> None:
    """With several answers the end is told for each, in order, when all have ended."""
    parser = OpenAIChatParser()
    events = parser.feed(
        chunk({"content": "b"}, index=1) + chunk({"content": "a"}) + chunk({}, "length", index=1) + chunk({}, "stop")
    )
    assert [type(event) for event in events] == [Started, TextDelta, TextDelta]
    assert parser.feed(DONE) == [STOPPED, Finished(reason=FinishReason.LENGTH, choice=1), Ended()]
    assert parser.close() == []


def test_log_probabilities_come_with_the_text() -> None:
    """Each piece of text brings its tokens; a token without text is told too."""
    token = {"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": []}
    one = TokenLogprob(token="a", logprob=-1.0, token_bytes=(97,))
    frames = []
    for text in ("a", ""):
        choice = {"index": 0, "delta": {"content": text}, "logprobs": {"content": [token]}, "finish_reason": None}
        frames.append(b"data: " + json.dumps({"id": "c-1", "choices": [choice]}).encode() + b"\n\n")
    events = read(*frames, chunk({}, "stop"))
    assert events[1:3] == [TextDelta(text="a", logprobs=(one,)), TextDelta(text="", logprobs=(one,))]


def test_what_the_dialect_says_of_the_answer_is_kept() -> None:
    """Fingerprint and tier belong to the answer; what belongs to a chunk does not."""
    [started, *_] = read(chunk({"content": "a"}, "stop", system_fingerprint="fp", service_tier="x", obfuscation="zz"))
    assert isinstance(started, Started)
    assert started.extra == {"system_fingerprint": "fp", "service_tier": "x"}


def test_an_endless_event_is_refused() -> None:
    """Memory is bounded whatever a provider sends."""
    parser = OpenAIChatParser()
    for _ in range(16):
        parser.feed(b"x" * 2**20)
    with pytest.raises(SseTooLarge):
        parser.feed(b"x")
