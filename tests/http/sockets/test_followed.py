"""One stream that is followed: what is sent of it, as far and as fast as it may be, and how it ends."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine

import pytest

from narthex.errors import Overloaded
from narthex.http.sockets.contract import Close, SocketLimits
from narthex.http.sockets.followed import Followed
from narthex.streams.log import Log, LogBounds
from narthex.streams.throttle import Pace
from narthex.types.dialects import Dialect
from tests.http.sockets.talking import LIMITS

Json = dict[str, object]


class Wire:
    """A line that keeps what is sent."""

    limits: SocketLimits = LIMITS

    def __init__(self) -> None:
        self.blocked = False
        self.sent: list[Json] = []
        self.rests = 0
        self.on_send: Callable[[], None] = lambda: None

    def send(self, message: bytes) -> None:
        """Keep it."""
        self.on_send()
        self.sent.append(json.loads(message))

    def close(self, code: Close, reason: str) -> None:
        """Nothing is closed."""

    def spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Nothing is started."""
        raise NotImplementedError

    def rest(self) -> None:
        """Count."""
        self.rests += 1


def followed(log: Log, wire: Wire, *, after: int = 0, pace: Pace | None = None) -> Followed:
    """Follow a log."""
    home: dict[str, Followed] = {}
    home["name"] = one = Followed(wire, "name", log, after=after, pace=pace, home=home)
    one.push()
    return one


def log_of(*events: bytes, bounds: LogBounds | None = None) -> Log:
    """Return a log with these events."""
    log = Log(Dialect.OPENAI_CHAT, bounds)
    for event in events:
        log.append(event)
    return log


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (b'id: name:1\ndata: {"a":1}\n\n', {"data": {"a": 1}}),
        (b"retry: 3000\nid: name:1\ndata: [DONE]\n\n", {"data": "[DONE]"}),
        (b'id: name:1\nevent: ping\ndata: {"a":\ndata: 1}\n\n', {"event": "ping", "data": {"a": 1}}),
        (b'id: name:1\r\ndata: {"a":1}\r\n\r\n', {"data": {"a": 1}}),
        (b"id: name:1\ndata: {broken\n\n", {"data": "{broken"}),
        (b'id: name:1\ndata: {"a":1} x\n\n', {"data": '{"a":1} x'}),
        (b'id: name:1\ndata: {"a":"\xff"}\n\n', {"data": {"a": "\ufffd"}}),
        (b"id: name:1\n: only a comment\n\n", {"data": ""}),
    ],
)
async def test_every_event_is_a_message_that_can_be_read(event: bytes, told: Json) -> None:
    """Whatever a provider writes, JSON or not, UTF-8 or not: it is told, and the message is JSON."""
    wire = Wire()
    followed(log_of(event), wire)
    assert wire.sent == [{"type": "event", "stream": "name", "seq": 1, **told}]


async def test_it_is_told_from_the_cursor_to_the_end() -> None:
    """What comes is sent as it comes, and the end once, with its error."""
    log, wire = log_of(b"data: 1\n\n", b"data: 2\n\n"), Wire()
    followed(log, wire, after=1)
    log.append(b"data: 3\n\n")
    log.close(Overloaded())
    assert [one.get("seq") for one in wire.sent] == [2, 3, None]
    end = wire.sent[-1]
    assert (end["type"], end["after"]) == ("end", 3)
    assert isinstance(end["error"], dict)
    assert end["error"]["code"] == "overloaded"
    assert wire.rests == 1
    assert log.readers == 0


async def test_a_slow_one_is_dropped_with_its_cursor() -> None:
    """One that falls too far behind is told behind which event it may come back, and hears no more."""
    log, wire = log_of(bounds=LogBounds(reader_lag_bytes=20_000)), Wire()
    log.detached = True
    followed(log, wire)
    log.append(b"data: 1\n\n")
    wire.blocked = True
    for _ in range(5):
        log.append(b"data: %b\n\n" % (b"x" * 10_000))
    assert wire.sent[1:] == [{"type": "dropped", "stream": "name", "after": 1}]
    log.close()
    assert len(wire.sent) == 2


async def test_a_pace_holds_for_each_event() -> None:
    """What may not be sent yet is not sent; what may is numbered as it is without a pace."""
    log, wire = log_of(*(b"id: name:%d\ndata: %d\n\n" % (number, number) for number in (1, 2, 3, 4))), Wire()
    followed(log, wire, after=1, pace=Pace(tokens_per_s=0.001))
    assert [(one["seq"], one["data"]) for one in wire.sent] == [(2, "2")]
    wire = Wire()
    followed(log, wire, after=1, pace=Pace(tokens_per_s=100.0))
    log.close()
    while not wire.sent or wire.sent[-1]["type"] != "end":  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.001)
    assert [(one["seq"], one["data"]) for one in wire.sent[:-1]] == [(2, "2"), (3, "3"), (4, "4")]
    assert wire.sent[-1]["after"] == 4


async def test_a_fault_of_ours_is_not_the_producers(caplog: pytest.LogCaptureFixture) -> None:
    """What breaks while it is told ends it for this reader alone, and is logged."""
    log, wire, other = log_of(), Wire(), Wire()
    followed(log, wire)
    followed(log, other)

    def fail() -> None:
        wire.on_send = lambda: None
        raise RuntimeError("as told")

    wire.on_send = fail
    with caplog.at_level(logging.ERROR):
        log.append(b"data: 1\n\n")
    assert [one["type"] for one in wire.sent] == ["end"]
    assert [one["type"] for one in other.sent] == ["event"]
    assert "as told" in caplog.text


async def test_the_line_may_end_while_it_is_told() -> None:
    """A line that leaves everything in the midst of an event hears no end."""
    log, wire = log_of(), Wire()
    home: dict[str, Followed] = {}
    home["name"] = one = Followed(wire, "name", log, after=0, pace=None, home=home)

    def leave() -> None:
        one.leave()
        home.clear()

    wire.on_send = leave
    log.append(b"data: 1\n\n")
    log.close()
    assert [told["type"] for told in wire.sent] == ["event"]
