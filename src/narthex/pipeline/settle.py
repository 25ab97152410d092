"""What is written down when an answer has ended, never on the caller's clock."""

from __future__ import annotations

import time

from narthex.errors import NarthexError, ProviderError
from narthex.pipeline.exchange import Exchange
from narthex.streams.stream import Stream
from narthex.telemetry.metrics import Metrics
from narthex.telemetry.request_log import RequestLine, RequestLog
from narthex.types.usage import Usage

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
        if exchange.usage is None and answer is not None:
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
        if error is not None:
            metrics.failed += 1
        usage = exchange.usage
        if usage is not None:
            series.input_tokens += usage.input_tokens
            series.output_tokens += usage.output_tokens
            metrics.input_tokens += usage.input_tokens
            metrics.output_tokens += usage.output_tokens
        if self._log is not None:
            self._log.append(self._line(exchange, error, duration_s))

    def _line(self, exchange: Exchange, error: NarthexError | None, duration_s: float) -> RequestLine:
        usage, target, answer, caller = exchange.usage, exchange.target, exchange.answer, exchange.caller
        first_frame_at = exchange.first_frame_at
        return RequestLine(
            at=exchange.received_at + self._clock_offset,
            request_id=exchange.id,
            operation=exchange.operation,
            surface=exchange.dialect,
            key="-" if caller is None else caller.name,
            model_asked=exchange.model_asked if len(exchange.model_asked) <= 256 else exchange.model_asked[:256],
            model=None if target is None else target.name,
            model_answered=exchange.model_answered,
            stream=exchange.streaming,
            status=200 if error is None else error.status,
            code="ok" if error is None else error.code,
            duration_us=int(duration_s * 1_000_000),
            first_frame_us=int((first_frame_at - exchange.received_at) * 1_000_000) if first_frame_at else None,
            input_tokens=None if usage is None else usage.input_tokens,
            output_tokens=None if usage is None else usage.output_tokens,
            cache_read_tokens=0 if usage is None else usage.cache_read_tokens,
            reasoning_tokens=0 if usage is None else usage.reasoning_tokens,
            estimated=usage is not None and usage.estimated,
            bytes_in=len(exchange.body),
            bytes_out=0 if answer is None else answer.bytes_total,
            failure=error.failure.value if isinstance(error, ProviderError) else None,
        )


def _estimate(exchange: Exchange, answer: Stream) -> Usage:
    """Return what the call may have consumed, where the provider said nothing or its answer was cut."""
    written = answer.frames_total if answer.dialect is None else answer.bytes_total // BYTES_PER_TOKEN
    return Usage(input_tokens=len(exchange.body) // BYTES_PER_TOKEN, output_tokens=written, estimated=True)
