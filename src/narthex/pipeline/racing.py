"""Two attempts at one call beside each other: who answers first wins, and the other is let go.

The attempts are made on a fork of the exchange each, and nothing is written on the exchange itself before one of them
has answered; what that one set is taken over then, at once and in one place.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Protocol

import msgspec

from narthex.errors import Cancelled, InternalError, NarthexError
from narthex.pipeline.contract import Spawn
from narthex.pipeline.estimates import prompt_tokens
from narthex.pipeline.exchange import Exchange, Tried
from narthex.pipeline.recovery import Attempt, Failed, Recovery, deadline_of
from narthex.pipeline.shadows import acts_by_itself
from narthex.providers.catalog import Target
from narthex.resilience.decisions import Decision, decide, failure_of
from narthex.resilience.hedges import HedgeEnd, Hedges
from narthex.resilience.latency import HedgeBudget
from narthex.resilience.recovery import Way

logger = logging.getLogger(__name__)


class Timer(Protocol):
    """Something that is to happen later."""

    def cancel(self) -> object:
        """Have it not happen."""
        ...


Later = Callable[[float, Callable[[], None]], Timer]
"""Calls a function in so many seconds."""


class Marshal(Protocol):
    """Who starts and times attempts."""

    spawn: Spawn
    clock: Callable[[], float]
    later: Later
    budget: HedgeBudget
    counters: Hedges

    def observe(self, exchange: Exchange, target: Target, seconds: float) -> None:
        """Count how long the first frame of a target's answer took."""
        ...


class _Entrant:
    """One of the two attempts at a call, on a fork of its exchange."""

    def __init__(self, race: Race, exchange: Exchange, target: Target, way: str) -> None:
        self.exchange = exchange
        self.target = target
        self.begun = race.marshal.clock()
        # What is told of a task that was ended from outside, as at the stop of the server.
        self.error: NarthexError | None = Cancelled()
        self.left = False
        self.input_tokens = 0
        self._way = way
        self._policy = race.recovery.policy
        self._begun = False
        self.task = race.marshal.spawn(self._run(race))
        self.task.add_done_callback(race.wake)

    @property
    def decision(self) -> Decision | None:
        """What its failure leads to; None if it has not failed."""
        return decide(self.error, policy=self._policy) if self.error is not None and self.task.done() else None

    @property
    def told_truth(self) -> bool:
        """Whether it failed in a way that no other attempt can change; of a fault of this server nobody knows that."""
        return self.decision is Decision.TRUTH and not isinstance(self.error, InternalError)

    def leave(self) -> None:
        """Let it go, unless it has failed already: its connection is closed, and nobody is blamed."""
        if self.decision is not None:
            return
        self.left = True
        self.task.cancel()
        self.error = Cancelled()
        if not self._begun:
            # Nothing was sent, so nothing is billed.
            return
        usage = self.exchange.usage
        self.input_tokens = prompt_tokens(self.exchange) if usage is None else usage.input_tokens

    def tried(self) -> Tried:
        """Return it as the exchange tells it."""
        tried = Tried.of(self.target, self._way, self.begun, self.error)
        return msgspec.structs.replace(tried, input_tokens=self.input_tokens) if self.input_tokens else tried

    async def _run(self, race: Race) -> None:
        def begin(exchange: Exchange, target: Target) -> Awaitable[None]:
            self._begun = True
            return race.attempt(exchange, target)

        try:
            error = await race.recovery.try_once(self.exchange, begin, self.target, self.begun)
        except Exception:
            # A fault of this server: its caller is told as without a hedge, and the other attempt may still answer.
            logger.exception("an attempt at request %s broke", self.exchange.id)
            error = InternalError()
        if not self.left:
            self.error = error
            if error is None:
                race.won(self)
        elif error is None:
            # It did not hear that it was let go.
            self.end_answer()
            if self.exchange.watch is not None:
                self.exchange.watch.settled(Cancelled())

    def end_answer(self) -> None:
        """End an answer that nobody wants any more."""
        answer = self.exchange.answer
        if answer is not None and not answer.closed:
            answer.cancel()


