"""What all sockets share: how many there may be, the heartbeat, keys that are gone, and the counters."""

from __future__ import annotations

import asyncio

import pytest
from websockets.frames import Close as CloseFrame

from narthex.errors import Overloaded, RateLimited, RouteNotFound
from narthex.http.sockets.contract import Close
from narthex.http.sockets.hub import SocketHub
from narthex.tenancy.keys import LOCAL, NO_KEY, Caller, KeyMark, Keyring
from tests.http.sockets.talking import limits

TEAM = Caller(name="team")


class Counted:
    """A socket that counts what the hub does with it."""

    def __init__(self, caller: Caller = LOCAL, mark: KeyMark = NO_KEY) -> None:
        self.caller = caller
        self.mark = mark
        self.beats = 0
        self.beaten = asyncio.Event()
        self.closed: list[Close] = []

    def beat(self) -> None:
        """Count."""
        self.beats += 1
        self.beaten.set()

    def close(self, code: Close, reason: str) -> None:
        """Keep why."""
        assert reason
        self.closed.append(code)


async def test_sockets_are_counted_by_key_and_in_all() -> None:
    """One socket too many is refused: of a key as 429, of all as 503; a closed one makes room."""
    hub = SocketHub(limits(maximum=3, per_key=2), Keyring([]))
    mine = [Counted(TEAM), Counted(TEAM)]
    for socket in mine:
        hub.admit(TEAM)
        hub.enter(socket)
    with pytest.raises(RateLimited, match=r"sockets\.per_key"):
        hub.admit(TEAM)
    hub.enter(other := Counted())
    with pytest.raises(Overloaded, match=r"sockets\.maximum"):
        hub.admit(LOCAL)
    hub.leave(mine[0], None)
    hub.admit(TEAM)
    hub.leave(other, None)
    hub.leave(other, None)
    hub.leave(mine[1], None)
    assert len(hub) == 0


async def test_sockets_can_be_switched_off() -> None:
    """Where there are none, none is let in."""
    with pytest.raises(RouteNotFound, match=r"sockets\.enabled"):
        SocketHub(limits(enabled=False), Keyring([])).admit(LOCAL)


async def test_each_socket_is_looked_after_once_per_round() -> None:
    """However many there are, each is pinged once between two pings."""
    hub = SocketHub(limits(ping_s=10.0), Keyring([]))
    sockets = [Counted() for _ in range(100)]
    for number, socket in enumerate(sockets):
        hub.enter(socket)
        if not number % 10:
            hub.tick()
    before = [socket.beats for socket in sockets]
    for _ in range(10):
        hub.tick()
    assert [socket.beats - old for socket, old in zip(sockets, before, strict=True)] == [1] * 100
    for socket in sockets:
        hub.leave(socket, None)
    hub.tick()


async def test_the_heartbeat_runs_by_itself() -> None:
    """One timer beats while there are sockets."""
    hub = SocketHub(limits(ping_s=0.01), Keyring([]))
    socket = Counted()
    hub.enter(socket)
    await socket.beaten.wait()
    hub.leave(socket, None)


async def test_a_socket_ends_with_its_key() -> None:
    """Once the key is no longer valid, its sockets are closed with 4401."""
    ring = Keyring([("team", "sk-team-0123456789abcdef")])
    hub = SocketHub(limits(), ring)
    socket = Counted(TEAM, ring.mark(b"sk-team-0123456789abcdef"))
    hub.enter(socket)
    for _ in range(20):
        hub.tick()
    assert socket.closed == []
    ring.adopt(Keyring([("team", "sk-new-0123456789abcdef")]))
    for _ in range(20):
        hub.tick()
    assert socket.closed == [Close.KEY_GONE]
    hub.leave(socket, None)


async def test_everything_is_counted() -> None:
    """Open sockets, messages, and how sockets ended are told to Prometheus."""
    hub = SocketHub(limits(), Keyring([]))
    sockets = [Counted(), Counted(), Counted()]
    for socket in sockets:
        hub.enter(socket)
    hub.messages = 7
    hub.leave(sockets[0], None)
    hub.leave(sockets[1], CloseFrame(4408, "x"))
    lines = list(hub.lines())
    assert "narthex_sockets_open 1" in lines
    assert "narthex_socket_messages_total 7" in lines
    assert 'narthex_sockets_closed_total{code="4408"} 1' in lines
    hub.close_all()
    assert sockets[2].closed == [Close.RESTART]
