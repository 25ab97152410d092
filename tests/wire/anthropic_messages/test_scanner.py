"""Streams that pass through."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.types.events import Ended, Event, Failed, Started, UsageReported
from narthex.types.usage import Usage
from narthex.wire.anthropic_messages.scanner import MessagesScanner
from narthex.wire.anthropic_messages.stream_encoder import MessagesEncoder
from narthex.wire.anthropic_messages.stream_parser import MessagesParser
from narthex.wire.contract import BrokenStream, MalformedStream, StreamFailed, TruncatedStream
from tests.wire.anthropic_messages.strategies import pieces_of, streamed

START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"type":"message","id":"a","model":"claude-x",'
    b'"usage":{"input_tokens":10,"output_tokens":1}}}\n\n'
)
TEXT = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}\n\n'
)
END = (
    b"event: message_delta\n"
    b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}\n\n'
)
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
ERROR = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'


def test_watches_a_stream_to_its_end() -> None:
    """Model, usage, end and the number of frames are known, and the bytes are those that came."""
    scanner = MessagesScanner()
    assert scanner.feed(START + TEXT) == START + TEXT
    assert (scanner.model, scanner.usage, scanner.complete) == (
        "claude-x",
        Usage(input_tokens=10, output_tokens=1),
        False,
    )
    assert scanner.feed(END) == END
    assert scanner.feed(STOP[:9]) == b""
    assert scanner.feed(STOP[9:]) == STOP
    assert (scanner.usage, scanner.complete, scanner.events) == (Usage(input_tokens=10, output_tokens=9), True, 4)
    assert scanner.close() == b""


def test_an_answer_is_whole_with_its_reason_even_unclosed() -> None:
    """What is left of an unfinished frame is handed on with the end."""
    scanner = MessagesScanner()
    scanner.feed(START + END + STOP[:-1])
    assert not scanner.complete
    assert scanner.close() == STOP[:-1]
    assert scanner.complete


def test_a_cut_answer_is_truncated_and_a_page_malformed() -> None:
    """The two are told apart, and neither is a whole answer."""
    scanner = MessagesScanner()
    scanner.feed(START + TEXT)
    with pytest.raises(TruncatedStream):
        scanner.close()
    scanner = MessagesScanner()
    scanner.feed(b"<html>\n\n</html>")
    with pytest.raises(MalformedStream):
        scanner.close()


def test_a_failure_keeps_the_frames_before_it() -> None:
    """What the provider wrote before it failed may still be passed on."""
    scanner = MessagesScanner()
    with pytest.raises(StreamFailed) as caught:
        scanner.feed(START + TEXT + ERROR + TEXT)
    failure = caught.value
    assert (failure.frames, failure.message, failure.kind) == (START + TEXT, "Overloaded", "overloaded_error")
    assert scanner.events == 2


@pytest.mark.parametrize(
    "error",
    [
        b"event: error\ndata: not json\n\n",
        b"event:error\r\ndata: {}\r\n\r\n",
        b'data:  { "error":{"message":"x"},\ndata: "type"  :\ndata:\t"error" }\n\n',
        b'data: {"type":"\\u0065rror"}\n\n',
    ],
)
def test_no_failure_is_missed_whatever_its_spelling(error: bytes) -> None:
    """White space, lines, a missing name and escaped letters do not hide one."""
    scanner = MessagesScanner()
    scanner.feed(START)
    with pytest.raises(StreamFailed) as caught:
        scanner.feed(TEXT + error)
    assert caught.value.frames == TEXT


def test_frames_before_a_failure_are_kept() -> None:
    """What was no event of this dialect is still what the provider wrote; only what is no JSON is skipped."""
    odd, broken = b'data: {"type": 3}\n\n', b"data: {\n\n"
    scanner = MessagesScanner()
    with pytest.raises(StreamFailed) as caught:
        scanner.feed(odd + broken + b": a comment\n\ndata:\n\n" + ERROR)
    assert caught.value.frames == odd + b": a comment\n\ndata:\n\n"


def test_words_about_errors_are_words() -> None:
    """A model that writes about errors and events is not taken for one that failed or ended."""
    said = json.dumps(
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": '"error" event: error "message_stop"'}}
    )
    frame = f"event: content_block_delta\ndata: {said}\n\n".encode()
    scanner = MessagesScanner()
    assert scanner.feed(START + frame) == START + frame
    assert not scanner.complete


DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":%b}\n\n'
GOOD = DELTA % b'{"type":"text_delta","text":"a"}'


@pytest.mark.parametrize(
    "broken", [DELTA % b'{"type":', DELTA % b"", b'data: {"message_\n\n', DELTA.replace(b"}", b"")]
)
def test_a_malformed_frame_is_skipped(broken: bytes) -> None:
    """One that is no JSON would break a client: the rest arrives whole, and is still watched."""
    scanner = MessagesScanner()
    assert scanner.feed(START + GOOD + broken + GOOD + END + STOP) == START + GOOD + GOOD + END + STOP
    assert scanner.complete
    alone = MessagesScanner()
    assert [alone.feed(frame) for frame in (START, GOOD, broken, GOOD)] == [START, GOOD, b"", GOOD]
    lines = MessagesScanner()
    assert lines.feed((START + broken + GOOD).replace(b"\n", b"\r\n")) == (START + GOOD).replace(b"\n", b"\r\n")


def test_halves_that_would_make_a_whole_are_skipped() -> None:
    """Two broken frames are not mended by each other."""
    scanner = MessagesScanner()
    assert scanner.feed(START + b'data: {"a":1\n\ndata: "b":2}\n\n' + GOOD) == START + GOOD


def test_a_frame_of_another_meaning_passes() -> None:
    """What is JSON is the client's to judge."""
    odd = b'event: message_delta\ndata: {"type":"message_delta"}\n\n'
    scanner = MessagesScanner()
    assert scanner.feed(START + odd + END + STOP) == START + odd + END + STOP
    assert scanner.complete


