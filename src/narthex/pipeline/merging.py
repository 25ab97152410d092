"""One call for several models: makes a call to each, and one answer of theirs.

What comes of whom goes through `narthex.streams.merging`, what is made of it through `narthex.pipeline.merged_answers`;
here calls are begun, let go and waited for. A reader that falls behind holds all of them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final

import msgspec

from narthex.errors import (
    Cancelled,
    Failure,
    InternalError,
    InvalidRequest,
    NarthexError,
    ProviderError,
    ProviderFailed,
    RequestError,
)
from narthex.pipeline.contract import Spawn
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.given import Nobody
from narthex.pipeline.handling import Handling
from narthex.pipeline.held import read_whole, summed
from narthex.pipeline.inbound import response_id_of
from narthex.pipeline.judging import Verdict, question, read_verdict, said_by
from narthex.pipeline.merge_members import Member, part_of
from narthex.pipeline.merged_answers import OneAnswer
from narthex.pipeline.merged_writing import EventWriter, FrameWriter, WholeWriter, WrappingWriter, Writer
from narthex.pipeline.merges import Merger
from narthex.pipeline.settle import MERGED
from narthex.pipeline.simulating import Simulation
from narthex.providers.catalog import Target
from narthex.providers.contract import Timeouts
from narthex.streams.merging import Queueing, Said, Step, joining
from narthex.streams.stream import Frame, Stream
from narthex.types.answers import ChatAnswer
from narthex.types.dialects import Dialect
from narthex.types.events import Event, Started, is_content
from narthex.types.folding import UnfinishedAnswer, fold, unfold
from narthex.types.usage import Usage

logger = logging.getLogger(__name__)

SETTLE_S: Final = 1.0
"""How long the end of an answer waits for the books of those that were let go; what is missing is estimated then."""

TARGET: Final = Target(
    name=MERGED,
    header=b"x-narthex-model: %b\r\n" % MERGED.encode(),
    model="merge",
    provider=Nobody(),
    timeouts=Timeouts(),
)
"""What an answer of several models counts for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """What calls go through."""

    handling: Handling
    spawn: Spawn
    simulation: Simulation


