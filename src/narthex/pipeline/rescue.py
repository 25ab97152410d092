"""A stream that broke after something was delivered, brought to a good end: continued, or begun again and joined.

The caller keeps reading the same stream. What it has received is never taken back: either the rest is joined to it so
that it reads as one answer, or the stream ends in the error that it would have ended in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from narthex.errors import Failure, MalformedAnswer, NarthexError, without_frames
from narthex.pipeline.estimates import estimate, prompt_tokens
from narthex.pipeline.exchange import Exchange, Tried
from narthex.pipeline.following import follow
from narthex.pipeline.inbound import dated
from narthex.pipeline.recovery import Recovery, left_alone
from narthex.pipeline.splicing import Seam, SeamMismatch, Transcript, continuing, joined_usage
from narthex.pipeline.splicing import Way as Manner
from narthex.providers.catalog import Target
from narthex.resilience.decisions import failure_of
from narthex.resilience.recovery import Way
from narthex.streams.stream import SeamMark, Stream
from narthex.types.dialects import Operation
from narthex.types.events import (
    Ended,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from narthex.types.usage import Usage
from narthex.wire.registry import CHAT_WIRES

Mode = Literal["continue", "restart", "off"]
"""What is done about a stream that breaks in the middle."""
_Token = TextDelta | ReasoningDelta | RefusalDelta | ToolCallStarted | ToolCallDelta
"""What each counts for one."""


class Rescuer:
    """Brings broken streams to an end."""

    def __init__(self, recovery: Recovery, *, mode: Mode) -> None:
        """Take what every rescue goes by.

        Args:
            recovery: Knows whom to ask, and keeps the books of targets.
            mode: Whether a model is asked to go on where the answer was cut, or for all of it again.
        """
        self._recovery = recovery
        self.mode = mode

    async def __call__(self, exchange: Exchange, stream: Stream, error: NarthexError, events: Sequence[Event]) -> None:
        """Bring a stream to its end, which is `error` if nobody could help; see `inbound.Rescue`."""
        assert exchange.target is not None
        if exchange.watch is not None:
            exchange.watch.broke(error)
        exchange.note_break(error, estimate(exchange, stream))
        transcript = Transcript(events)
        if self._may_be_rescued(exchange, transcript):
            continuation = _Continuation(exchange, stream, transcript, events)
            for target in self._recovery.helpers(exchange, error):
                if await self._recovery.refusal(exchange, target) is not None:
                    continue
                if await self._helped(continuation, target, error):
                    restarted = continuation.way == "restart"
                    self._recovery.counters.rescued(failure_of(error), Way.RESTART if restarted else Way.CONTINUE)
                    return
                if not transcript.can_be_continued:
                    break
        self._recovery.counters.lost(failure_of(error))
        stream.close(error)

    async def _helped(self, continuation: _Continuation, target: Target, error: NarthexError) -> bool:
        """Have a target give the rest; False if it could not, and the stream is still open."""
        begun, way = time.monotonic(), self._way(target, continuation.transcript)
        failure = await self._asked(continuation, target, way, error)
        if failure is None:
            return True
        tried = Tried.of(target, way, begun, failure)
        continuation.exchange.note_attempt(msgspec.structs.replace(tried, usage=continuation.consumed()))
        return False

    async def _asked(
        self, continuation: _Continuation, target: Target, way: Manner, error: NarthexError
    ) -> NarthexError | None:
        """Ask a target for the rest, and keep its books; return why it gave none, if so."""
        recovery, begun = self._recovery, time.monotonic()
        try:
            place = await recovery.place_at(target, continuation.exchange)
        except NarthexError as refused:
            return refused
        gate = recovery.board.gate(target.name)
        turn = gate.allow()
        if not turn:
            return left_alone(target, gate, place)
        try:
            failure = await self._followed(continuation, target, way, error)
        except BaseException:
            gate.abandoned(turn)
            place.release()
            raise
        if failure is None:
            recovery.went_well(gate, time.monotonic() - begun, turn)
            place.succeeded()
        else:
            recovery.went_wrong(gate, failure, turn, place=place)
        return failure

    async def _followed(
        self, continuation: _Continuation, target: Target, way: Manner, error: NarthexError
    ) -> NarthexError | None:
        """Take what a target says for the rest of the answer; return why it is none, if so."""
        figures = self._recovery.figures
        if figures is not None:
            figures.begin(target.name)
        try:
            await continuation.follow(target, way, error)
        except SeamMismatch:
            return MalformedAnswer(
                f"{target.name} began another answer than the one that was cut",
                provider=target.provider.name,
                failure=Failure.MALFORMED,
            )
        except NarthexError as why:
            return without_frames(why)
        finally:
            if figures is not None:
                figures.end(target.name)
        return None

    def _may_be_rescued(self, exchange: Exchange, transcript: Transcript) -> bool:
        if self.mode == "off" or exchange.operation is not Operation.CHAT or not transcript.can_be_continued:
            return False
        try:
            request = exchange.chat_request()
        except NarthexError:
            return False
        return request.n in {None, 1} and not (transcript.text and request.logprobs)

    def _way(self, target: Target, transcript: Transcript) -> Manner:
        if self.mode == "restart" or not transcript.text.strip():
            return "restart"
        return "prefill" if target.facts is not None and "prefill" in target.facts.capabilities else "told"


class _Continuation:
    """The rest of one answer, written into the stream behind what was delivered."""

    def __init__(self, exchange: Exchange, stream: Stream, transcript: Transcript, events: Sequence[Event]) -> None:
        self.exchange = exchange
        self.transcript = transcript
        self._stream = stream
        self._encode = _primed(exchange, events) if stream.dialect is not None else None
        parts = [event.part for event in events if isinstance(event, TextDelta | ReasoningDelta)]
        self._parts = 1 + max(parts, default=-1)
        self._text_part = next((event.part for event in events if isinstance(event, TextDelta)), self._parts)
        self._before = exchange.usage
        self._delivered = sum(isinstance(event, _Token) for event in events)
        self._by_others = self._delivered
        self._has_usage = False
        self._own: Usage | None = None
        self._told: dict[str, object] = {}
        self._seam = Seam("", "restart")
        self._joined = False
        self.way: Manner = "restart"

    def consumed(self) -> Usage | None:
        """Return what the one consumed who was asked last: as told, or counted here; None if nothing came."""
        if self._own is not None:
            return self._own
        written = self._delivered - self._by_others
        prompt = prompt_tokens(self.exchange) + (self._by_others if self.way != "restart" else 0)
        return Usage(input_tokens=prompt, output_tokens=written, estimated=True) if written else None

    async def follow(self, target: Target, way: Manner, why: NarthexError) -> None:
        """Have a target give the rest; raises as `following.follow` does, and `SeamMismatch`.

        One that delivers nothing before it breaks, or before the caller leaves, is not the one that served the call.
        """
        exchange = self.exchange
        served = exchange.target, exchange.dropped, exchange.model_answered
        self._by_others, self._has_usage, self._own = self._delivered, False, None
        try:
            await self._follow(target, way, why)
        except BaseException:
            if self._delivered == self._by_others:
                exchange.target, exchange.dropped, exchange.model_answered = served
            raise

    async def _follow(self, target: Target, way: Manner, why: NarthexError) -> None:
        exchange, said = self.exchange, self.transcript.text
        self.way = way
        self._target, self._begun = target, time.monotonic()
        self._seam, self._joined = Seam(said, way), False
        self._told = {"rescued": way, "model": target.name, "after": getattr(why, "failure", why.code)}
        request = exchange.chat_request()
        if way != "restart":
            request = continuing(request, said, prefill=way == "prefill")
        exchange.target = target
        await follow(exchange, target, request, self._take)

    def _take(self, event: Event) -> None:
        match event:
            case Started():
                self.exchange.model_answered = event.model
                if self.transcript.started is None:
                    self._emit(event)
            case TextDelta():
                self._say(self._seam.feed(event.text))
            case ReasoningDelta():
                # Thoughts are not joined: those of the first attempt led to what was said.
                if not self.transcript.text and not self.transcript.reasoned:
                    self._emit(event)
            case ToolCallStarted() | ToolCallDelta() | RefusalDelta():
                self._say(self._seam.close())
                self._emit(msgspec.structs.replace(event, part=event.part + self._parts))
            case Finished() | UsageReported() | Ended():
                self._end(event)
            case Failed():
                raise AssertionError("failures are raised before they come here")

    def _end(self, event: Finished | UsageReported | Ended) -> None:
        match event:
            case Finished():
                self._say(self._seam.close())
                self._emit(msgspec.structs.replace(event, told=self._told))
            case UsageReported():
                self._own = event.usage
                joined = joined_usage(self._before, self._by_others, event.usage)
                self.exchange.usage, self._has_usage = joined.usage, True
                self._emit(joined)
            case Ended():
                # Before the stream closes: whoever settles then finds it.
                if not self._has_usage and self._before is not None:
                    self.exchange.usage = joined_usage(self._before, self._delivered, None).usage
                asked = Usage(input_tokens=prompt_tokens(self.exchange), estimated=True)
                tried = Tried.of(self._target, self.way, self._begun, None)
                self.exchange.note_attempt(msgspec.structs.replace(tried, usage=self.consumed() or asked))
                self._emit(dated(self.exchange, event), last=True)

    def _say(self, text: str) -> None:
        if text:
            self._emit(TextDelta(text=text, part=self._text_part))

    def _emit(self, event: Event, *, last: bool = False) -> None:
        self.transcript.add(event)
        if isinstance(event, _Token):
            self._delivered += 1
            self._stream.events_total += 1
        frame = event if self._encode is None else self._encode(event)
        if frame and not self._joined:
            self._joined = True
            mark = SeamMark(self._stream.frames_total, self.way, self._target.name)
            self._stream.seam_marks = (*self._stream.seam_marks, mark)
        if last:
            self._stream.close(last=frame or None)
        elif frame:
            self._stream.append(frame)


def _primed(exchange: Exchange, events: Sequence[Event]) -> Callable[[Event], bytes]:
    """Return a writer of the caller's dialect that has written these events already."""
    encode = CHAT_WIRES[exchange.dialect].encoder(exchange.chat_request()).encode
    for event in events:
        encode(event)
    return encode
