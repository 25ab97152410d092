"""What all sockets share: how many there may be, the heartbeat, keys that are gone, and the counters."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from narthex.errors import Overloaded, RateLimited, RouteNotFound
from narthex.http.sockets.contract import Close
from narthex.http.sockets.hub import SocketHub
from narthex.tenancy.bounds import Bounds, Keeping
from narthex.tenancy.keys import LOCAL, NO_KEY, Caller, KeyMark, Keyring
from narthex.tenancy.scopes import NO_SCOPES, Scopes
from narthex.types.priorities import Priority
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


async def test_a_socket_ends_when_its_key_goes_to_another() -> None:
    """Once the key belongs to another tenant, what was opened for the one before is closed."""
    key = "sk-team-0123456789abcdef"
    ring = Keyring([("team", key)], {"team": "one"})
    hub = SocketHub(limits(), ring)
    socket = Counted(ring.identify(key.encode()), ring.mark(key.encode()))
    hub.enter(socket)
    ring.adopt(Keyring([("team", key)], {"team": "one"}, priorities={"team": Priority.LOW}))
    for _ in range(20):
        hub.tick()
    assert socket.closed == []
    ring.adopt(Keyring([("team", key)], {"team": "two"}))
    for _ in range(20):
        hub.tick()
    assert socket.closed == [Close.KEY_GONE]
    hub.leave(socket, None)


@pytest.mark.parametrize(
    "narrowed",
    [
        {"scopes": Scopes(models=("small/*",))},
        {"scopes": Scopes(routes=("chat",))},
        {"scopes": Scopes(addresses=("192.0.2.7/32",))},
        {"scopes": NO_SCOPES, "allowed_models": ["small/*"]},
        {"scopes": NO_SCOPES, "may_call": False},
        {"scopes": NO_SCOPES, "keeping": Keeping(capture="none")},
        {"permissions": frozenset({"usage:read"})},
        {},
    ],
)
async def test_a_socket_ends_when_its_key_is_good_for_less(narrowed: dict[str, object]) -> None:
    """What it was opened for would hold on it for ever; what is read anew and says the same ends nothing."""
    permissions = narrowed.get("permissions")
    ring, mark = Keyring([]), KeyMark(b"one")
    before = replace(TEAM, virtual_key="key_1", bounds=Bounds(NO_SCOPES))
    hub = SocketHub(limits(), ring)
    socket = Counted(before, mark)
    ring.learn([(mark, before)])
    hub.enter(socket)
    ring.learn([(mark, replace(before, bounds=Bounds(NO_SCOPES)))])
    for _ in range(20):
        hub.tick()
    assert (socket.closed, socket.beats > 0) == ([], True)
    after = replace(before, bounds=None)
    if isinstance(permissions, frozenset):
        after = replace(before, permissions=permissions)
    elif narrowed:
        after = replace(before, bounds=Bounds(**narrowed))  # type: ignore[arg-type]  # by name
    ring.learn([(mark, after)])
    for _ in range(20):
        hub.tick()
    assert socket.closed == [Close.KEY_GONE]
    hub.leave(socket, None)


async def test_what_clients_close_with_does_not_fill_the_metrics() -> None:
    """Codes of their own are counted as one."""
    hub = SocketHub(limits(), Keyring([]))
    for code in (3001, 4000, 4999, 1001, 4401):
        hub.enter(socket := Counted())
        hub.leave(socket, code)
    assert dict(hub.closed) == {3000: 3, 1001: 1, 4401: 1}


async def test_everything_is_counted() -> None:
    """Open sockets, messages, and how sockets ended are told to Prometheus."""
    hub = SocketHub(limits(), Keyring([]))
    sockets = [Counted(), Counted(), Counted()]
    for socket in sockets:
        hub.enter(socket)
    hub.messages = 7
    hub.leave(sockets[0], None)
    hub.leave(sockets[1], 4408)
    lines = list(hub.lines())
    assert "narthex_sockets_open 1" in lines
    assert "narthex_socket_messages_total 7" in lines
    assert 'narthex_sockets_closed_total{code="1006"} 1' in lines
    assert 'narthex_sockets_closed_total{code="4408"} 1' in lines
    hub.close_all()
    assert sockets[2].closed == [Close.RESTART]
