"""What is written down when an answer has ended, never on the caller's clock."""

from __future__ import annotations

import time
from time import monotonic
from typing import Final

import msgspec

from narthex.errors import Failure, NarthexError, ProviderError
from narthex.pipeline.estimates import estimate
from narthex.pipeline.exchange import Exchange
from narthex.routing.pacing import Spending
from narthex.routing.plan import Plan
from narthex.telemetry.metrics import Tally
from narthex.telemetry.request_log import AttemptLine, RequestLine, RequestLog, RouteLine
from narthex.types.usage import Usage

MAX_NAME = 256
"""Characters of a model's name that are written down."""


_NO_RESCUE: Final = frozenset({"first", "cascade"})
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

    def __init__(self, metrics: Tally, log: RequestLog | None, spending: Spending | None = None) -> None:
        """Take where calls are counted, where they are written down, and which budgets they are charged to.

        Attributes:
            live: Streamed calls under way that are not kept, by the ID of their request; whoever begins one adds it.
        """
        self.live: dict[str, Exchange] = {}
        self._metrics = metrics
        self._log = log
        self._spending = spending
        self._clock_offset = time.time() - time.monotonic()

    def begin(self) -> None:
        """Count a call that begins."""
        self._metrics.active += 1

    def end(self, exchange: Exchange, error: NarthexError | None) -> None:
        """Count and log a call that has ended; without `error` its answer is whole."""
        exchange.error = error
        duration_s = monotonic() - exchange.received_at
        usage, target, outcome = exchange.usage, exchange.target, "ok" if error is None else error.code
        if exchange.replays is not None:
            # Another call's answer, and on that call's bill.
            usage, outcome = _REPLAYED, "resumed" if exchange.resumed else "replayed"
        elif exchange.answer is not None and (usage is None or (error is not None and not exchange.simulated)):
            exchange.usage = usage = estimate(exchange, exchange.answer)
        self.live.pop(exchange.id, None)
        if exchange.watch is not None:
            exchange.watch.settled(error)
        self._metrics.active -= 1
        series = self._metrics.series(exchange.operation, "none" if target is None else target.name, outcome)
        series.requests += 1
        series.duration.observe(duration_s)
        if exchange.first_frame_at:
            series.first_frame.observe(exchange.first_frame_at - exchange.received_at)
        if usage is not None:
            series.input_tokens += usage.input_tokens
            series.output_tokens += usage.output_tokens
            if exchange.plan is not None and self._spending is not None and target is not None:
                self._spending.charge(exchange.plan, target.name, usage)
        if self._log is not None:
            line = self._line(exchange, error, usage, int(duration_s * 1_000_000))
            self._log.append(line if _is_plain(exchange) else _with_story(line, exchange))

    def _line(
        self, exchange: Exchange, error: NarthexError | None, told: Usage | None, duration_us: int
    ) -> RequestLine:
        """By position, in the order of the fields: names would cost as much again as the line itself."""
        target, caller, usage = exchange.target, exchange.caller, told or _NO_USAGE
        first_us = int((exchange.first_frame_at - exchange.received_at) * 1_000_000)
        return RequestLine(
            exchange.received_at + self._clock_offset,
            exchange.id,
            exchange.operation,
            exchange.dialect,
            "-" if caller is None else caller.name,
            exchange.model_asked[:MAX_NAME],
            None if target is None else target.name,
            exchange.model_answered,
            exchange.streaming,
            200 if error is None else error.status,
            "ok" if error is None else error.code,
            duration_us,
            first_us if first_us > 0 else None,
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_tokens,
            usage.reasoning_tokens,
            usage.estimated,
            len(exchange.body),
            0 if exchange.answer is None else exchange.answer.bytes_total,
            None if error is None else _failure(error),
        )


def _is_plain(exchange: Exchange) -> bool:
    apart = exchange.shadow_of is not None or exchange.replays is not None
    return exchange.plan is None and not exchange.attempts and not apart and not exchange.simulated


def _with_story(line: RequestLine, exchange: Exchange) -> RequestLine:
    """Return the line of a call that was not plain, with what was decided and tried."""
    if exchange.replays is not None:
        return msgspec.structs.replace(line, replayed=True)
    attempts = tuple(AttemptLine(*msgspec.structs.astuple(one)) for one in exchange.attempts)
    instead_of = exchange.instead_of
    return msgspec.structs.replace(
        line,
        failure=line.failure if instead_of is None else _failure(instead_of),
        rescued=_rescued(exchange),
        registered=None if instead_of is None else exchange.attempts[-1].way,
        attempts=attempts if len(attempts) > 1 else (),
        route=None if exchange.plan is None else _route(exchange.plan),
        shadow_of=exchange.shadow_of,
        simulated=exchange.simulated,
    )


def _rescued(exchange: Exchange) -> str | None:
    """Return the way that brought the answer although an attempt had failed; None if there is none."""
    if exchange.error is not None or exchange.instead_of is not None:
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
