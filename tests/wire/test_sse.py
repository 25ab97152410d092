"""Server-sent events: the standard's rules at every split point, and bounds."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.wire.contract import MalformedStream
from narthex.wire.sse import FrameSplitter, SseEvent, SseParser, SseTooLarge, comment, encode_event, split_events

line_ends = st.sampled_from([b"\n", b"\r\n", b"\r"])
lines = st.sampled_from(
    [
        b"",
        b"",
        b"data: a",
        b"data:b",
        b"data:  c",
        b"data",
        b"event: e",
        b"event:",
        b"id: 7",
        b"id: \0",
        b": note",
        b"x",
    ]
)
streams = st.tuples(
    st.sampled_from([b"", b"\xef\xbb\xbf"]), st.lists(st.tuples(lines, line_ends).map(b"".join), max_size=24)
).map(lambda given: given[0] + b"".join(given[1]))


def events_by_the_standard(stream: bytes) -> list[SseEvent]:
    """Interpret a whole stream line by line, as the standard words it."""
    text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events: list[SseEvent] = []
    data: list[bytes] = []
    kind: str | None = None
    last_id: str | None = None
    for line in text.split(b"\n")[:-1]:
        name, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if not line:
            if data:
                events.append(SseEvent(kind, b"\n".join(data), last_id))
            data, kind = [], None
        elif name == b"data":
            data.append(value)
        elif name == b"event":
            kind = value.decode() or None
        elif name == b"id" and b"\0" not in value:
            last_id = value.decode()
    return events


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """Cut `data` at the given places."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


@given(streams, st.lists(st.integers(0, 400), max_size=12))
def test_reads_what_the_standard_says_at_any_split(stream: bytes, cuts: list[int]) -> None:
    """Whatever the pieces, the events are those of the standard's own algorithm."""
    parser = SseParser()
    found = [event for piece in pieces(stream, cuts) for event in parser.feed(piece)]
    assert found == events_by_the_standard(stream)


@given(streams)
def test_reads_the_same_byte_by_byte(stream: bytes) -> None:
    """A stream that comes a byte at a time gives the same events."""
    parser = SseParser()
    found = [event for byte in stream for event in parser.feed(bytes([byte]))]
    assert found == events_by_the_standard(stream)


@given(st.binary(max_size=80) | streams, st.lists(st.integers(0, 400), max_size=12))
def test_splitting_loses_no_byte(stream: bytes, cuts: list[int]) -> None:
    """What is passed on and what is kept back are the stream, and every block ends with a blank line."""
    splitter = FrameSplitter()
    blocks = [splitter.feed(piece) for piece in pieces(stream, cuts)]
    assert b"".join(blocks) + splitter.rest == stream
    ends = (b"\n\n", b"\n\r", b"\r\r", b"\n\r\n", b"\r\r\n")
    assert all(block.endswith(ends) for block in blocks if block)


def test_splits_behind_the_last_complete_event() -> None:
    """Several events leave in one block; the unfinished one stays."""
    splitter = FrameSplitter()
    assert splitter.feed(b"data: 1\n\ndata: 2\n\ndata: 3") == b"data: 1\n\ndata: 2\n\n"
    assert splitter.rest == b"data: 3"
    assert splitter.feed(b"\n") == b""
    assert splitter.feed(b"\n") == b"data: 3\n\n"


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r\n", b"\r\n\n", b"\r\n\r"])
def test_knows_every_blank_line(end: bytes) -> None:
    """All mixtures of the three line ends close an event."""
    splitter = FrameSplitter()
    assert splitter.feed(b"data: x" + end) == b"data: x" + end
    assert [event.data for event in SseParser().feed(b"data: x" + end)] == [b"x"]


def test_a_carriage_return_with_its_line_feed_is_one_line_end() -> None:
    """CRLF cut in two does not look like a blank line."""
    splitter = FrameSplitter()
    assert splitter.feed(b"data: x\r") == b""
    assert splitter.feed(b"\n") == b""
    assert splitter.feed(b"data: y\r\n\r\n") == b"data: x\r\ndata: y\r\n\r\n"


