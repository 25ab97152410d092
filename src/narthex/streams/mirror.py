"""A log that is written elsewhere, and followed here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from narthex.errors import NarthexError
from narthex.streams.log import Log, LogReader


class Mirror:
    """Makes one log of what comes of another, in order and once, whatever comes twice.

    Attributes:
        log: What is read here.
    """

    def __init__(self, log: Log, woken: Callable[[], None]) -> None:
        """Begin with a log that is empty, but may begin behind any number.

        Args:
            log: Where it is held.
            woken: Called when it may be given more again.
        """
        self.log = log
        self._woken = woken
        self._held = False
        self._wanted = 0
        log.throttle(self._hold, self._go_on)

    @property
    def held(self) -> bool:
        """Whether it is to be given nothing, because its readers do not keep up, and nobody waits for more."""
        return self._held and self.last >= self._wanted

    def want(self, number: int) -> None:
        """Have it given what comes up to this event, however slow its readers are: another waits for it."""
        self._wanted = max(self._wanted, number)
        self._woken()

    @property
    def last(self) -> int:
        """Number of the newest event that came."""
        return self.log.last_number

    def feed(self, first: int, events: Sequence[bytes]) -> bool:
        """Take in events, of which some may have come before.

        Args:
            first: Number of the first of them.
            events: In order.

        Returns:
            Whether they go with what came; False if events between the two are missing, and nothing was taken.
        """
        if first > self.last + 1:
            return False
        for event in events[self.last + 1 - first :]:
            self.log.append(event)
        return True

    def end(self, error: NarthexError | None) -> None:
        """Take note of the end, which is among the events if it tells of an error."""
        self.log.close(error)

    def drop(self) -> None:
        """Let readers go, without the end of the answer, so that nobody takes it for whole; they may come back."""
        for reader in list(self.log._readers):
            cast("LogReader", reader).drop()

    def _hold(self) -> None:
        self._held = True

    def _go_on(self) -> None:
        self._held = False
        self._woken()
