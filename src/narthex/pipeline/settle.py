"""What is written down when an answer has ended, before anybody reads that end."""

from __future__ import annotations

import time
from time import monotonic
from typing import Final

import msgspec

from narthex.errors import Cancelled, Failure, NarthexError, ProviderError
from narthex.pipeline.billing import Billing
from narthex.pipeline.estimates import estimate, prompt_tokens
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.held import summed
from narthex.pipeline.saving import Saving
from narthex.routing.pacing import Spending
from narthex.routing.plan import Plan
from narthex.telemetry.metrics import Tally
from narthex.telemetry.request_log import AttemptLine, MergeLine, RequestLine, RequestLog, RouteLine
from narthex.types.usage import Usage

MAX_NAME = 256
"""Characters of a model's name that are written down."""


MERGED: Final = "narthex/merge"
"""What calls for several models are counted under: those that they are made of are counted where they go."""
_NO_RESCUE: Final = frozenset({"first", "cascade", "merge"})
"""Ways of attempts that no failure led to."""


class _NoUsage(msgspec.Struct, frozen=True):
    """Of a call that consumed nothing, or nothing that is known."""

    input_tokens: None = None
    output_tokens: None = None
    cache_read_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False


_NO_USAGE = _NoUsage()
_NO_FAILURE: Final = (None, Failure.CANCELLED.value)
"""Of attempts that succeeded, or were let go beside another."""
_REPLAYED = Usage()


class Settlement:
    """Counts and logs every call, once."""

    def __init__(
        self,
        metrics: Tally,
        log: RequestLog | None,
        spending: Spending | None = None,
        billing: Billing | None = None,
    ) -> None:
        """Take where calls are counted, where they are written down, and what they are charged to.

        Attributes:
            live: Streamed calls under way that are not kept, by the ID of their request; whoever begins one adds it.
            saving: Writes down what was answered from the cache, if there is one.
        """
        self.live: dict[str, Exchange] = {}
        self.saving: Saving | None = None
        self._metrics = metrics
        self._log = log
        self._spending = spending
        self._billing = billing
        self._clock_offset = time.time() - time.monotonic()

    def begin(self) -> None:
        """Count a call that begins."""
        self._metrics.active += 1

    def end(self, exchange: Exchange, error: NarthexError | None) -> None:
        """Count and log a call that has ended; without `error` its answer is whole."""
        exchange.error = error
        duration_s = monotonic() - exchange.received_at
        target, outcome = exchange.target, "ok" if error is None else error.code
        usage, outcome = _consumed(exchange, error, outcome)
        self._write_down(exchange, usage, error)
        self.live.pop(exchange.id, None)
        if exchange.watch is not None:
            exchange.watch.settled(error)
        self._metrics.active -= 1
        series = self._metrics.series(exchange.operation, _counted_under(exchange), outcome)
        series.requests += 1
        series.duration.observe(duration_s)
        if exchange.first_frame_at:
            series.first_frame.observe(exchange.first_frame_at - exchange.received_at)
        if usage is not None:
            series.input_tokens += usage.input_tokens
            series.output_tokens += usage.output_tokens
            if exchange.plan is not None and self._spending is not None and target is not None:
                self._spending.charge(exchange.plan, target.name, usage)
        if self._log is not None and exchange.capture != "none":
            line = self._line(exchange, error, usage, int(duration_s * 1_000_000))
            self._log.append(line if _is_plain(exchange) else _with_story(line, exchange))

    def _write_down(self, exchange: Exchange, usage: Usage | None, error: NarthexError | None) -> None:
        if exchange.bill is not None and self._billing is not None:
            # What was given in place of an error was paid for by another call.
            failure = error if exchange.hit is None else exchange.instead_of or error
            self._billing.close(exchange, exchange.bill, usage, failure)
        if exchange.hit is not None and self.saving is not None:
            self.saving.note(exchange, exchange.hit, error)

    def _line(
        self, exchange: Exchange, error: NarthexError | None, told: Usage | None, duration_us: int
    ) -> RequestLine:
        """By position, in the order of the fields: names would cost as much again as the line itself."""
        target, caller, usage = exchange.target, exchange.caller, told or _NO_USAGE
        return RequestLine(
            exchange.received_at + self._clock_offset,
            *(exchange.id, exchange.operation, exchange.dialect),
            "-" if caller is None else caller.name,
            exchange.model_asked[:MAX_NAME],
            None if target is None else target.name,
            exchange.model_answered,
            exchange.streaming,
            200 if error is None else error.status,
            "ok" if error is None else error.code,
            duration_us,
            _first_us(exchange),
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_tokens,
            usage.reasoning_tokens,
            usage.estimated,
            len(exchange.body),
            0 if exchange.answer is None else exchange.answer.bytes_total,
            None if error is None else _failure(error),
            "" if caller is None else caller.account.workspace_id,
            cache=None if exchange.hit is None else exchange.hit.kind,
        )