def test_nothing_behind_the_end_counts() -> None:
    """A complete answer does not fail afterwards."""
    scanner = MessagesScanner()
    assert scanner.feed(START + END + STOP + ERROR) == START + END + STOP + ERROR
    assert scanner.feed(ERROR) == ERROR
    assert scanner.complete


def test_usage_of_the_beginning_is_not_that_of_a_whole_answer() -> None:
    """Where the end tells none, none is known."""
    scanner = MessagesScanner()
    scanner.feed(START + b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n' + STOP)
    assert (scanner.complete, scanner.usage) == (True, None)


spaces = st.text(" \t", max_size=2)


def _spaced(data: st.DataObject, event: object) -> bytes:
    """Write JSON with white space wherever it may stand, some of it over several lines."""
    body = json.dumps(event, ensure_ascii=data.draw(st.booleans()))
    colon = data.draw(spaces) + ":" + data.draw(spaces)
    spaced = json.dumps(event, separators=("," + data.draw(st.sampled_from(["", " ", "\n"])), colon))
    return (spaced if data.draw(st.booleans()) else body).encode()


_EVENTS: list[dict[str, object]] = [
    {"type": "ping"},
    {"type": "message_start", "message": {"type": "message", "id": "a", "model": "m", "usage": {"input_tokens": 5}}},
    {"type": "message_start", "message": {"type": "message", "id": "b", "model": "n"}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": '"error" é event: error'}},
    {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 3}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 8, "input_tokens": 6}},
    {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}},
    {"type": "message_stop"},
    {"type": "message_stop", "usage": "nonsense"},
    {"type": "error", "error": {"type": "api_error", "message": "x"}},
    {"type": "unheard_of"},
]


@given(st.data())
def test_scanner_and_parser_agree(data: st.DataObject) -> None:
    """On any order of events, in any spelling and pieces: end, failure, usage, model; and no byte is changed."""
    rows = data.draw(st.lists(st.sampled_from(_EVENTS), max_size=8))
    stream = b""
    for event in rows:
        name = data.draw(st.sampled_from(["", f"event: {event['type']}\n", f"event:{event['type']}\n"]))
        lines = _spaced(data, event).split(b"\n")
        stream += name.encode() + b"".join(b"data: %b\n" % line for line in lines) + b"\n"
    stream = stream.replace(b"\n", data.draw(st.sampled_from([b"\n", b"\r\n", b"\r"])))
    parser, scanner = MessagesParser(), MessagesScanner()
    events, passed, failed = _run(parser, scanner, data.draw(pieces_of(stream)))
    if failed:
        assert any(isinstance(event, Failed) for event in events)
        assert stream.startswith(passed)
        return
    assert not any(isinstance(event, Failed) for event in events)
    assert passed == stream
    assert scanner.complete == any(isinstance(event, Ended) for event in events)
    if scanner.complete:
        told = [event.usage for event in events if isinstance(event, UsageReported)]
        assert scanner.usage == (told[0] if told else None)
    started = [event.model for event in events if isinstance(event, Started) and event.model]
    assert not started or scanner.model == started[0]


def _run(parser: MessagesParser, scanner: MessagesScanner, pieces: list[bytes]) -> tuple[list[Event], bytes, bool]:
    """Feed both; return the parser's events, the bytes passed, and whether the scanner saw a failure."""
    events: list[Event] = []
    passed = b""
    for piece in pieces:
        events += parser.feed(piece)
        try:
            passed += scanner.feed(piece)
        except StreamFailed as failure:
            return events, passed + failure.frames, True
    broken: list[type[BrokenStream]] = []
    try:
        events += parser.close()
    except BrokenStream as error:
        broken.append(type(error))
    try:
        passed += scanner.close()
    except BrokenStream as error:
        broken.append(type(error))
        passed += b"".join(pieces)[len(passed) :]
    assert len(broken) != 1
    assert len(set(broken)) < 2
    return events, passed, False


@given(st.data())
def test_real_streams_pass_unchanged(data: st.DataObject) -> None:
    """A stream as the provider writes it comes out byte for byte, with its end, usage and frames counted."""
    answer, events = data.draw(streamed())
    encoder = MessagesEncoder()
    whole = b"".join(encoder.encode(event) for event in events)
    scanner = MessagesScanner()
    passed = b"".join(scanner.feed(piece) for piece in data.draw(pieces_of(whole))) + scanner.close()
    assert passed == whole
    assert (scanner.complete, scanner.usage, scanner.model) == (True, answer.usage, answer.model)
    assert scanner.events == whole.count(b"event: ")


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_random_bytes_raise_nothing_undocumented(pieces: list[bytes]) -> None:
    """Noise passes, and is never a complete answer."""
    scanner = MessagesScanner()
    try:
        for piece in pieces:
            scanner.feed(piece)
    except StreamFailed:
        return
    with pytest.raises(BrokenStream):
        scanner.close()
    assert not scanner.complete
