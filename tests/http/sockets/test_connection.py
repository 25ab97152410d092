"""One socket: frames at any split, limits, what a slow client holds back, and every way it ends."""

from __future__ import annotations

import asyncio
import itertools
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.server import ServerState
from websockets.frames import Opcode

from narthex.http.deadlines import Phase
from narthex.http.sockets.connection import SocketConnection
from narthex.http.sockets.contract import Close, SocketLimits
from narthex.http.sockets.hub import SocketHub
from narthex.tenancy.keys import LOCAL, NO_KEY, Keyring
from tests.http.sockets.talking import Echo, Transport, limits, masked

TEXT, BINARY, CONT, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10


class Held:
    """A socket in no network."""

    def __init__(self, allowed: SocketLimits | None = None) -> None:
        self.hub = SocketHub(allowed or limits(), Keyring([]))
        self.state = ServerState()
        self.talk = Echo()
        self.transport = Transport()
        self.socket = SocketConnection(self.hub, self.state, self.talk, caller=LOCAL, mark=NO_KEY)
        self.socket.connection_made(self.transport)

    def feed(self, *pieces: bytes) -> None:
        """Receive these."""
        for piece in pieces:
            self.socket.data_received(piece)


_FRAMES = st.lists(
    st.one_of(
        st.builds(lambda text: masked(TEXT, text.encode()), st.text(max_size=20)),
        st.builds(
            lambda text: masked(TEXT, text.encode()[:3], fin=False) + masked(CONT, text.encode()[3:]),
            st.text(max_size=20),
        ),
        st.builds(lambda data: masked(TEXT, data), st.binary(max_size=10)),
        st.builds(lambda data: masked(PING, data), st.binary(max_size=10)),
        st.builds(lambda data: masked(CONT, data), st.binary(max_size=4)),
        st.builds(lambda data: masked(CLOSE, data), st.sampled_from([b"", b"\x03\xe8", b"\x03", b"\x00\x01"])),
        st.binary(min_size=1, max_size=12),
    ),
    max_size=8,
)


@given(_FRAMES, st.lists(st.integers(min_value=0, max_value=400), max_size=12))
def test_the_split_of_what_comes_changes_nothing(frames: list[bytes], cuts: list[int]) -> None:
    """However frames, good and bad, are cut into pieces: the same is heard, and the socket ends or does not.

    Of two faults in one piece the parser finds the later first, so the code may be that of either.
    """
    data = b"".join(frames)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[start:end] for start, end in itertools.pairwise(places)]

    async def outcome(*parts: bytes) -> tuple[list[bytes], bool, int]:
        held = Held()
        held.feed(*parts)
        return held.talk.said, held.transport.close_code() is not None, held.talk.leavings

    assert asyncio.run(outcome(*pieces)) == asyncio.run(outcome(data))


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (masked(BINARY, b"x"), Close.UNSUPPORTED),
        (masked(TEXT, b"\xff\xfe"), Close.INVALID_DATA),
        (masked(TEXT, b"\xc3", fin=False) + masked(CONT, b"\x28"), Close.INVALID_DATA),
        (masked(TEXT, b"x" * 5_000), Close.TOO_BIG),
        (masked(TEXT, b"x" * 3_000, fin=False) + masked(CONT, b"x" * 3_000), Close.TOO_BIG),
        (masked(CONT, b"x"), 1002),
        (masked(3, b"x"), 1002),
        (b"\x81\x01x", 1002),
        (masked(CLOSE, b"\x03\xe8"), 1000),
    ],
    ids=[
        *("binary", "not UTF-8", "not UTF-8 over two frames", "too big", "too big over two frames"),
        *("nothing to go on with", "unknown opcode", "not masked", "closed by the client"),
    ],
)
async def test_each_fault_has_its_close_code(sent: bytes, code: int) -> None:
    """Binary data, broken text, too much, stray fragments, unknown and unmasked frames: each is told by its code."""
    held = Held()
    held.feed(sent)
    assert held.transport.close_code() == code
    assert held.talk.leavings == 1
    assert held.socket.phase is Phase.CLOSING
    held.feed(masked(TEXT, b"still there?"))
    assert held.talk.said == []


async def test_a_text_in_pieces_is_one_text() -> None:
    """Fragments are put together, also when a character is cut, and pings between them are answered."""
    held = Held()
    data = "Grüße".encode()
    held.feed(masked(TEXT, data[:3], fin=False), masked(PING, b"?"), masked(CONT, data[3:]))
    assert held.talk.said == [data]
    assert [frame.opcode for frame in held.transport.frames()] == [Opcode.PONG, Opcode.TEXT]


async def test_too_many_messages_close_with_4429() -> None:
    """Twice the messages of a second may come at once; one more closes."""
    held = Held(limits(messages_per_s=5.0))
    held.feed(masked(TEXT, b"a") * 10)
    assert held.transport.close_code() is None
    held.feed(masked(PING, b"") * 2)
    assert held.transport.close_code() == Close.TOO_MANY


async def test_a_flood_is_not_looked_at_to_its_end() -> None:
    """Of thousands of frames in one piece no more are taken in than may be."""
    held = Held(limits(messages_per_s=5.0))
    held.feed(masked(PING, b"") * 20_000)
    assert held.transport.close_code() == Close.TOO_MANY
    assert len(held.transport.written) < 4_096


