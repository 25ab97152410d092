"""Ask the members of a cascade in order, until an answer passes its check."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from time import monotonic
from typing import Final, NamedTuple

import msgspec

from narthex.errors import Cancelled, NarthexError
from narthex.pipeline.cascades import Cascades
from narthex.pipeline.checking import Checker
from narthex.pipeline.contract import Next
from narthex.pipeline.delivery import deliver
from narthex.pipeline.estimates import estimate, prompt_tokens
from narthex.pipeline.exchange import Exchange, Tried, answering, word_of
from narthex.pipeline.held import MAX_HELD_BYTES, read_whole, summed
from narthex.pipeline.recovery import Recovery, deadline_of
from narthex.providers.catalog import Catalog, Target
from narthex.routing.plan import Plan
from narthex.streams.stream import Stream
from narthex.types.answers import ChatAnswer
from narthex.types.dialects import Operation
from narthex.types.requests import ChatRequest
from narthex.types.usage import Usage

WAY: Final = "cascade"
"""The strategy, and the way of an attempt that was made because the answer before it did not pass."""
PASSED: Final = "passed"
LONG_BYTES: Final = 65_536
"""Answers from this length on are checked in a thread."""


class Cascade:
    """Hold each answer to the check of its cascade, and ask the next member if it does not pass.

    Streams are held back until their end, so that nothing is delivered of an answer that does not pass. The answer of
    the last member is given in any case, and told to be what it is.
    """

    def __init__(self, catalog: Catalog, cascades: Cascades, recovery: Recovery) -> None:
        self.catalog = catalog
        self.cascades = cascades
        self.recovery = recovery

    def __call__(self, exchange: Exchange, call_next: Next) -> Awaitable[None]:
        """Call on; where the call is for no cascade, that is all."""
        plan = exchange.plan
        if plan is None or plan.strategy != WAY or exchange.operation is not Operation.CHAT:
            return call_next(exchange)
        checker = self.cascades.checker(plan.target)
        if checker is None:
            return call_next(exchange)
        return _Climb(exchange, plan, checker, self).climb(call_next)


class _Answered(NamedTuple):
    """An answer, and how it fared."""

    target: Target
    dropped: tuple[str, ...]
    stream: Stream
    answer: ChatAnswer | None
    """What it says; None if it is not whole, or cannot be read."""
    outcome: str
    """`passed`, or why it did not."""
    model_answered: str | None
    """Who gave it in the provider's words, as far as that is known."""
    simulated: bool
    """Whether it was streamed although it came whole."""