def test_joins_lines_of_data_and_keeps_the_id() -> None:
    """Several `data` lines are one event's data; an ID holds for later events too."""
    events = SseParser().feed(b"id: 9\nevent: note\ndata: a\ndata: b\n\ndata: c\n\n")
    assert events == [SseEvent("note", b"a\nb", "9"), SseEvent(None, b"c", "9")]


def test_hears_how_long_to_wait() -> None:
    """`retry` counts if it is a number of digits."""
    parser = SseParser()
    parser.feed(b"retry: 3000\n\nretry: soon\n\n")
    assert parser.retry_ms == 3000


def test_an_event_without_its_blank_line_is_only_rest() -> None:
    """The standard drops it; a caller that knows better can reach it."""
    parser = SseParser()
    assert parser.feed(b"data: [DONE]\n") == []
    assert parser.rest == b"data: [DONE]\n"


def test_an_endless_event_is_refused() -> None:
    """An event larger than the limit raises, in pieces and in one piece."""
    parser = SseParser(max_event_bytes=100)
    with pytest.raises(SseTooLarge, match="100 bytes"):
        [parser.feed(b"data: " + b"x" * 30) for _ in range(4)]
    with pytest.raises(SseTooLarge):
        SseParser(max_event_bytes=100).feed(b"data: " + b"x" * 200 + b"\n\n")
    with pytest.raises(SseTooLarge):
        FrameSplitter(100).feed(b"x" * 101)
    assert issubclass(SseTooLarge, MalformedStream)


def test_many_small_events_may_be_larger_than_one() -> None:
    """The limit is on one event, not on what comes at once."""
    assert len(SseParser(max_event_bytes=20).feed(b"data: 12345\n\n" * 10)) == 10


@given(st.binary(max_size=60), st.none() | st.from_regex(r"[a-z_.]{1,12}", fullmatch=True))
def test_what_is_written_is_read_back(data: bytes, kind: str | None) -> None:
    """Data survives, with every line end become a line feed."""
    [event] = SseParser().feed(encode_event(data, kind))
    assert event == SseEvent(kind, data.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))


@given(st.text(max_size=30))
def test_comments_are_no_events(text: str) -> None:
    """A comment keeps a connection alive and says nothing, whatever it holds."""
    written = comment(text)
    assert SseParser().feed(written) == []
    assert written.endswith(b"\n\n")


def test_an_event_type_is_one_line() -> None:
    """A line end in an event's type would begin another field."""
    with pytest.raises(ValueError, match="single line"):
        encode_event(b"{}", "a\ndata: b")


@given(st.lists(st.tuples(lines, line_ends), max_size=12))
def test_a_block_is_cut_into_its_events(parts: list[tuple[bytes, bytes]]) -> None:
    """Joined, the pieces are the block again; each holds one event at most, and together all of them."""
    block = FrameSplitter().feed(b"".join(line + end for line, end in parts))
    pieces = split_events(block)
    assert b"".join(pieces) == block
    parser = SseParser()
    read = [parser.feed(piece) for piece in pieces]
    assert all(len(events) <= 1 for events in read)
    assert [one for events in read for one in events] == SseParser().feed(block)


@pytest.mark.parametrize(
    ("block", "pieces"),
    [
        (b"", []),
        (b"data: a\n\n", [b"data: a\n\n"]),
        (b"data: a\n\ndata: b\n\n", [b"data: a\n\n", b"data: b\n\n"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"data: a\r\n\r\n", b"data: b\r\n\r\n"]),
        (b"data: a\r\rid: 1\rdata: b\r\r", [b"data: a\r\r", b"id: 1\rdata: b\r\r"]),
        (b": note\n\ndata: a\n\nrest", [b": note\n\n", b"data: a\n\n", b"rest"]),
    ],
)
def test_events_are_cut_behind_their_blank_lines(block: bytes, pieces: list[bytes]) -> None:
    """Whatever the line ends are, and whatever follows the last event."""
    assert split_events(block) == pieces
