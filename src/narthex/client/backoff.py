"""How long to wait before a lost connection is sought again. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_MAX_DOUBLINGS: Final = 30
"""Beyond these no bound that anybody waits for grows, and the figure would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnect:
    """How a lost connection is sought again."""

    base_s: float = 0.5
    """The first wait, in seconds, unless the gateway asks for another."""
    cap_s: float = 15.0
    """The longest wait, in seconds."""
    attempts: int = 12
    """Tries in succession that bring nothing, before it is given up."""


class Backoff:
    """Waits that grow: each a random share of a bound that doubles, so that many readers do not come back at once.

    Attributes:
        base_s: The first bound: what the gateway asks for, once it did.
    """

    def __init__(self, reconnect: Reconnect, chance: Callable[[], float]) -> None:
        """Begin.

        Args:
            reconnect: The bounds.
            chance: Draws from 0 to 1.
        """
        self.base_s = reconnect.base_s
        self._cap_s = reconnect.cap_s
        self._attempts = reconnect.attempts
        self._chance = chance
        self._tries = 0

    def reset(self) -> None:
        """Take note that something came: the next wait is short again."""
        self._tries = 0

    def next_s(self, *, attempts: int | None = None) -> float | None:
        """Return how long to wait before the next try, in seconds; None when there were as many as there may be.

        Args:
            attempts: How many there may be; by default as many as was said at the beginning.
        """
        if self._tries >= (self._attempts if attempts is None else attempts):
            return None
        bound_s = min(self._cap_s, self.base_s * 2.0 ** min(self._tries, _MAX_DOUBLINGS))
        self._tries += 1
        return bound_s / 2 + bound_s / 2 * self._chance()
