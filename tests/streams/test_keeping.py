"""Frames become numbered events: one each, whatever the pieces, with the error at the end among them."""

from __future__ import annotations

import asyncio
import re

from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import Cancelled, InternalError
from narthex.streams.keeping import Keeping
from narthex.streams.log import Log
from narthex.streams.stream import Stream
from narthex.types.dialects import Dialect
from narthex.types.events import Event, TextDelta
from narthex.wire.sse import split_events

CHAT = Dialect.OPENAI_CHAT
LINES = st.text(alphabet="abid: \u00e4{}", min_size=1, max_size=8).map(lambda text: f"data: {text}".encode())


def kept(source: Stream, log: Log, **changes: object) -> Keeping:
    """Keep a source in a log under the name `s`."""
    values: dict[str, object] = {"name": "s", "encode": None, "last_words": lambda error: b"data: broke\n\n"}
    return Keeping(source, log, **{**values, **changes})  # type: ignore[arg-type]  # a test's own


@given(
    st.lists(st.tuples(st.lists(LINES, min_size=1, max_size=3), st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=8)
)
def test_frames_are_split_into_their_events(events: list[tuple[list[bytes], bytes]]) -> None:
    """Whatever the line ends, each event comes out whole, and all together are what went in."""
    written = [b"".join(line + end for line in lines) + end for lines, end in events]
    assert split_events(b"".join(written)) == written


async def test_each_event_has_its_number_and_nothing_else_changes() -> None:
    """Without the lines that are ours, the log is the answer, byte by byte."""
    source, log = Stream(CHAT), Log(CHAT)
    kept(source, log)
    source.append(b"data: one\n\ndata: two\n\n")
    source.append(b"event: x\ndata: three\n\n")
    source.close(last=b"data: [DONE]\n\n")
    events = log.reader().take()
    assert [re.findall(rb"^id: (.*)$", event, re.MULTILINE) for event in events if isinstance(event, bytes)] == [
        [b"s:1"],
        [b"s:2"],
        [b"s:3"],
        [b"s:4"],
    ]
    whole = b"".join(event for event in events if isinstance(event, bytes))
    assert re.sub(rb"^(id|retry): .*\n", b"", whole, flags=re.MULTILINE) == (
        b"data: one\n\ndata: two\n\nevent: x\ndata: three\n\ndata: [DONE]\n\n"
    )
    assert (log.closed, log.error) == (True, None)


async def test_the_last_event_comes_together_with_the_end() -> None:
    """Nobody reads it before those are told who write down what came of the answer."""
    for error in (None, InternalError("broke")):
        source, log = Stream(CHAT), Log(CHAT)
        kept(source, log)
        heard: list[object] = []
        log.on_close(lambda one: heard.append(one.error))  # noqa: B023 - called within this turn
        reader = log.reader(lambda: heard.append(len(reader.take())))  # noqa: B023 - as above
        source.append(b"data: one\n\n")
        source.close(error, last=b"data: two\n\ndata: three\n\n: and a comment\n\n")
        assert heard == ([1, 1, None, 1] if error is None else [1, 1, 1, error, 1])


async def test_a_providers_own_ids_do_not_stand_in_the_way() -> None:
    """The last `id` of an event counts, so that one of a provider's would be a false cursor."""
    source, log = Stream(CHAT), Log(CHAT)
    kept(source, log)
    source.append(b"data: one\nid: theirs\n\nid\ndata: two\n\n")
    assert log.reader().take() == [b"retry: 3000\nid: s:1\ndata: one\n\n", b"id: s:2\ndata: two\n\n"]


async def test_half_a_line_end_is_no_event() -> None:
    """A provider's CR and LF that came in two pieces stand apart; an `id` before them would be an event of nothing."""
    source, log = Stream(CHAT), Log(CHAT)
    kept(source, log)
    for piece in (b"data: one\r\n\r", b"\ndata: two\r\n\r", b"\n"):
        source.append(piece)
    assert log.reader().take() == [b"retry: 3000\nid: s:1\ndata: one\r\n\r", b"id: s:2\ndata: two\r\n\r"]


async def test_the_error_at_the_end_is_an_event() -> None:
    """Whoever reads later hears of it, too."""
    source, log = Stream(CHAT), Log(CHAT)
    kept(source, log)
    source.append(b"data: one\n\n")
    source.close(InternalError())
    assert log.reader().take()[-1] == b"id: s:2\ndata: broke\n\n"
    assert isinstance(log.error, InternalError)


async def test_events_are_written_once_for_all_readers() -> None:
    """Those of the inner vocabulary are encoded into the log; an event that writes nothing has no number."""
    source, log = Stream(None), Log(CHAT)
    frames = iter([b"data: a\n\ndata: b\n\n", b"", b"data: c\n\n"])

    def encode(_event: Event) -> bytes:
        return next(frames)

    kept(source, log, encode=encode)
    for _ in range(3):
        source.append(TextDelta(part=0, text="x"))
    source.close()
    assert log.last_number == 3
    assert log.events_total == 3


async def test_an_event_that_cannot_be_written_ends_it_honestly() -> None:
    """The fault is told in the log, and the producer's call is ended."""
    source, log = Stream(None), Log(CHAT)
    ended: list[str] = []
    source.cancel = lambda: ended.append("cancelled")

    def encode(_event: Event) -> bytes:
        raise KeyError

    kept(source, log, encode=encode)
    source.append(TextDelta(part=0, text="x"))
    assert isinstance(log.error, InternalError)
    assert ended == ["cancelled"]


async def test_stopping_ends_the_call_and_says_why() -> None:
    """The last reader's leaving reaches the source at once."""
    source, log = Stream(CHAT), Log(CHAT)
    ended: list[str] = []
    source.cancel = lambda: ended.append("cancelled")
    kept(source, log)
    source.append(b"data: one\n\n")
    log.reader().leave()
    assert ended == ["cancelled"]
    assert isinstance(log.error, Cancelled)
    source.append(b"data: two\n\n")
    assert log.last_number == 2


async def test_backpressure_reaches_the_source() -> None:
    """While the log holds its producer nothing is taken; then it goes on where it was."""
    source, log = Stream(CHAT), Log(CHAT)
    kept(source, log)
    log.pause_delivery()
    size = 0
    while not source.held:
        source.append(b"data: " + b"x" * 50_000 + b"\n\n")
        size += 1
        assert size < 50
    log.resume_delivery()
    await asyncio.sleep(0)
    assert log.last_number == size


async def test_comments_have_no_number() -> None:
    """A provider's signs of life are not kept: with an `id` they would be events without data."""
    source, log = Stream(CHAT), Log(CHAT)
    kept(source, log)
    source.append(b": processing\n\n: still\r\n: processing\r\n\r\ndata: one\n\n")
    source.append(b": why\ndata: two\n\n")
    assert log.reader().take() == [b"retry: 3000\nid: s:1\ndata: one\n\n", b"id: s:2\n: why\ndata: two\n\n"]


async def test_a_providers_ids_may_stand_on_any_line() -> None:
    """Whatever ends its lines."""
    source, log = Stream(CHAT), Log(CHAT)
    kept(source, log)
    source.append(b"data: one\rid: theirs\r\r")
    source.append(b"data: two\r\nid: theirs\r\n\r\n")
    assert log.reader().take() == [b"retry: 3000\nid: s:1\ndata: one\r\r", b"id: s:2\ndata: two\r\n\r\n"]


async def test_what_was_written_and_not_taken_is_counted_at_the_end() -> None:
    """A call that is ended while it is paused is billed for what its provider wrote."""
    source, log = Stream(CHAT), Log(CHAT)
    kept(source, log)
    log.stands_still = True
    log.pause_delivery()
    source.events_total = 7
    source.append(b"data: one\n\n")
    assert log.events_total == 0
    assert log.stop is not None
    log.stop(Cancelled())
    assert log.events_total == 7