class Race:
    """The first attempt at one call, and perhaps a second."""

    _first: _Entrant
    _hedge: _Entrant | None = None
    _winner: _Entrant | None = None
    _turn: asyncio.Future[None] | None = None

    def __init__(self, marshal: Marshal, recovery: Recovery, exchange: Exchange, attempt: Attempt) -> None:
        self.marshal = marshal
        self.recovery = recovery
        self.attempt = attempt
        self._exchange = exchange

    async def run(self, target: Target, late_s: float) -> Failed | None:
        """Make the attempts; tell where the call stands if neither answered."""
        self._late_s = late_s
        self._first = first = _Entrant(self, self._exchange.fork(), target, "first")
        timer = self.marshal.later(late_s, self.wake)
        try:
            await self._next()
            if not first.task.done():
                self._hedge = await self._second(target)
            while not self._decided():
                await self._next()
        except BaseException:
            if self._winner is None:
                self._conclude()
            else:
                # Its books are kept by who settles the call.
                self._winner.end_answer()
            raise
        finally:
            timer.cancel()
        if self._winner is not None:
            return None
        self._conclude()
        return self._failed()

    async def _next(self) -> None:
        """Wait until something has happened: an attempt has ended, or is late."""
        self._turn = asyncio.get_running_loop().create_future()
        await self._turn

    def wake(self, _ended: object = None) -> None:
        """Take note that something has happened."""
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(None)

    def won(self, winner: _Entrant) -> None:
        """Take over what an attempt set that has answered.

        It is called as soon as there is an answer: one that breaks in the next moment breaks on the exchange itself.
        """
        self._winner = winner
        self._conclude()

    @property
    def _entrants(self) -> tuple[_Entrant, ...]:
        return (self._first,) if self._hedge is None else (self._first, self._hedge)

    async def _second(self, first: Target) -> _Entrant | None:
        """Begin the second attempt, if there is somebody to ask, time for it and budget, and nothing is done twice."""
        exchange, board, marshal = self._exchange, self.recovery.board, self.marshal
        remaining_s = deadline_of(exchange, first) - monotonic()
        others = (one for one in self.recovery.chain(exchange) if one.name != first.name)
        places = self.recovery.places
        free = (one for one in others if board.available(one.name) and places.of(one.name).has_room)
        other = next(free, None)
        if other is None or remaining_s <= 0 or acts_by_itself(exchange.body):
            return None
        if not marshal.budget.take():
            marshal.counters.refused += 1
            return None
        if await self.recovery.refusal(exchange, other, beside=first) is not None or self._first.task.done():
            # Its limits do not allow it, or nobody waits any more.
            return None
        marshal.counters.begun += 1
        fork = exchange.fork()
        fork.target, fork.total_s = other, remaining_s
        return _Entrant(self, fork, other, "hedge")

    def _decided(self) -> bool:
        """Tell whether there is nothing to wait for any more: an answer, the truth, or two failures."""
        if self._winner is not None or self._first.told_truth:
            return True
        return all(one.task.done() for one in self._entrants)

    def _conclude(self) -> None:
        """Take over what the winner set, let the other go, and keep the books of both."""
        exchange, first, hedge, winner = self._exchange, self._first, self._hedge, self._winner
        for one in self._entrants:
            if one is not winner:
                one.leave()
        self._observe()
        if winner is not None:
            exchange.adopt(winner.exchange)
        if hedge is None and winner is first:
            return
        for one in self._entrants:
            exchange.note_attempt(one.tried())
        if hedge is not None:
            self._count(hedge)

    def _observe(self) -> None:
        """Keep the time of the first attempt, and of a second one that answered."""
        marshal, first, winner = self.marshal, self._first, self._winner
        took_s = marshal.clock() - first.begun
        if winner is first or self._hedge is not None or took_s >= self._late_s:
            # One that was let go would have taken longer still: left out, what is late would soon pass for usual. That
            # there is a second one says that it was late, also where the timer was a hair early.
            marshal.observe(self._exchange, first.target, took_s)
        if first.left and self.recovery.figures is not None:
            self.recovery.figures.observe(first.target.name, took_s)
        if winner is not None and winner is self._hedge:
            marshal.observe(self._exchange, winner.target, marshal.clock() - winner.begun)

    def _count(self, hedge: _Entrant) -> None:
        first, winner, counters = self._first, self._winner, self.marshal.counters
        extra = first if winner is hedge else hedge
        if extra.left:
            counters.let_go(extra.target.name, extra.input_tokens)
        counters.ended[_end(hedge, winner)] += 1
        if winner is hedge and first.error is not None and not first.left:
            self.recovery.counters.rescued(failure_of(first.error), Way.HEDGE)

    def _failed(self) -> Failed:
        """Return from whom recovery goes on: where another attempt at one of them can help, from there."""
        first, hedge = self._first, self._hedge
        assert first.error is not None
        if hedge is None or hedge.error is None or hedge.left:
            return Failed(first.target, first.error)
        if hedge.decision is not Decision.RETRY_HERE:
            return Failed(first.target, first.error, (hedge.target.name,))
        if first.decision is Decision.ELSEWHERE:
            self._exchange.target = hedge.target
            return Failed(hedge.target, hedge.error, (first.target.name,))
        return Failed(first.target, first.error)


def _end(hedge: _Entrant, winner: _Entrant | None) -> HedgeEnd:
    if winner is hedge:
        return HedgeEnd.WON
    if not hedge.left:
        return HedgeEnd.FAILED
    return HedgeEnd.DROPPED if winner is None else HedgeEnd.LOST
