"""What is there at one time, and may not be more than so much: bytes, documents, collaborators, tasks."""

from __future__ import annotations

from typing import Final, Protocol

from narthex.errors import LimitExceeded, LimitFacts
from narthex.types.accounts import Account
from narthex.types.limits import Limit, Measure


class Held(Protocol):
    """What one thing takes up, until released."""

    def grow(self, amount: int) -> bool:
        """Count so much more if there is room for it; tell whether there was."""
        ...

    def settle(self, amount: int) -> None:
        """Count so much in the place of what was counted, however much it is."""
        ...

    def release(self) -> None:
        """Count nothing any more."""
        ...


class Storage(Protocol):
    """Counts the bytes that are kept for accounts."""

    def hold(self, account: Account, amount: int) -> Held:
        """Hold room for something.

        Raises:
            LimitExceeded: There is none.
        """
        ...

    def count(self, account: Account, amount: int) -> Held:
        """Hold what is there already, whatever the limits say."""
        ...


class _NothingHeld:
    def grow(self, amount: int) -> bool:
        """Always."""
        return amount >= 0

    def settle(self, amount: int) -> None:
        """Count nothing."""

    def release(self) -> None:
        """Have counted nothing."""


_NOTHING_HELD: Final = _NothingHeld()


class Uncounted:
    """Room without end, where nobody counts."""

    def hold(self, account: Account, amount: int) -> Held:
        """See `Storage`."""
        del account, amount
        return _NOTHING_HELD

    def count(self, account: Account, amount: int) -> Held:
        """See `Storage`."""
        return self.hold(account, amount)


_WORDS: Final = {
    Measure.STORAGE: "stored bytes",
    Measure.DOCUMENTS: "documents",
    Measure.COLLABORATORS: "collaborators",
    Measure.TASKS: "tasks under way",
}
_REMEDIES: Final = {
    Measure.STORAGE: "delete what is not needed",
    Measure.DOCUMENTS: "delete documents that are not needed",
    Measure.COLLABORATORS: "remove a member",
    Measure.TASKS: "wait until one has ended, or cancel one",
}
TASKS_AGAIN_S: Final = 1.0
"""When to try again where a task must end first, and nobody knows when one does."""


def no_room(limit: Limit, whose: str, *, used: int, need: int) -> LimitExceeded:
    """Return the error of whoever would add to what there may be no more of.

    Args:
        limit: By which.
        whose: The organisation or workspace whose things are counted.
        used: How much is there.
        need: How much more it would be.
    """
    word, measure = _WORDS[limit.measure], limit.measure
    facts = LimitFacts(
        id=limit.id,
        subject_kind=limit.subject_kind,
        subject=whose,
        measure=measure,
        period=limit.period,
        amount=limit.amount,
        used=used,
        reserved=0,
        resets_at=None,
    )
    said = f'the limit of {limit.amount} {word} for {limit.subject_kind} "{whose}" ({limit.id})'
    if need > limit.amount:
        message = f"{said} has no room for {need} at once: add less, or have it raised"
        return LimitExceeded(message, facts=facts)
    stands = "is reached" if used >= limit.amount else f"leaves {limit.amount - used}, and {need} are to be added"
    message = f"{said} {stands}: {used} are there; {_REMEDIES[measure]}, or have it raised"
    again_s = TASKS_AGAIN_S if measure is Measure.TASKS else None
    return LimitExceeded(message, facts=facts, retry_after_s=again_s)
