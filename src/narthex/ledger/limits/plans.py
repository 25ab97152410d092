"""Plans: the counters that concern one kind of call, laid out so that counting them costs next to nothing.

What most limits count is one number for each period of the calendar. A plan keeps the numbers of the periods at hand in
rows, and knows until when these are the right ones, so that a call is counted in each by a sum and a comparison.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from narthex.ledger.limits.counters import CalendarCounter, Counter, Slot
from narthex.ledger.limits.headers import Headers, Line, Words, headers_now, lines_of
from narthex.ledger.limits.uses import Amounts
from narthex.types.limits import Measure, Period

Pair = tuple[Counter, int]
"""A counter, with the place of what it counts among what a call uses."""
Row = tuple[Slot, int, float]
"""A number of a period, the place of what it counts, and up to which sum calls are let through."""

_OF_A_CALL: Final = frozenset({Measure.REQUESTS, Measure.PARALLEL})
_Figure = tuple[int, str, Slot, int]
"""The place of the header of what is left, its name, where that stands, and the amount."""


class Plan:
    """The counters of one kind of call, found once.

    Attributes:
        all: All of them.
        calendars: Those that are counted in rows.
        others: Those that are asked.
        rows: As of the periods that were at hand last.
        since, until: When these periods begin and end, in seconds of Unix time.
        told: What its callers are told, by the words; see `tell`.
        has_budget: Whether one of the limits refuses by what is spent.
        sized: Whether one looks at more of a call than that there is one.
        watched: Whether more is to be done at the end of a call than to count it in the rows.
    """

    __slots__ = ("all", "calendars", "has_budget", "others", "rows", "since", "sized", "told", "until", "watched")

    def __init__(self, found: Sequence[Pair]) -> None:
        self.all = tuple(found)
        self.calendars = [(one, place) for one, place in found if isinstance(one, CalendarCounter)]
        self.others = [pair for pair in found if not isinstance(pair[0], CalendarCounter)]
        self.has_budget = any(counter.limit.hard and counter.limit.is_money for counter, _ in found)
        self.watched = bool(self.others) or any(counter.limit.alert_percents for counter, _ in found)
        self.sized = any(counter.limit.measure not in _OF_A_CALL for counter, _ in found)
        self.rows: tuple[Row, ...] = ()
        self.since, self.until = math.inf, -math.inf
        self.told: dict[Words, Telling] = {}

    def turn(self, wall: float) -> None:
        """Have the rows of the periods around a moment at hand."""
        counters = [counter for counter, _ in self.calendars]
        self.rows = tuple((counter.at(wall), place, counter.gate) for counter, place in self.calendars)
        self.since = max((counter.start for counter in counters), default=-math.inf)
        self.until = min((counter.end for counter in counters), default=math.inf)

    def give_back(self, refusing: Slot, needs: Amounts) -> None:
        """Count in none of the rows what was counted in those before the one that refused."""
        for slot, place, _ in self.rows:
            if slot is refusing:
                return
            slot.total -= needs[place]

    def tell(self, words: Words) -> Telling:
        """Return what callers are told in these words, which is in `told` from then on."""
        lines = lines_of((counter for counter, _ in self.all), words)
        found = self.told[words] = Telling(lines, words)
        return found


class Telling:
    """What the callers of a plan are told in one dialect: its words anew each second, its figures each time."""

    __slots__ = ("_figures", "_fixed", "_is_plain", "_lines", "_since", "_until", "_words")

    def __init__(self, lines: tuple[Line, ...], words: Words) -> None:
        self._lines = lines
        self._words = words
        self._is_plain = all(len(line.counters) == 1 and _is_plain(line.counters[0][0]) for line in lines)
        self._fixed: list[tuple[str, str]] = []
        """The headers of the amounts and the times, which hold for a second; empty ones in the places of figures."""
        self._figures: tuple[_Figure, ...] = ()
        self._since, self._until = math.inf, -math.inf

    def now(self, moment: tuple[float, float]) -> Headers:
        """Return it at a moment by both clocks."""
        wall, steady = moment
        if not self._is_plain:
            return headers_now(self._lines, self._words, wall, steady)
        if not self._since <= wall < self._until:
            self._turn(wall)
        told = self._fixed.copy()
        for place, remaining, slot, most in self._figures:
            left = most - slot.total
            told[place] = remaining, str(left) if left > 0 else "0"
        return tuple(told)

    def _turn(self, wall: float) -> None:
        ends: list[float] = []
        fixed: list[tuple[str, str]] = []
        figures: list[_Figure] = []
        for remaining, reset, ((counter, amount),) in self._lines:
            assert isinstance(counter, CalendarCounter)
            slot = counter.at(wall)
            ends.append(counter.end - wall)
            figures.append((len(fixed) + 1, remaining, slot, counter.most))
            fixed += (amount, ("", ""), (reset, self._words.when(ends[-1], wall)))
        self._fixed, self._figures = fixed, tuple(figures)
        self._since = math.floor(wall)
        # In the last second of a period its end is told in milliseconds.
        self._until = self._since + (1 if min(ends, default=math.inf) > 1 else 0)


def _is_plain(counter: Counter) -> bool:
    """Tell whether a counter stands in one number, and is filled again at a known time."""
    return isinstance(counter, CalendarCounter) and counter.limit.period is not Period.TOTAL


NO_PLAN: Final = Plan(())
"""Of a kind of call that is not known yet."""
