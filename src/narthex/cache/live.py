"""An answer that several processes are given while it is still being made: what its maker tells, what the others hear.

What goes from one to the others is bytes: a head that says what it is, pieces that are numbered from 1 on, and words at
the end. Whoever hears has every piece, once and in order, from the first one on, and knows whether that was the end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from narthex.cache.leases import Lease

WINDOW_BYTES: Final = 2_097_152
"""As much of one answer can be heard at a time: of a longer one the oldest goes, and then nobody begins to hear it."""
_GROUP_BYTES: Final = 65_536
"""What is told at one stroke; a piece may be larger."""


class Group(NamedTuple):
    """Pieces that are told at one stroke."""

    last: int
    """Number of the last of them."""
    pieces: list[bytes]
    held: int
    """Number of the last piece of the oldest group that can still be heard; 0 while none is gone."""


class Telling:
    """What a process tells of an answer that it makes.

    Attributes:
        token: Of the lease under which it is made.
        form: In which it is made.
        head: Says what it is.
        words: What is said at its end; None before.
        listeners: Who hears it, and when each was last heard of, in seconds.
        stop: Called when it is told no further.
    """

    def __init__(self, token: str, form: bytes, woken: Callable[[], None], *, window_bytes: int = WINDOW_BYTES) -> None:
        """Begin with nothing told.

        Args:
            token: Of the lease under which it is made.
            form: In which it is made.
            woken: Called when there is more to tell.
            window_bytes: How much of it can be heard at a time.
        """
        self.token, self.form = token, form
        self.head = b""
        self.words: bytes | None = None
        self.listeners: dict[str, float] = {}
        self.stop: Callable[[], None] = lambda: None
        self.told = 0
        """Number of the last piece that was told."""
        self.is_behind = False
        """Whether more waited to be told than could be heard: some of it is gone."""
        self._woken = woken
        self._window_bytes = window_bytes
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._held: deque[tuple[int, int]] = deque()
        self._held_bytes = 0
        self._is_cut = False

    def tell(self, pieces: Sequence[bytes]) -> None:
        """Take what is to be told next."""
        self._waiting_bytes += sum(map(len, pieces))
        if self._waiting_bytes > self._window_bytes:
            self.is_behind = True
            self._waiting.clear()
        if not self.is_behind:
            self._waiting += pieces
        self._woken()

    def end(self, words: bytes) -> None:
        """Take what is to be said at the end."""
        self.words = words
        self._woken()

    @property
    def has_news(self) -> bool:
        """Whether there is something to be told."""
        return bool(self._waiting) or self.words is not None

    def take(self) -> list[Group]:
        """Return what is to be told, all that waits."""
        waiting, groups = self._waiting, list[Group]()
        self._waiting, self._waiting_bytes = [], 0
        group, size = list[bytes](), 0
        for place, piece in enumerate(waiting, 1):
            group.append(piece)
            size += len(piece)
            if size >= _GROUP_BYTES or place == len(waiting):
                self.told += len(group)
                groups.append(Group(self.told, group, self._hold(size)))
                group, size = [], 0
        return groups

    def _hold(self, size: int) -> int:
        """Hold the group that was told last, and let go of the oldest beyond the window."""
        held = self._held
        held.append((self.told, size))
        self._held_bytes += size
        while self._held_bytes > self._window_bytes and len(held) > 1:
            self._held_bytes -= held.popleft()[1]
            self._is_cut = True
        return held[0][0] if self._is_cut else 0


class Speaker(Protocol):
    """Tells an answer that is being made, as soon as somebody wants to hear it."""

    form: bytes
    """In which it is made: whoever wants another waits for its end."""

    def begin(self, telling: Telling) -> bool:
        """Tell it from the first piece on until it ends or is stopped; False where that cannot be."""
        ...


class Hearing:
    """What a process hears of an answer that another makes.

    Attributes:
        key: Of the question.
        token: Of the lease under which it is made.
        form: In which it is wanted.
        head: Says what it is, once there is something of it.
        words: What was said at its end.
        is_lost: Whether there will be no more of it, and no end.
        is_held: Whether it is to be given nothing for now.
        wake: Called when there is more, or nothing more.
    """

    def __init__(self, key: bytes, token: str, form: bytes, left: Callable[[Hearing], None]) -> None:
        """Begin with nothing heard.

        Args:
            key: Of the question.
            token: Of the lease under which it is made.
            form: In which it is wanted.
            left: Called once, when nobody wants to hear it any more.
        """
        self.key, self.token, self.form = key, token, form
        self.head = b""
        self.words: bytes | None = None
        self.is_lost = self.is_held = False
        self.wake: Callable[[], None] = lambda: None
        self.when_released: Callable[[], None] = lambda: None
        """Called when it may be given more again."""
        self.heard = 0
        """Number of the last piece that came."""
        self._pieces: list[bytes] = []
        self._left: Callable[[Hearing], None] | None = left

    @property
    def has_begun(self) -> bool:
        """Whether there is something of it."""
        return bool(self.head) and self.heard > 0

    @property
    def is_over(self) -> bool:
        """Whether there will be no more."""
        return self.is_lost or self.words is not None

    def feed(self, first: int, pieces: Sequence[bytes]) -> bool:
        """Take pieces, of which some may have come before; False where some between are missing.

        Args:
            first: Number of the first of them.
            pieces: In order.
        """
        if first > self.heard + 1:
            return False
        fresh = pieces[self.heard + 1 - first :]
        self._pieces += fresh
        self.heard += len(fresh)
        return True

    def take(self) -> list[bytes]:
        """Return what has come since it was last asked."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def lose(self) -> None:
        """Take note that there will be no more of it, and no end."""
        if not self.is_over:
            self.is_lost = True
            self.wake()

    def hold(self) -> None:
        """Be given nothing for now: what came is not taken yet."""
        self.is_held = True

    def release(self) -> None:
        """Be given more again."""
        self.is_held = False
        self.when_released()

    def leave(self) -> None:
        """Hear it no longer."""
        if self._left is not None:
            left, self._left = self._left, None
            self.wake = lambda: None
            left(self)