async def test_a_flood_behind_the_close_is_cut_off() -> None:
    """What was on its way when the socket was closed is passed over, up to what may come at once."""
    held = Held(limits(messages_per_s=5.0))
    held.socket.close(Close.NORMAL, "")
    held.feed(masked(PING, b"") * 10)
    before = held.transport.aborted
    held.feed(masked(PING, b"") * 20_000)
    assert (before, held.transport.aborted) == (False, True)
    assert held.talk.said == []


async def test_a_flood_of_one_who_takes_nothing_is_not_kept() -> None:
    """While its connection is full, a client that sends more than it may is closed, and nothing is held for it."""
    held = Held(limits(messages_per_s=5.0))
    held.transport.on_write = held.socket.pause_writing
    held.feed(masked(TEXT, b"one") + masked(TEXT, b"x") * 20_000)
    assert held.talk.said == [b"one"]
    assert held.transport.close_code() == Close.TOO_MANY
    assert held.talk.leavings == 1
    assert not held.socket._held


async def test_fragments_take_up_no_more_than_they_hold() -> None:
    """A text in many empty fragments takes up nothing."""
    held = Held()
    held.feed(masked(TEXT, b"", fin=False), *[masked(CONT, b"", fin=False)] * 100)
    assert not held.socket._parts
    held.feed(masked(CONT, b"x"))
    assert held.talk.said == [b"x"]


async def test_a_client_that_takes_nothing_is_not_heard() -> None:
    """While its connection is full nothing is read or heard; then all of it is, in order."""
    held = Held()
    held.transport.on_write = held.socket.pause_writing
    held.feed(masked(TEXT, b"one") + masked(TEXT, b"two") + masked(TEXT, b"three"))
    assert held.talk.said == [b"one"]
    assert (held.transport.reading, held.socket.stalled_since) == (False, 0.0)
    held.transport.on_write = lambda: None
    held.socket.resume_writing()
    assert held.talk.said == [b"one", b"two", b"three"]
    assert held.talk.resumptions == 1
    assert (held.transport.reading, held.socket.stalled_since) == (True, None)


async def test_what_waits_to_be_taken_is_bounded() -> None:
    """More than may wait is not added to: the socket is closed with 1013."""
    held = Held()
    held.transport.buffered = 65_537
    held.feed(masked(TEXT, b"more"))
    assert held.transport.close_code() == Close.OVERFLOW


async def test_a_silent_client_is_closed_after_one_ping() -> None:
    """Anything that comes is a sign of life; nothing between two pings closes with 4408."""
    held = Held()
    held.socket.beat()
    held.feed(masked(PONG, b""))
    held.socket.beat()
    assert held.transport.close_code() is None
    held.socket.beat()
    assert held.transport.close_code() == Close.SILENT


async def test_a_fault_of_ours_ends_this_socket_alone(caplog: pytest.LogCaptureFixture) -> None:
    """What breaks in a talk is logged, and told as 1011."""
    held = Held()
    with caplog.at_level(logging.ERROR):
        held.feed(masked(TEXT, b"break"))
    assert held.transport.close_code() == Close.BROKEN
    assert "as told" in caplog.text


async def test_a_fault_while_it_goes_on_is_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What breaks when the client keeps up again closes the socket; it does not stay deaf."""
    held = Held()

    def fail() -> None:
        raise RuntimeError("as told")

    monkeypatch.setattr(held.talk, "resumed", fail)
    held.socket.pause_writing()
    with caplog.at_level(logging.ERROR):
        held.socket.resume_writing()
    assert held.transport.close_code() == Close.BROKEN
    assert held.transport.reading
    assert "as told" in caplog.text


async def test_a_stopping_server_closes_idle_sockets_at_once() -> None:
    """A socket without calls is closed with 1012, one with calls when they have ended."""
    idle, busy = Held(), Held()
    busy.talk.busy = True
    idle.socket.shutdown()
    busy.socket.shutdown()
    assert idle.transport.close_code() == Close.RESTART
    assert busy.transport.close_code() is None
    busy.talk.busy = False
    busy.socket.rest()
    assert busy.transport.close_code() == Close.RESTART


async def test_a_lost_connection_leaves_no_trace() -> None:
    """Whoever is gone stands in no book any more."""
    held = Held()
    assert held.state.connections
    assert len(held.hub) == 1
    assert held.socket.eof_received() is False
    held.socket.connection_lost(None)
    assert not held.state.connections
    assert len(held.hub) == 0
    assert held.talk.leavings == 1


async def test_a_task_stands_in_the_books_until_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    """The server waits for what a talk starts; a task that breaks closes the socket."""
    held = Held()

    async def work() -> None:
        raise RuntimeError("as told")

    with caplog.at_level(logging.ERROR):
        task = held.socket.spawn(work())
        assert task in held.state.tasks
        await asyncio.wait([task])
        await asyncio.sleep(0)
    assert not held.state.tasks
    assert held.transport.close_code() == Close.BROKEN


async def test_a_reason_is_cut_to_what_a_frame_holds() -> None:
    """A long reason does not break the close frame."""
    held = Held()
    held.socket.close(Close.NORMAL, "ü" * 100)
    assert held.transport.close_code() == Close.NORMAL


async def test_time_over_ends_the_connection() -> None:
    """The sweeper's word ends it, whatever is still to be sent."""
    held = Held()
    held.socket.expire(Phase.CLOSING)
    assert held.transport.aborted