class _Climb:
    """One call's way up a cascade."""

    def __init__(self, exchange: Exchange, plan: Plan, checker: Checker, cascade: Cascade) -> None:
        assert exchange.target is not None
        self._exchange = exchange
        self._plan = plan
        self._checker = checker
        self._cascade = cascade
        self._deadline = deadline_of(exchange, exchange.target)
        self._usages: list[Usage] = []
        self._kept: _Answered | None = None
        self._climbed = False
        self._told = len(exchange.attempts)
        self._begun = monotonic()

    async def climb(self, call_next: Next) -> None:
        """Ask one member after the other.

        Raises:
            NarthexError: No member gave a whole answer.
        """
        exchange = self._exchange
        try:
            while await self._asked(call_next):
                pass
        except asyncio.CancelledError:
            if self._usages:
                exchange.usage = summed(self._usages)
            raise
        finally:
            exchange.plan = self._plan

    async def _asked(self, call_next: Next) -> bool:
        """Ask a member; True if the next one is to be asked."""
        try:
            await call_next(self._exchange)
        except asyncio.CancelledError:
            self._left()
            raise
        except NarthexError as error:
            # Whoever else could have helped was asked already: recovery goes along the same line.
            self._note(None, None)
            self._give(None, error)
            return False
        answered = await self._held()
        following = None if answered.outcome == PASSED else await self._following(answered.target)
        if following is None:
            self._give(answered, answered.stream.error)
            return False
        self._set_aside(answered)
        self._turn_to(following)
        return True

    # -- an answer -------------------------------------------------------------------------------------------------

    async def _held(self) -> _Answered:
        """Hold the answer back to its end, and check it."""
        exchange = self._exchange
        stream = exchange.answer
        assert stream is not None
        try:
            ended = stream.closed or await stream.ended_within(MAX_HELD_BYTES)
        except asyncio.CancelledError:
            stream.cancel()
            self._usages.append(estimate(exchange, stream))
            self._note(exchange.target, Cancelled.code, self._usages[-1])
            raise
        usage = exchange.usage if stream.error is None else None
        self._usages.append(estimate(exchange, stream) if usage is None else usage)
        answer, outcome = await self._checked(stream) if ended else (None, "too_large")
        # Only now: a rescue may have brought the stream to its end on another target.
        target = exchange.target
        assert target is not None
        self._note(target, None if outcome == PASSED else outcome, self._usages[-1])
        self._cascade.cascades.note(self._plan.target, target.name, outcome)
        model, simulated = exchange.model_answered, exchange.simulated
        return _Answered(target, exchange.dropped, stream, answer, outcome, model, simulated)

    def _left(self) -> None:
        """Take note that the caller left before an answer: what was sent to this member may be billed."""
        exchange = self._exchange
        let_go = sum(one.input_tokens for one in exchange.attempts[self._told :])
        if self._usages and (let_go or exchange.sent):
            self._usages.append(Usage(input_tokens=let_go or prompt_tokens(exchange), estimated=True))
        self._note(None, None)

    async def _checked(self, stream: Stream) -> tuple[ChatAnswer | None, str]:
        if stream.error is not None:
            return None, word_of(stream.error)
        request = _request(self._exchange)
        if stream.bytes_total < LONG_BYTES:
            return self._compared(stream, request)
        return await asyncio.to_thread(self._compared, stream, request)

    def _compared(self, stream: Stream, request: ChatRequest | None) -> tuple[ChatAnswer | None, str]:
        answer = read_whole(stream)
        if answer is None:
            return None, "unreadable"
        return answer, self._checker.unfit(answer, request) or PASSED

    def _note(self, target: Target | None, why: str | None, usage: Usage | None = None) -> None:
        """Have the attempts tell which of them the cascade made, which answer did not pass, and what it consumed."""
        exchange = self._exchange
        before, made = exchange.attempts[: self._told], list(exchange.attempts[self._told :])
        if self._climbed:
            made = [msgspec.structs.replace(one, way=WAY) if one.way == "first" else one for one in made]
        place = answering(made)
        if place is not None:
            given = made[place].usage
            made[place] = msgspec.structs.replace(made[place], failure=why, usage=usage if given is None else given)
        elif not made and target is not None and (self._climbed or why):
            duration_us = int((monotonic() - self._begun) * 1_000_000)
            made = [Tried(target.name, WAY if self._climbed else "first", duration_us, why, 0, self._begun, usage)]
        exchange.attempts = (*before, *made)

    # -- from one member to the next -------------------------------------------------------------------------------

    async def _following(self, target: Target) -> Target | None:
        """Return the next member whose limits allow the call; None if there is none, or no time to ask it."""
        for member in self._members_after(target):
            if monotonic() >= self._deadline:
                return None
            # What the answers before it have used stays held beside it.
            if await self._cascade.recovery.refusal(self._exchange, member) is None:
                return member
        return None

    def _members_after(self, target: Target) -> Iterator[Target]:
        candidates = self._plan.candidates
        place = next((place for place, one in enumerate(candidates, 1) if one.name == target.name), len(candidates))
        for candidate in candidates[place:]:
            if not candidate.fallback and candidate.why != "unavailable":
                try:
                    member = self._cascade.catalog.resolve(candidate.name)
                except NarthexError:
                    continue
                yield member

    def _set_aside(self, answered: _Answered) -> None:
        """Close the books of an answer that did not pass; a whole one is kept, in case that there will be no other."""
        exchange, stream = self._exchange, answered.stream
        watch, exchange.watch = exchange.watch, None
        if not stream.closed:
            stream.cancel()
        if watch is not None:
            watch.settled(stream.error if stream.closed else Cancelled())
        if stream.closed and stream.error is None:
            self._kept = answered

    def _turn_to(self, target: Target) -> None:
        exchange, candidates = self._exchange, self._plan.candidates
        place = next(place for place, candidate in enumerate(candidates) if candidate.name == target.name)
        # Those before it were asked: recovery goes on from here.
        exchange.plan = msgspec.structs.replace(self._plan, candidates=candidates[place:])
        exchange.target, exchange.dropped = target, ()
        exchange.answer = exchange.usage = exchange.model_answered = None
        exchange.simulated = False
        exchange.total_s = self._deadline - monotonic()
        # To this one.
        exchange.sent = False
        self._climbed, self._told, self._begun = True, len(exchange.attempts), monotonic()

    # -- the end ---------------------------------------------------------------------------------------------------

    def _give(self, answered: _Answered | None, error: NarthexError | None) -> None:
        """Give an answer; in place of an error the one that was kept, if there is one."""
        exchange = self._exchange
        given = answered if error is None else self._kept
        if given is None:
            assert error is not None
            exchange.answer = None
            exchange.usage = summed(self._usages) if self._usages else None
            raise error
        exchange.target, exchange.dropped, exchange.answer = given.target, given.dropped, given.stream
        exchange.model_answered, exchange.simulated = given.model_answered, given.simulated
        exchange.told = (*exchange.told, ("x-narthex-check", given.outcome))
        exchange.first_frame_at = monotonic()
        if not given.stream.closed:
            # Before whoever settles is called: it is to find the usage of all.
            given.stream.on_close(self._ended)
            return
        exchange.usage = usage = summed(self._usages)
        if len(self._usages) > 1 and given.answer is not None:
            told: dict[str, object] = {"cascade": len(self._usages), "model": given.target.name, "check": given.outcome}
            deliver(exchange, msgspec.structs.replace(given.answer, usage=usage), told=told)

    def _ended(self, stream: Stream) -> None:
        """Add up what all answers consumed, once the last one has ended, which was given as it came."""
        exchange = self._exchange
        usage = exchange.usage if stream.error is None else None
        self._usages[-1] = estimate(exchange, stream) if usage is None else usage
        exchange.usage = summed(self._usages)
        if exchange.attempts:
            last = msgspec.structs.replace(exchange.attempts[-1], usage=self._usages[-1])
            exchange.attempts = (*exchange.attempts[:-1], last)


def _request(exchange: Exchange) -> ChatRequest | None:
    try:
        return exchange.chat_request()
    except NarthexError:
        # It passed through to a provider that reads it otherwise.
        return None
