"""Whether predictions come true: each is a bet, which is won if it is asked in time, and costs nothing by itself.

Money is spent only while the bets of late prove, with a confidence of 95 %, that enough of them are won. So where there
is nothing to be learned nothing is ever spent, and where it was and is no more, it stops by itself; and bets go on, so
that it begins again.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from typing import Final

import msgspec

LAST: Final = 200
"""Bets that count."""
FEWEST: Final = 20
"""Below, nothing is proved."""
MAX_OPEN: Final = 512
"""Bets that are open at once."""
_Z: Final = 1.645
"""One-sided, 95 %."""


class _Bet(msgspec.Struct):
    until: float
    sent: bool = False


class Record:
    """The bets of one principal.

    Attributes:
        won: Bets that were, in all.
        lost: Those that were not.
        used: Answers that were made early and then asked for.
        wasted: Those that were not.
    """

    def __init__(self) -> None:
        self.won = self.lost = self.used = self.wasted = 0
        self._open: OrderedDict[bytes, _Bet] = OrderedDict()
        self._last: deque[bool] = deque(maxlen=LAST)
        self._wins = 0

    @property
    def open_bets(self) -> int:
        """How many are open."""
        return len(self._open)

    @property
    def share(self) -> float | None:
        """The share that was won, of the last ones; None before any."""
        return self._wins / len(self._last) if self._last else None

    @property
    def proved(self) -> float:
        """The share of won bets that is proved, by the lower end of Wilson's interval; 0 of too few."""
        count = len(self._last)
        if count < FEWEST:
            return 0.0
        share, spread = self._wins / count, _Z * _Z / count
        margin = _Z * math.sqrt(share * (1 - share) / count + spread / count / 4)
        return max(0.0, (share + spread / 2 - margin) / (1 + spread))

    def bet(self, intent: bytes, *, now: float, until: float) -> None:
        """Bet that a question is asked until then; one that is open already stays as it is."""
        self.expire(now)
        if intent in self._open:
            return
        if len(self._open) >= MAX_OPEN:
            # Nobody can tell what became of it.
            self._open.popitem(last=False)
        self._open[intent] = _Bet(until)

    def sent(self, intent: bytes) -> None:
        """Take note that the answer to what a bet is about was made."""
        bet = self._open.get(intent)
        if bet is not None:
            bet.sent = True

    def is_sent(self, intent: bytes) -> bool:
        """Tell whether something was done for what a bet is about."""
        bet = self._open.get(intent)
        return bet is not None and bet.sent

    def asked(self, intent: bytes, *, now: float) -> bool:
        """Take note that a question was asked; return whether its answer had been made early."""
        self.expire(now)
        bet = self._open.pop(intent, None)
        if bet is None:
            return False
        self._ended(bet, is_won=True)
        return bet.sent

    def drop(self, intent: bytes) -> None:
        """Call a bet off: nothing is to be learned from it."""
        self._open.pop(intent, None)

    def lose(self, intent: bytes) -> None:
        """Take note that a bet is lost before its time: what was done for it was of no use."""
        bet = self._open.pop(intent, None)
        if bet is not None:
            self._ended(bet, is_won=False)

    def expire(self, now: float) -> None:
        """Take note of the bets that are lost by now; they are looked at in the order in which they were made."""
        while self._open:
            intent, bet = next(iter(self._open.items()))
            if bet.until > now:
                return
            del self._open[intent]
            self._ended(bet, is_won=False)

    def _ended(self, bet: _Bet, *, is_won: bool) -> None:
        if len(self._last) == LAST:
            self._wins -= self._last[0]
        self._last.append(is_won)
        self._wins += is_won
        self.won += is_won
        self.lost += not is_won
        if bet.sent:
            self.used += is_won
            self.wasted += not is_won
