"""Whose turn it is to ask upstream, where several processes have the same question at once.

One of them has a lease, which holds while its call runs and ends with it, or runs out with its process. The others wait
for the answer to lie where all look, and go on by themselves where none comes. A lease keeps nobody from asking: in
doubt everybody does, and what is lost is the price of a call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

Outcome = Literal["kept", "left", "alone"]
"""How a lease ended: the answer lies there; it is somebody else's turn; or it is each for itself, as there is no answer
that others might be given."""


class Lease:
    """The right to ask for others as well; whoever has it ends it."""

    __slots__ = ("_ended", "key", "token")

    def __init__(self, key: bytes, token: str, ended: Callable[[Lease, Outcome], None]) -> None:
        """Take it.

        Args:
            key: Of the question.
            token: Tells it from all others, before and after.
            ended: Called once.
        """
        self.key, self.token = key, token
        self._ended: Callable[[Lease, Outcome], None] | None = ended

    def end(self, outcome: Outcome) -> None:
        """Tell those who wait what came of it; what is said after that changes nothing."""
        if self._ended is not None:
            ended, self._ended = self._ended, None
            ended(self, outcome)


class Turn:
    """What a look says about whose turn it is.

    Attributes:
        lease: It is ours.
        elsewhere_s: It is another process's, whose lease runs out after so many seconds unless it is renewed.
        holder: The token of that lease.
    """

    __slots__ = ("elsewhere_s", "holder", "lease")

    def __init__(self) -> None:
        self.lease: Lease | None = None
        self.elsewhere_s: float | None = None
        self.holder = ""

    def take(self, other: Turn) -> None:
        """Go by another one; its lease is this one's then."""
        self.lease, self.elsewhere_s, self.holder = other.hand_over(), other.elsewhere_s, other.holder

    def hand_over(self) -> Lease | None:
        """Return the lease, which is whoever asks from now on."""
        lease, self.lease = self.lease, None
        return lease

    def give_up(self, outcome: Outcome = "left") -> None:
        """End the lease, if there is one."""
        lease = self.hand_over()
        if lease is not None:
            lease.end(outcome)