class Merging:
    """One such call under way.

    Attributes:
        opened: Done when the exchange has its answer, or there is none.
        held: Whether nothing is to be taken in for now.
    """

    def __init__(self, exchange: Exchange, merger: Merger, kit: Kit) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        # Heard of by nobody, if the caller has left.
        self.opened.add_done_callback(lambda opened: opened.cancelled() or opened.exception())
        self.held = False
        self._exchange = exchange
        self._merger = merger
        self._kit = kit
        self._members: list[Member] = []
        self._joining = joining(merger.mode, len(merger.requests))
        self._collected: list[list[Event]] = [[] for _ in merger.requests]
        self._writer = _writer(exchange, merger)
        self._stream = Stream(_dialect(exchange))
        self._stream.throttle(self._pause, self._resume)
        self._stream.cancel = self.leave
        self._go_on = asyncio.Event()
        self._go_on.set()
        self._choosing: asyncio.Task[None] | None = None
        self._judge: Exchange | None = None
        self._pick: int | None = None
        self._told: dict[str, object] = {"merge": merger.mode}
        self._guard: asyncio.TimerHandle | None = None
        self._let_go = self._concluded = False

    def start(self) -> None:
        """Make the calls: all at once, or the first."""
        count = 1 if self._merger.mode == "sequence" else len(self._merger.requests)
        for _ in range(count):
            self._begin()

    def leave(self) -> None:
        """End everything: nobody is there to read it."""
        self._end_calls()
        self._stream.close(Cancelled())

    def _end_calls(self) -> None:
        self._let_go = True
        if self._choosing is not None:
            self._choosing.cancel()
        for member in self._members:
            member.leave()
        self._stop_guard()

    def _begin(self) -> None:
        number, whole = len(self._members), self._merger.mode == "best_of"
        part = part_of(self._exchange, self._merger.requests[number], stream=not whole)
        if self._merger.bodies:
            part.body = self._merger.bodies[number]
        member = Member(number, part, self)
        self._members.append(member)
        member.begin(self._kit.handling, self._kit.spawn)

    # -- what comes of the calls -----------------------------------------------------------------------------------

    def arrived(self, member: Member, events: Sequence[Event]) -> None:
        """Take in events of a call."""
        if self._merger.mode == "best_of":
            self._collected[member.number] += events
            return
        for event in events:
            steps = self._joining.arrive(member.number, event)
            if steps:
                self._write(steps)
                if not self.opened.done() and any(isinstance(one, Said) and is_content(one.event) for one in steps):
                    self._chosen()

    def ended(self, member: Member, error: NarthexError | None) -> None:
        """Take in the end of a call."""
        steps = self._joining.end(member.number, error)
        if self._merger.mode != "best_of":
            self._write(steps)
        winner = self._joining.winner
        if winner is not None and self._pick is None:
            # It ended well without a word, as nobody had one.
            self._picked(winner)
        if isinstance(self._joining, Queueing) and not self._joining.over and not self._let_go:
            self._begin()
        self._check_end()

    def settled(self) -> None:
        """Take note that the books of a call are closed."""
        self._check_end()

    def _write(self, steps: Sequence[Step]) -> None:
        if self._let_go:
            return
        try:
            frames = self._writer.write(steps)
        # It belongs to those who read, not to the model whose event it was.
        except Exception as error:  # noqa: BLE001
            self._break(error)
            return
        self._put(frames)

    def _put(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            self._stream.append(frame)
        self._stream.events_total = self._stream.frames_total

    def _chosen(self) -> None:
        """Give the answer, as it has begun; who lost a race is let go at once."""
        winner = self._joining.winner
        if winner is not None and self._pick is None:
            self._picked(winner)
            for member in self._members:
                if member.number != winner:
                    member.leave()
        if isinstance(self._writer, WholeWriter):
            return
        self._open(self._stream)

    def _picked(self, number: int) -> None:
        """Have the exchange tell whose answer it is."""
        self._pick = number
        exchange, picked = self._exchange, self._members[number].exchange
        exchange.target, exchange.dropped = picked.target, picked.dropped
        exchange.model_answered, exchange.simulated = picked.model_answered, picked.simulated
        self._note_attempts(winner=number)

    def _note_attempts(self, *, winner: int | None = None) -> None:
        """Have the exchange tell what became of each call so far, in place of what it told before."""
        self._exchange.attempts = ()
        for member in self._members:
            tried = member.tried()
            if tried is None:
                continue
            lost = winner is not None and member.number != winner and not member.over
            failure = "cancelled" if lost and self._merger.mode == "race" else tried.failure
            self._exchange.note_attempt(msgspec.structs.replace(tried, failure=failure))

    # -- a judge ---------------------------------------------------------------------------------------------------

    async def _choose(self) -> None:
        """Have the best of the whole answers chosen, and give it."""
        try:
            answers = [(number, answer) for number in range(len(self._members)) if (answer := self._whole(number))]
            if answers:
                verdict = await self._judged([answer for _, answer in answers])
                self._told["judge"] = verdict.how
                number, answer = answers[verdict.place]
                await self._give(number, answer)
        except Exception:
            self._fail(InternalError())
            raise
        self._conclude()

    def _chosen_by(self, choosing: asyncio.Task[None]) -> None:
        """Tell whoever waits if the choice was ended from outside, as at the stop of the server."""
        if choosing.cancelled() and not self._let_go:
            self._fail(Cancelled())

    def _whole(self, number: int) -> ChatAnswer | None:
        """Return an answer; None if there is none."""
        if self._members[number].error is not None:
            return None
        try:
            return fold(self._collected[number])
        except UnfinishedAnswer:
            return None

    async def _judged(self, answers: Sequence[ChatAnswer]) -> Verdict:
        if len(answers) == 1:
            return Verdict(0, "only")
        merger, exchange = self._merger, self._exchange
        assert merger.judge is not None
        request = question(exchange.chat_request(), answers, judge=merger.judge, criteria=merger.criteria)
        self._judge = judge = part_of(exchange, request, stream=False)
        judge.body, judge.judges = b"", True
        try:
            stream = await self._kit.handling.handle(judge)
        except NarthexError:
            return Verdict(0, "fallback")
        answer = read_whole(stream)
        return read_verdict(None if answer is None else said_by(answer), len(answers))

    async def _give(self, number: int, answer: ChatAnswer) -> None:
        """Stream the chosen answer, or keep it to be given whole."""
        self._picked(number)
        if isinstance(self._writer, WholeWriter):
            self._writer.write(Said(number, event) for event in unfold(answer))
            return
        self._exchange.simulated = True
        self._open(self._stream)
        events: AsyncIterator[Event] = self._kit.simulation.events(answer)
        async for event in events:
            await self._go_on.wait()
            self._write([Said(number, event)])

    # -- the end ---------------------------------------------------------------------------------------------------

    def _check_end(self) -> None:
        """End the answer when all is said and settled."""
        if self._concluded or self._let_go:
            return
        if self._merger.mode == "best_of":
            if self._joining.over and self._choosing is None:
                self._choosing = self._kit.spawn(self._choose())
                self._choosing.add_done_callback(self._chosen_by)
            return
        winner = self._joining.winner
        said = self._joining.over if winner is None else self._members[winner].over
        if said and all(member.settled for member in self._members):
            self._conclude()
        elif said and self._guard is None:
            self._guard = asyncio.get_running_loop().call_later(SETTLE_S, self._conclude)

    def _conclude(self) -> None:
        if self._concluded or self._let_go:
            return
        self._stop_guard()
        try:
            self._give_end()
        except Exception as error:  # noqa: BLE001 - nobody else would hear of it
            self._break(error)

    def _give_end(self) -> None:
        self._exchange.usage = usage = consumed(self._members, self._judge)
        error = self._failure()
        if error is not None:
            self._fail(error)
            return
        self._concluded = True
        frames = self._writer.end(usage, {**self._told, "sources": told_of(self._members, self._judge)})
        if isinstance(self._writer, WholeWriter):
            body = self._writer.body(self._exchange.dialect, self._exchange.chat_request())
            self._open(Stream.of(body, self._exchange.dialect))
            return
        self._open(self._stream)
        self._put(frames[:-1])
        self._stream.close(last=frames[-1])

    def _break(self, error: Exception) -> None:
        """End everything: what came cannot be made one answer."""
        logger.error("the answers to request %s cannot be made one", self._exchange.id, exc_info=error)
        self._end_calls()
        self._fail(InternalError())

    def _fail(self, error: NarthexError) -> None:
        """Tell why there is no answer, or none that is whole."""
        self._concluded = True
        if self.opened.done():
            self._stream.close(error)
        else:
            self._exchange.target = TARGET
            self._note_attempts()
            self.opened.set_exception(error)

    def _failure(self) -> NarthexError | None:
        """Return why the answer is not whole: its only source broke, or all have failed."""
        if self._pick is not None:
            return self._members[self._pick].error
        if any(member.error is None for member in self._members) and self._merger.mode != "best_of":
            return None
        return failed_together(self._members)

    def _open(self, answer: Stream) -> None:
        """Make this the answer of the exchange."""
        if self.opened.done():
            return
        exchange, merger = self._exchange, self._merger
        exchange.answer, exchange.first_frame_at = answer, monotonic()
        if self._pick is None:
            exchange.target, exchange.model_answered = TARGET, MERGED
        sources = ("x-narthex-sources", ", ".join(merger.sources))
        exchange.told = (*exchange.told, ("x-narthex-merge", merger.mode), sources)
        if "judge" in self._told:
            exchange.told = (*exchange.told, ("x-narthex-verdict", str(self._told["judge"])))
        self.opened.set_result(None)

    # -- pace ------------------------------------------------------------------------------------------------------

    def _pause(self) -> None:
        self.held = True
        self._go_on.clear()

    def _resume(self) -> None:
        self.held = False
        self._go_on.set()
        # Not at once: whoever reads here is just taking what came before.
        asyncio.get_running_loop().call_soon(self._pull)

    def _pull(self) -> None:
        for member in tuple(self._members):
            member.pull()

    def _stop_guard(self) -> None:
        if self._guard is not None:
            self._guard.cancel()


def consumed(members: Sequence[Member], judge: Exchange | None) -> Usage:
    """Return what all calls consumed together, that to the judge included."""
    judged = () if judge is None or judge.usage is None else (judge.usage,)
    return summed([*(member.usage() for member in members), *judged])


def told_of(members: Sequence[Member], judge: Exchange | None) -> list[dict[str, object]]:
    """Return what a caller is told of each call, and of who chose."""
    told = [member.told() for member in members]
    if judge is not None:
        usage = judge.usage or Usage()
        figures = {**msgspec.structs.asdict(usage), "total_tokens": usage.total_tokens}
        outcome = "ok" if judge.error is None else judge.error.code
        told.append({"source": judge.model_asked, "role": "judge", "outcome": outcome, "usage": figures})
    return told


def failed_together(members: Sequence[Member]) -> NarthexError:
    """Return one error that tells how each call failed; with their status, where they agree on one."""
    errors = [member.error or InternalError() for member in members]
    told = "; ".join(f"{one.name}: {error.message}" for one, error in zip(members, errors, strict=True))
    message = f"none of {len(members)} models answered: {told}"
    waits = [error.retry_after_s for error in errors if error.retry_after_s is not None]
    wait_s = min(waits, default=None)
    failed: NarthexError
    if all(isinstance(error, RequestError) for error in errors):
        failed = InvalidRequest(message, param=errors[0].param)
    else:
        failures = {error.failure for error in errors if isinstance(error, ProviderError)}
        failure = failures.pop() if len(failures) == 1 else Failure.UPSTREAM_ERROR
        failed = ProviderFailed(message, provider="narthex", failure=failure, retry_after_s=wait_s)
    if len({error.status for error in errors}) == 1:
        failed.status = errors[0].status
    return failed


def _dialect(exchange: Exchange) -> Dialect | None:
    return None if exchange.dialect is Dialect.NATIVE else exchange.dialect


def _writer(exchange: Exchange, merger: Merger) -> Writer:
    if merger.wrapped:
        return WrappingWriter(merger.mode, merger.requests, exchange.id)
    answer_id = response_id_of(exchange) if exchange.dialect is Dialect.OPENAI_RESPONSES else None
    started = Started(
        id=answer_id or f"merge-{exchange.id}", model=exchange.model_asked or MERGED, created_at=int(time.time())
    )
    one = OneAnswer(merger.mode, merger.sources, started, answer_id=answer_id)
    if exchange.dialect is Dialect.NATIVE:
        return EventWriter(one)
    if not exchange.streaming:
        return WholeWriter(one)
    return FrameWriter(one, exchange.dialect, exchange.chat_request())
