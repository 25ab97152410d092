"""What all sockets share: who may open one, the heartbeat, and the count of it all.

One timer beats for all sockets. They are spread over the time between two pings, so that ten thousand of them are some
hundred at a time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Protocol

from narthex.errors import Overloaded, RateLimited, RouteNotFound
from narthex.http.sockets.contract import Close, SocketLimits
from narthex.tenancy.ephemeral import EphemeralKeys
from narthex.tenancy.keys import Caller, KeyMark, Keyring

_LONGEST_TICK_S = 1.0
_LEAST_SLOTS = 4
_ABNORMAL = 1006
"""Stands for a connection that is gone without a word: RFC 6455, section 7.4.1."""
_OF_CLIENTS = 3000
"""From here on clients close with whatever they like, which is counted as one."""
_OURS = frozenset(Close)
_KEY_GONE = (
    "what this socket was opened with, a key or a session, is not valid any more, or not for the same; open it again"
)


class Held(Protocol):
    """A socket, seen from the hub."""

    caller: Caller
    mark: KeyMark

    def beat(self) -> None:
        """Look whether the client is still there."""
        ...

    def close(self, code: Close, reason: str) -> None:
        """Close with a reason."""
        ...


class SocketHub:
    """All sockets of this process.

    Attributes:
        limits: What they may do; may be exchanged at any time.
        clock: Tells the time of the last sweep over all connections, in seconds.
        messages: Texts that clients have sent so far.
        closed: How many have ended, by close code.
        ephemeral: Keys that open sockets and nothing else.
    """

    def __init__(self, limits: SocketLimits, keyring: Keyring) -> None:
        """Begin with none."""
        self.limits = limits
        self.clock: Callable[[], float] = lambda: 0.0
        self.messages = 0
        self.ephemeral = EphemeralKeys(keyring, maximum=lambda: self.limits.max_ephemeral_keys)
        self._keyring = keyring
        self._slots: list[set[Held]] = []
        self._slot_of: dict[Held, set[Held]] = {}
        self._turn = 0
        self._by_caller: Counter[str] = Counter()
        self.closed: Counter[int] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._slot_of)

    def admit(self, caller: Caller) -> None:
        """Let a caller open one more socket.

        Raises:
            RouteNotFound: There are no sockets here.
            Overloaded: There are as many as may be.
            RateLimited: The caller has as many as one may have.
        """
        limits = self.limits
        if not limits.enabled:
            raise RouteNotFound("sockets are switched off here; `sockets.enabled` brings them back")
        if len(self) >= limits.maximum:
            raise Overloaded(f"there are {limits.maximum} sockets already, as `sockets.maximum` says", retry_after_s=1)
        if self._by_caller[caller.name] >= limits.per_key:
            raise RateLimited(
                f"this key has {limits.per_key} sockets open already, as `sockets.per_key` says; close some first",
                retry_after_s=1,
            )

    def enter(self, socket: Held) -> None:
        """Keep a socket that was opened."""
        if not self._slots:
            self._slots = [set() for _ in range(self._slots_wanted())]
            self._turn = 0
        slot = self._slots[self._turn - 1]
        slot.add(socket)
        self._slot_of[socket] = slot
        self._by_caller[socket.caller.name] += 1
        if self._timer is None:
            self._wind()

    def leave(self, socket: Held, code: int | None) -> None:
        """Forget a socket that is gone; `code` tells how, if it was closed in good order."""
        slot = self._slot_of.pop(socket, None)
        if slot is None:
            return
        slot.discard(socket)
        self.closed[_ABNORMAL if code is None else _counted(code)] += 1
        name = socket.caller.name
        self._by_caller[name] -= 1
        if not self._by_caller[name]:
            del self._by_caller[name]
        if not self._slot_of:
            self._slots = []

    def tick(self) -> None:
        """Look after the sockets whose turn it is."""
        if not self._slots:
            return
        self._turn = (self._turn + 1) % len(self._slots)
        holder = self._keyring.holder
        for socket in tuple(self._slots[self._turn]):
            caller = holder(socket.mark)
            if caller is socket.caller or (caller is not None and _may_as_before(caller, socket.caller)):
                socket.beat()
            else:
                socket.close(Close.KEY_GONE, _KEY_GONE)

    def close_gone(self) -> None:
        """Close the sockets whose key opens nothing any more."""
        holder = self._keyring.holder
        for socket in tuple(self._slot_of):
            if holder(socket.mark) is None:
                socket.close(Close.KEY_GONE, _KEY_GONE)

    def close_all(self) -> None:
        """Close what is left as the server stops."""
        for socket in tuple(self._slot_of):
            socket.close(Close.RESTART, "this server stops; open the socket again in a moment")

    def lines(self) -> Iterator[str]:
        """Render the counters."""
        yield "# HELP narthex_sockets_open WebSockets that are open."
        yield "# TYPE narthex_sockets_open gauge"
        yield f"narthex_sockets_open {len(self)}"
        yield "# HELP narthex_socket_messages_total Messages that clients have sent on WebSockets."
        yield "# TYPE narthex_socket_messages_total counter"
        yield f"narthex_socket_messages_total {self.messages}"
        yield "# HELP narthex_sockets_closed_total WebSockets that were closed, by close code."
        yield "# TYPE narthex_sockets_closed_total counter"
        for code, count in sorted(self.closed.items()):
            yield f'narthex_sockets_closed_total{{code="{code}"}} {count}'

    def _slots_wanted(self) -> int:
        return max(_LEAST_SLOTS, round(self.limits.ping_s / _LONGEST_TICK_S))

    def _wind(self) -> None:
        tick_s = self.limits.ping_s / len(self._slots)
        self._timer = asyncio.get_running_loop().call_later(tick_s, self._beat)

    def _beat(self) -> None:
        self._timer = None
        self.tick()
        if self._slots:
            self._wind()


def _may_as_before(now: Caller, before: Caller) -> bool:
    """Tell whether whoever opened a socket still is who they were, and may do what they might."""
    if now.owner != before.owner or not before.permissions <= now.permissions:
        return False
    if now.bounds is None or before.bounds is None:
        return now.bounds is before.bounds
    return now.bounds.terms == before.bounds.terms


def _counted(code: int) -> int:
    return code if code < _OF_CLIENTS or code in _OURS else _OF_CLIENTS