def _counted_under(exchange: Exchange) -> str:
    """Return the model that a call is counted under; what a call for several is made of is counted where it goes."""
    if exchange.merger is not None:
        return MERGED
    return "none" if exchange.target is None else exchange.target.name


def _consumed(exchange: Exchange, error: NarthexError | None, outcome: str) -> tuple[Usage | None, str]:
    """Return what is on the bill of a call, and how it is counted."""
    if exchange.hit is not None:
        # What it says was used then, and is on nobody's bill again.
        return (None if exchange.bill is not None else _REPLAYED), "cached" if error is None else outcome
    if exchange.replays is not None or exchange.merger is not None or exchange.merged_into is not None:
        return _apart(exchange, error, outcome)
    usage, answer = exchange.usage, exchange.source or exchange.answer
    if answer is not None and (usage is None or (error is not None and not exchange.simulated)):
        exchange.usage = usage = estimate(exchange, answer)
    elif answer is None and exchange.sent and isinstance(error, Cancelled) and usage is None:
        # Left before anything was said: what was sent may be billed.
        exchange.usage = usage = Usage(input_tokens=prompt_tokens(exchange), estimated=True)
    return usage, outcome


def _apart(exchange: Exchange, error: NarthexError | None, outcome: str) -> tuple[Usage | None, str]:
    """Return what is on the bill of a call that shares its answer with others, and how it is counted."""
    if exchange.replays is not None:
        # Another call's answer, and on that call's bill.
        return _REPLAYED, "resumed" if exchange.resumed else "replayed"
    if exchange.merger is not None:
        return None, outcome
    exchange.usage = usage = _of_part(exchange, error)
    return usage, outcome


def _of_part(exchange: Exchange, error: NarthexError | None) -> Usage | None:
    """Return what a part of a call for several models consumed."""
    usage, answer = exchange.usage, exchange.answer
    if answer is not None:
        broken = error is not None and not exchange.simulated
        return estimate(exchange, answer) if usage is None or broken else usage
    let_go = sum(one.input_tokens for one in exchange.attempts)
    if not isinstance(error, Cancelled) or not (exchange.sent or let_go):
        return usage
    # Let go before it had said anything: what was sent may be billed, beside what earlier attempts are known to have.
    asked = Usage(input_tokens=let_go or prompt_tokens(exchange), estimated=True)
    return asked if usage is None else summed([usage, asked])


def _first_us(exchange: Exchange) -> int | None:
    """Return when the first frame came, in microseconds since the call; None if none did."""
    first_us = int((exchange.first_frame_at - exchange.received_at) * 1_000_000)
    return first_us if first_us > 0 else None


def _is_plain(exchange: Exchange) -> bool:
    apart = exchange.shadow_of is not None or exchange.replays is not None
    if exchange.merger is not None or exchange.merged_into is not None:
        return False
    return exchange.plan is None and not exchange.attempts and not apart and not exchange.simulated


def _with_story(line: RequestLine, exchange: Exchange) -> RequestLine:
    """Return the line of a call that was not plain, with what was decided and tried."""
    if exchange.replays is not None:
        return msgspec.structs.replace(line, replayed=line.cache is None)
    attempts = tuple(AttemptLine(*msgspec.structs.astuple(one)[:5]) for one in exchange.attempts)
    instead_of = exchange.instead_of
    return msgspec.structs.replace(
        line,
        failure=line.failure if instead_of is None else _failure(instead_of),
        rescued=_rescued(exchange),
        registered=None if instead_of is None or exchange.hit is not None else exchange.attempts[-1].way,
        attempts=attempts if len(attempts) > 1 else (),
        route=None if exchange.plan is None else _route(exchange.plan),
        shadow_of=exchange.shadow_of,
        simulated=exchange.simulated,
        merge=None if exchange.merger is None else MergeLine(exchange.merger.mode, exchange.merger.sources),
        merged_into=exchange.merged_into,
    )


def _rescued(exchange: Exchange) -> str | None:
    """Return the way that brought the answer although an attempt had failed; None if there is none."""
    if exchange.error is not None or exchange.instead_of is not None or exchange.hit is not None:
        return None
    if all(one.failure in _NO_FAILURE for one in exchange.attempts):
        return None
    way = next((one.way for one in reversed(exchange.attempts) if one.failure is None), None)
    return way if way not in _NO_RESCUE else None


def _route(plan: Plan) -> RouteLine | None:
    if plan.direct:
        return None
    return RouteLine(plan.rule or None, plan.target if plan.strategy else None, plan.strategy or None)


def _failure(error: NarthexError) -> str | None:
    return error.failure.value if isinstance(error, ProviderError) else None
