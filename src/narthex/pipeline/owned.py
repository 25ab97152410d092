"""One streamed answer as its owner sees it: how it stands, how far it is, and its handle."""

from __future__ import annotations

import asyncio
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise
from time import monotonic
from typing import Final, Literal

import msgspec

from narthex.errors import Cancelled, NarthexError, StreamEnded, StreamNotKept
from narthex.pipeline.exchange import Exchange, Tried
from narthex.streams.log import Log
from narthex.streams.stream import Stream
from narthex.types.accounts import Account
from narthex.types.usage import Usage

Status = Literal["waiting", "running", "paused", "done", "cancelled", "failed"]
OnDisconnect = Literal["cancel", "detach"]

STALL_MS: Final = 1_000
"""A gap from which on a stream is said to have stalled."""
_RECENT_MS: Final = 5_000
_MOST_GAPS: Final = 5_000
"""To put more in order would hold up the event loop."""


class Gaps(msgspec.Struct, frozen=True, kw_only=True):
    """Pauses between two events, in milliseconds, of the newest 5,000."""

    mean: float
    p50: int
    p95: int
    longest: int
    stalls: int
    """Gaps of a second and more."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far an answer is."""

    bytes: int
    events: int
    output_tokens: int
    """As the provider told; until then the events with content, which nearly are the tokens."""
    limit_tokens: int | None
    """The most that the request allows."""
    percent: float | None
    """Of that limit."""
    elapsed_ms: int
    first_token_ms: int | None
    bytes_per_s: float
    """Over the last seconds that there were events."""
    events_per_s: float
    gaps_ms: Gaps | None


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Why an answer is not whole."""

    code: str
    message: str


class StreamReport(msgspec.Struct, frozen=True, kw_only=True):
    """How a stream stands."""

    id: str
    object: Literal["stream"] = "stream"
    node: str | None = None
    """The process that writes it, where several share what they keep."""
    status: Status
    kept: bool
    """Whether its events can be read again."""
    model: str
    """As asked for."""
    target: str | None
    """`provider/model` that answers."""
    dialect: str
    created_at: int
    """Unix time in seconds."""
    first_seq: int
    """Number of the oldest event that is held."""
    last_seq: int
    readers: int
    on_disconnect: OnDisconnect
    key_id: str = ""
    """The key that asked for it, or the user."""
    replay_of: str | None
    """ID of the recording that is played here."""
    attempts: str
    """What was tried, as in the header `x-narthex-attempts`."""
    progress: Progress
    usage: Usage | None
    error: Told | None


class _Limits(msgspec.Struct):
    """Where the dialects say how many tokens an answer may have."""

    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None


class _Facts(msgspec.Struct, frozen=True):
    """What is told of a call, without what was asked, which may be large."""

    dialect: str
    model: str
    target: str | None
    attempts: str
    tried: tuple[Tried, ...]
    usage: Usage | None
    received_at: float
    first_frame_at: float
    limit_tokens: int | None

    @classmethod
    def of(cls, exchange: Exchange, limit_tokens: int | None) -> _Facts:
        """Return what there is to tell now."""
        return cls(
            exchange.dialect,
            exchange.model_asked,
            None if exchange.target is None else exchange.target.name,
            exchange.story,
            exchange.attempts,
            exchange.usage,
            exchange.received_at,
            exchange.first_frame_at,
            limit_tokens,
        )


_decode_limits = msgspec.json.Decoder(_Limits).decode


class Owned:
    """A streamed answer under its owner's hand.

    Attributes:
        id: Its ID, in the owner's words or ours.
        owner: To whom it belongs.
        log: Where it is kept; None if it is not.
        node: The process that writes it, where several share what they keep.
        made_by: The key that asked for it, or the user.
        digest: Of the request, of one that is kept: it is read on by whoever asks the same.
    """

    on_resume: Callable[[], object] | None = None
    """Called once, when its delivery goes on after a pause that outlasted the call."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        id: str,  # noqa: A002 - its name
        owner: str,
        log: Log | None,
        node: str | None = None,
    ) -> None:
        self.id, self.owner, self.log, self.node = id, owner, log, node
        self.dialect = exchange.dialect
        self.request_id = exchange.id
        self.created_at = int(time.time())
        """Unix time in seconds."""
        self.begun_at = exchange.received_at
        """In seconds of the monotonic clock."""
        self.digest = exchange.digest
        self.account = Account() if exchange.caller is None else exchange.caller.account
        self.made_by = "" if exchange.caller is None else self.account.key_id
        self.began = False
        """Whether there is an answer, or the beginning of one."""
        self.replay_of: str | None = None
        """ID of the recording that is played, if it is a replay."""
        self.ending: NarthexError | None = None
        """Why its owner ends it, before it has begun."""
        self._exchange: Exchange | None = exchange
        self._facts: _Facts | None = None
        self._work: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ended_at = 0.0
        if log is not None:
            log.on_close(self._closed)

    # -- how it stands ---------------------------------------------------------------------------------------------

    @property
    def answer(self) -> Stream | None:
        """The answer, if it has begun or is kept."""
        if self.log is not None:
            return self.log
        return None if self._exchange is None else self._exchange.answer

    @property
    def ended(self) -> bool:
        """Whether it has."""
        answer = self.answer
        return answer is not None and answer.closed

    @property
    def status(self) -> Status:
        """How it stands, in a word."""
        answer = self.answer
        if answer is None:
            return "waiting"
        if answer.closed:
            if answer.error is None:
                return "done"
            return "cancelled" if isinstance(answer.error, Cancelled) else "failed"
        if answer.halted:
            return "paused"
        return "running" if answer.frames_total else "waiting"

    @property
    def tried(self) -> tuple[Tried, ...]:
        """What was tried, in order; empty if the first attempt succeeded."""
        return self._told().tried

    @property
    def ended_for_s(self) -> float:
        """Seconds since its end."""
        return monotonic() - self._ended_at if self._ended_at else 0.0

    def report(self, *, with_gaps: bool = True) -> StreamReport:
        """Return how it stands.

        Args:
            with_gaps: Whether pauses are told of, for which all events are gone through.
        """
        facts, answer, log = self._told(), self.answer, self.log
        error = None if answer is None else answer.error
        return StreamReport(
            id=self.id,
            node=self.node,
            status=self.status,
            kept=log is not None,
            model=facts.model,
            target=facts.target,
            dialect=facts.dialect,
            created_at=self.created_at,
            first_seq=0 if log is None else log.first_number,
            last_seq=0 if log is None else log.last_number,
            readers=int(not self.ended) if log is None else log.readers,
            on_disconnect="detach" if log is not None and log.detached else "cancel",
            key_id=self.made_by,
            replay_of=self.replay_of,
            attempts=facts.attempts,
            progress=self._progress(facts, answer, with_gaps=with_gaps),
            usage=facts.usage,
            error=None if error is None else Told(code=error.code, message=error.message),
        )

    @cached_property
    def _limit_tokens(self) -> int | None:
        """What the request allows, read once: it may be large, and is asked for with every report."""
        assert self._exchange is not None
        return _limit_of(self._exchange)

    def _told(self) -> _Facts:
        if self._facts is not None:
            return self._facts
        assert self._exchange is not None
        return _Facts.of(self._exchange, self._limit_tokens)

    def _progress(self, facts: _Facts, answer: Stream | None, *, with_gaps: bool) -> Progress:
        log, first, limit = self.log, facts.first_frame_at, facts.limit_tokens
        written = 0 if answer is None else answer.events_total or answer.frames_total
        tokens = facts.usage.output_tokens if facts.usage is not None else written
        bytes_per_s, events_per_s = (0.0, 0.0) if log is None else _rates(log)
        return Progress(
            bytes=0 if answer is None else answer.bytes_total,
            events=0 if answer is None else answer.frames_total,
            output_tokens=tokens,
            limit_tokens=limit,
            percent=None if not limit else round(min(100.0, 100 * tokens / limit), 1),
            elapsed_ms=int(((self._ended_at or monotonic()) - facts.received_at) * 1_000),
            first_token_ms=int((first - facts.received_at) * 1_000) if first else None,
            bytes_per_s=bytes_per_s,
            events_per_s=events_per_s,
            gaps_ms=_gaps(log.times_ms[-_MOST_GAPS:]) if log is not None and with_gaps else None,
        )

    # -- its handle ------------------------------------------------------------------------------------------------

    def begun(self, work: asyncio.Task[None]) -> None:
        """Take note of the task that brings the answer."""
        self._work = work

    def abandon(self) -> None:
        """End the call: its only caller has left before the answer came."""
        if self.log is not None and self.log.stop is not None:
            self.log.cancel()
        elif self._work is not None:
            self._work.cancel()

    def pause(self, limit_s: float, end: NarthexError) -> None:
        """Stop delivery; after `limit_s` seconds the call is ended with `end`, or delivered if it has ended by itself.

        Raises:
            StreamEnded: There is nothing left to pause.
        """
        answer = self._running()
        if answer.halted:
            return
        answer.pause_delivery()
        self._timer = asyncio.get_running_loop().call_later(limit_s, self._overdue, end)

    def resume(self) -> None:
        """Go on with delivery.

        Raises:
            StreamEnded: There is nothing left to deliver.
        """
        answer = self.answer
        if answer is not None and answer.halted:
            self._stop_timer()
            answer.resume_delivery()
            told, self.on_resume = self.on_resume, None
            if told is not None:
                told()
            return
        self._running()

    def cancel(self, error: NarthexError | None = None) -> None:
        """End the call; what was written stays.

        Raises:
            StreamEnded: There is nothing left to end.
            StreamNotKept: Its answer has not begun, and whoever waits for it must leave by itself.
        """
        answer = self._running()
        self._stop_timer()
        if answer.halted:
            answer.resume_delivery()
        why = error or Cancelled("the stream was cancelled by its owner")
        if self.log is not None and self.log.stop is not None:
            self.log.stop(why)
        elif self._work is not None:
            self.ending = why
            self._work.cancel()
        else:
            end = answer.cancel
            answer.close(why)
            end()

    def _running(self) -> Stream:
        answer = self.answer
        if answer is None:
            raise StreamNotKept(
                "the answer has not begun: close the connection that waits for it, or send `x-narthex-stream-id` "
                "with the call to have a handle from its start"
            )
        if answer.closed:
            raise StreamEnded(f"this stream has ended ({self.status}): there is nothing left to control")
        return answer

    def _overdue(self, end: NarthexError) -> None:
        if self.ended:
            # There may be nobody else who could: what is not kept is found no longer than it runs.
            self.resume()
        else:
            self.cancel(end)

    def _closed(self, _log: Stream) -> None:
        self._ended_at = monotonic()
        self._work = None
        # Later: whoever settles the call still needs it.
        asyncio.get_running_loop().call_soon(self._let_go)

    def _let_go(self) -> None:
        """Keep what is told, and let go of what was asked."""
        if self._exchange is not None:
            self._facts, self._exchange = _Facts.of(self._exchange, self._limit_tokens), None

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _limit_of(exchange: Exchange) -> int | None:
    try:
        limits = _decode_limits(exchange.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return limits.max_completion_tokens or limits.max_output_tokens or limits.max_tokens


def _rates(log: Log) -> tuple[float, float]:
    """Return bytes and events per second over the last seconds in which there were events."""
    times = log.times_ms
    if not times:
        return 0.0, 0.0
    recent = times[bisect_left(times, times[-1] - _RECENT_MS, max(0, len(times) - 2_000)) :]
    seconds = max(0.001, (recent[-1] - recent[0]) / 1_000)
    size = log.bytes_of_last(len(recent))
    return round(size / seconds, 1), round(len(recent) / seconds, 1)


def _gaps(times: array[int]) -> Gaps | None:
    gaps = sorted(later - earlier for earlier, later in pairwise(times))
    if not gaps:
        return None
    return Gaps(
        mean=round(sum(gaps) / len(gaps), 1),
        p50=_quantile(gaps, 0.5),
        p95=_quantile(gaps, 0.95),
        longest=gaps[-1],
        stalls=sum(gap >= STALL_MS for gap in gaps),
    )


def _quantile(ordered: Sequence[int], share: float) -> int:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
