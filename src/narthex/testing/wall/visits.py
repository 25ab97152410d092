"""The provider's view: what each request asked, what was sent, and whether the client stayed."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

from narthex.testing.wall.asking import Wire

_KEPT: Final = 10_000
_SHOWN_CHARACTERS: Final = 200


@dataclass(slots=True, kw_only=True)
class Visit:
    """One request, as the provider saw it."""

    number: int
    """From 1, in the order they came."""
    connection: int
    """Number of the connection it came on."""
    came_s: float
    """When it came, in seconds since the start."""
    wire: Wire | None
    """None if it asked for something else than an answer."""
    target: str
    model: str
    is_streamed: bool
    prompt: str
    """The beginning of the user's first message."""
    is_continued: bool
    """Whether it brought an answer to be continued."""
    fault: str | None
    """The fault that was played; None if it was answered well."""
    ended_s: float | None = None
    """When the answer ended, in seconds since the start; None while it goes on."""
    sent_bytes: int = 0
    is_left: bool = False
    """Whether the client left before the end."""

    @property
    def lasted_s(self) -> float | None:
        """How long the answer went on; None while it does."""
        return None if self.ended_s is None else self.ended_s - self.came_s


class Visits:
    """The visits of a wall, the latest 10,000 of them; safe to be read from other threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began_s = clock()
        self._kept: deque[Visit] = deque(maxlen=_KEPT)
        self._changed = threading.Condition()
        self.count = 0
        """Visits so far, those forgotten too."""

    def now_s(self) -> float:
        """Return the seconds since the start."""
        return self._clock() - self._began_s

    def come(self, visit: Visit) -> Visit:
        """Note a request, under the next number."""
        with self._changed:
            self.count += 1
            visit.number = self.count
            visit.prompt = visit.prompt[:_SHOWN_CHARACTERS]
            self._kept.append(visit)
            self._changed.notify_all()
        return visit

    def end(self, visit: Visit, *, sent_bytes: int, is_left: bool) -> None:
        """Note the end of an answer."""
        with self._changed:
            visit.ended_s, visit.sent_bytes, visit.is_left = self.now_s(), sent_bytes, is_left
            self._changed.notify_all()

    def all(self) -> list[Visit]:
        """Return the visits, in the order they came."""
        with self._changed:
            return list(self._kept)

    def of(self, prompt: str, since: int = 0) -> list[Visit]:
        """Return the visits behind so many whose prompt has this text."""
        return [visit for visit in self.all() if visit.number > since and prompt in visit.prompt]

    def has_connection(self, number: int) -> bool:
        """Return whether a request has come on this connection."""
        return any(visit.connection == number for visit in self.all())

    def clear(self) -> None:
        """Forget all visits so far."""
        with self._changed:
            self._kept.clear()

    def wait_for(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Block until the condition holds, asked again at each change; return whether it does."""
        with self._changed:
            return self._changed.wait_for(condition, timeout_s)


def described(visit: Visit) -> dict[str, object]:
    """Return a visit as JSON has it."""
    return {**asdict(visit), "lasted_s": visit.lasted_s}