class LiveAnswers(Protocol):
    """Where processes tell one another of answers while they make them.

    Nobody waits for it: what cannot be told or heard in time is not.
    """

    def offer(self, lease: Lease, speaker: Speaker) -> None:
        """Have an answer that is made under a lease of ours told to those who want to hear it, until the lease ends."""
        ...

    def hear(self, key: bytes, token: str, form: bytes) -> Hearing | None:
        """Hear the answer to a question that another process makes under its lease; None where nothing can be heard.

        Args:
            key: Of the question.
            token: Of the lease.
            form: In which it is wanted.
        """
        ...


class Wish(NamedTuple):
    """What is wanted of an answer that another process makes."""

    form: bytes
    may_take: Callable[[bytes], bool]
    """Tells by its head whether it may be given."""


class Listening:
    """Wants to hear the answer to a question from whatever process makes it."""

    def __init__(self, live: LiveAnswers | None, key: bytes, wish: Wish | None) -> None:
        """Begin with none.

        Args:
            live: Where it is heard; nowhere with None.
            key: Of the question.
            wish: What is wanted of it; None if nothing is.
        """
        self._live = live if wish is not None else None
        self._key, self._wish = key, wish
        self._hearing: Hearing | None = None

    def to(self, token: str) -> None:
        """Listen to the process that has this lease, and to none that had one before."""
        hearing, live, wish = self._hearing, self._live, self._wish
        if live is None or wish is None or (hearing is not None and hearing.token == token):
            return
        self.end()
        self._hearing = live.hear(self._key, token, wish.form)

    def begun(self) -> Hearing | None:
        """Return what can be heard, for its taker to leave; None if there is nothing that may be given."""
        hearing, wish = self._hearing, self._wish
        if hearing is None or wish is None or hearing.is_lost or not hearing.has_begun:
            return None
        if not wish.may_take(hearing.head):
            self.end()
            self._live = None
            return None
        self._hearing = None
        return hearing

    def end(self) -> None:
        """Listen no more."""
        if self._hearing is not None:
            self._hearing.leave()
            self._hearing = None
