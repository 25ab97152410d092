"""What is written down when an answer has ended, never on the caller's clock."""

from __future__ import annotations

import time

from narthex.errors import NarthexError, ProviderError
from narthex.pipeline.exchange import Exchange
from narthex.streams.stream import Stream
from narthex.telemetry.metrics import Metrics
from narthex.telemetry.request_log import RequestLine, RequestLog
from narthex.types.usage import Usage

MAX_NAME = 256
"""Characters of a model's name that are written down."""
BYTES_PER_TOKEN = 4
"""What a token is taken for where the provider reports no usage: an estimate, and marked as one."""


class Settlement:
    """Counts and logs every call, once."""

    def __init__(self, metrics: Metrics, log: RequestLog | None) -> None:
        self._metrics = metrics
        self._log = log
        self._clock_offset = time.time() - time.monotonic()

    def begin(self) -> None:
        """Count a call that begins."""
        self._metrics.active += 1
        self._metrics.total += 1

    def end(self, exchange: Exchange, error: NarthexError | None) -> None:
        """Count and log a call that has ended; without `error` its answer is whole."""
        exchange.error = error
        now = time.monotonic()
        answer = exchange.answer
        if answer is not None and (exchange.usage is None or error is not None):
            exchange.usage = _estimate(exchange, answer)
        metrics = self._metrics
        metrics.active -= 1
        duration_s = now - exchange.received_at
        target = exchange.target
        series = metrics.series(
            exchange.operation, "none" if target is None else target.name, "ok" if error is None else error.code
        )
        series.requests += 1
        series.duration.observe(duration_s)
        if exchange.first_frame_at:
            series.first_frame.observe(exchange.first_frame_at - exchange.received_at)
        metrics.failed += error is not None
        if exchange.usage is not None:
            metrics.count_tokens(series, exchange.usage)
        if self._log is not None:
            self._log.append(self._line(exchange, error, duration_s))

    def _line(self, exchange: Exchange, error: NarthexError | None, duration_s: float) -> RequestLine:
        usage, target, caller, answer = exchange.usage, exchange.target, exchange.caller, exchange.answer
        # By position, in the order of the fields: names would cost as much again as the line itself.
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
            _microseconds(duration_s),
            _microseconds(exchange.first_frame_at - exchange.received_at),
            None if usage is None else usage.input_tokens,
            None if usage is None else usage.output_tokens,
            0 if usage is None else usage.cache_read_tokens,
            0 if usage is None else usage.reasoning_tokens,
            usage is not None and usage.estimated,
            len(exchange.body),
            0 if answer is None else answer.bytes_total,
            error.failure.value if isinstance(error, ProviderError) else None,
        )


def _microseconds(seconds: float) -> int | None:
    """Return a duration for the log; None for one that never began."""
    return int(seconds * 1_000_000) if seconds >= 0 else None


def _estimate(exchange: Exchange, answer: Stream) -> Usage:
    """Return what the call may have consumed, where the provider said nothing or its answer was cut."""
    told = exchange.usage
    read = len(exchange.body) // BYTES_PER_TOKEN if told is None else told.input_tokens
    written = answer.frames_total if answer.dialect is None else answer.events_total
    if answer.whole:
        written = answer.bytes_total // BYTES_PER_TOKEN
    return Usage(
        input_tokens=read,
        output_tokens=written if told is None else max(written, told.output_tokens),
        cache_read_tokens=0 if told is None else told.cache_read_tokens,
        cache_write_tokens=0 if told is None else told.cache_write_tokens,
        estimated=True,
    )
