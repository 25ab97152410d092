"""Where the reading of a kept stream stands."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.client.backoff import Reconnect
from narthex.client.following import Following, FrameCutter, StreamFrame
from narthex.client.http1 import Head, HttpRequest
from narthex.client.reports import StreamReport
from narthex.errors import (
    BrokenAnswer,
    ClientError,
    GatewayUnreachable,
    InvalidRequest,
    NarthexError,
    Overloaded,
    StreamExists,
    StreamNotFound,
)

CALL = HttpRequest(method="POST", path="/v1/chat/completions", body=b"{}")
KEPT = Head(200, {"content-type": "text/event-stream", "x-narthex-stream-id": "stream-1"})
NOT_KEPT = Head(200, {"content-type": "text/event-stream"})
EVENTS = [
    b"retry: 3000\nid: stream-1:1\ndata: a\n\n",
    b"id: stream-1:2\ndata: b\r\n\r\n",
    b"id: stream-1:3\ndata: [DONE]\n\n",
]


def _begun(reconnect: Reconnect | None = None) -> Following:
    following = Following("stream-1", CALL, reconnect=reconnect, chance=lambda: 1.0)
    following.opened(KEPT)
    return following


@given(st.lists(st.sampled_from([b"data: x", b"\n", b"\r\n", b"\r", b"id: s:1\n"]), max_size=20), st.data())
def test_events_are_the_same_wherever_they_are_split(parts: list[bytes], data: st.DataObject) -> None:
    """Cut into any pieces, a stream has the same events, and no byte is lost or changed."""
    stream = b"".join(parts) + b"end\n\n"
    at = data.draw(st.lists(st.integers(0, len(stream)), max_size=4).map(sorted))
    cutter = FrameCutter()
    pieces = [stream[start:end] for start, end in zip([0, *at], [*at, len(stream)], strict=True)]
    frames = [frame for piece in pieces for frame in cutter.feed(piece)]
    assert frames == FrameCutter().feed(stream)
    assert b"".join(frames) == stream


@given(st.lists(st.integers(0, 200), max_size=8))
def test_what_comes_twice_is_handed_out_once(cuts: list[int]) -> None:
    """Connections that begin too early and break anywhere bring each event once, in order."""
    following, stream = _begun(), b"".join(EVENTS)
    frames: list[StreamFrame] = []
    for cut in [*cuts, len(stream)]:
        frames += following.add(stream[:cut])
        following.lost(GatewayUnreachable())
        following.opened(KEPT)
    assert frames == [StreamFrame(number, data) for number, data in enumerate(EVENTS, 1)]


def test_the_rest_is_asked_for_behind_the_last_event() -> None:
    """After a cut the call is not sent again; the stream is read on."""
    following = Following("stream-1", CALL)
    assert following.request() is CALL
    following.opened(KEPT)
    following.add(EVENTS[0] + EVENTS[1][:5])
    following.lost(GatewayUnreachable())
    assert following.request().path == "/v1/streams/stream-1?after=1"
    assert following.last == 1


def test_a_gap_is_a_broken_answer() -> None:
    """An event that is missing is not passed over."""
    with pytest.raises(BrokenAnswer, match="from event 0 to event 2"):
        _begun().add(EVENTS[1])


def test_what_came_before_a_gap_is_handed_out() -> None:
    """In one piece with what is missing something, too; then the rest is asked for behind it."""
    following = _begun()
    assert following.add(EVENTS[0] + EVENTS[2]) == [StreamFrame(1, EVENTS[0])]
    assert following.last == 1
    with pytest.raises(BrokenAnswer, match="from event 1 to event 3"):
        following.add(EVENTS[2])
    following.lost(BrokenAnswer())
    assert following.request().path == "/v1/streams/stream-1?after=1"


def test_a_report_that_cannot_be_had_is_asked_for_later() -> None:
    """Where that helps: a connection that breaks and a server that is busy are no end of a stream."""
    for passing in (GatewayUnreachable(), Overloaded()):
        following = _begun()
        following.missed(passing)
        assert following.delay_s() > 0
        assert not following.over
    with pytest.raises(StreamNotFound):
        _begun().missed(StreamNotFound())


def test_signs_of_life_are_no_events() -> None:
    """Comments and events of nobody are not handed out."""
    assert _begun().add(b": still here\n\nid: other-1:1\ndata: x\n\ndata: x\n\n") == []


def test_a_call_that_never_arrived_is_sent_again() -> None:
    """It is asked about first; what is taken then is its own."""
    following = Following("stream-1", CALL)
    following.lost(GatewayUnreachable())
    assert following.request().method == "GET"
    following.refused(StreamNotFound())
    assert following.request() is CALL
    following.refused(StreamExists())
    assert following.request().method == "GET"


@pytest.mark.parametrize("error", [StreamExists, InvalidRequest, Overloaded])
def test_a_refusal_of_the_call_is_raised(error: type[NarthexError]) -> None:
    """What the gateway refuses at first is not asked for again."""
    with pytest.raises(error):
        Following("stream-1", CALL).refused(error())


def test_waits_grow_and_end() -> None:
    """Each wait is longer, from what the gateway asks for up to a bound; then what went wrong is raised."""
    following = _begun(Reconnect(cap_s=10, attempts=3))
    assert following.delay_s() == 0
    following.add(EVENTS[0])
    following.lost(GatewayUnreachable())
    assert [following.delay_s() for _ in range(3)] == [3, 6, 10]
    with pytest.raises(GatewayUnreachable):
        following.delay_s()
    following.add(EVENTS[1])
    assert following.delay_s() == 3


def test_a_gateway_that_is_busy_is_asked_later() -> None:
    """A refusal that passes is waited for as long as it says."""
    following = _begun()
    following.refused(Overloaded(retry_after_s=7))
    assert following.delay_s() == 7


def test_the_end_is_known_or_asked_for() -> None:
    """The last event of a whole answer tells; otherwise the gateway is asked."""
    whole = _begun()
    whole.add(b"".join(EVENTS))
    assert whole.ended()
    assert whole.over
    other = _begun()
    other.add(EVENTS[0])
    assert not other.ended()
    other.settle(StreamReport(id="stream-1", status="done", last_seq=3))
    assert not other.over
    other.settle(StreamReport(id="stream-1", status="failed", last_seq=1))
    assert other.over


@pytest.mark.parametrize(
    "cut",
    [lambda following: following.ended(), lambda following: following.lost(GatewayUnreachable())],
    ids=["ended", "lost"],
)
def test_what_is_not_kept_is_cut(cut: Callable[[Following], object]) -> None:
    """Without a stream to come back to, an answer without its end is broken."""
    following = Following("stream-1", CALL)
    following.opened(NOT_KEPT)
    assert following.add(b"data: a\n\n") == [StreamFrame(1, b"data: a\n\n")]
    with pytest.raises(ClientError):
        cut(following)


def test_other_answers_are_no_streams() -> None:
    """A whole answer, and a client that is closed, are told as they are."""
    with pytest.raises(BrokenAnswer, match="no stream"):
        Following("stream-1", CALL).opened(Head(200, {"content-type": "application/json"}))
    with pytest.raises(ClientError, match="closed"):
        _begun().lost(ClientError("this client is closed"))
