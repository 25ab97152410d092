"""What the lane writes: one head per answer, with what became of the call in it."""

from __future__ import annotations

import pytest

from narthex.errors import Overloaded
from narthex.http.written import CommonLines, error_answer, stream_head, whole_answer
from narthex.pipeline.exchange import Exchange
from narthex.providers.catalog import Catalog
from narthex.providers.contract import Timeouts
from narthex.types.dialects import Dialect
from narthex.types.usage import Usage
from tests.pipeline.doubles import Double

DATE = [(b"date", b"today")]


def call(dialect: Dialect = Dialect.OPENAI_CHAT) -> Exchange:
    """Return a call that was routed."""
    exchange = Exchange(dialect, b"{}", {})
    exchange.target = Catalog([(Double(), Timeouts())]).resolve("up/m")
    return exchange


def test_a_whole_answer_has_its_length_and_its_call() -> None:
    """Head and body go out as one, with the model that answered and the ID of the call."""
    exchange = call()
    written = whole_answer(exchange, b"date: today\r\n", b'{"a":1}')
    head, _, body = written.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert (lines[0], body) == (b"HTTP/1.1 200 OK", b'{"a":1}')
    told = {b"content-length: 7", b"date: today", b"x-narthex-model: up/m", b"x-request-id: " + exchange.id.encode()}
    assert told <= set(lines)


def test_what_was_estimated_or_dropped_is_told() -> None:
    """Usage that was counted here and tuning that was left out are named; a stream's usage is not known yet."""
    exchange = call()
    exchange.usage = Usage(estimated=True)
    exchange.dropped = ("seed", "logprobs")
    written = whole_answer(exchange, b"", b"")
    assert b"\r\nx-narthex-usage: estimated\r\n" in written
    assert b"\r\nx-narthex-dropped: seed, logprobs\r\n" in written
    exchange.streaming = True
    assert b"x-narthex-usage" not in stream_head(exchange, b"")


def test_a_stream_is_chunked_and_not_kept_by_anyone() -> None:
    """Proxies are told neither to store nor to hold back a stream."""
    head = stream_head(call(), b"")
    for line in (b"transfer-encoding: chunked", b"cache-control: no-store, no-transform", b"x-accel-buffering: no"):
        assert b"\r\n%b\r\n" % line in head
    assert head.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("dialect", [Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES])
def test_each_dialect_finds_its_id(dialect: Dialect) -> None:
    """Anthropic's SDK looks for `request-id`, everyone for `x-request-id`; in answers and in errors."""
    exchange = call(dialect)
    expected = dialect is Dialect.ANTHROPIC_MESSAGES
    error = error_answer(dialect, Overloaded("full", retry_after_s=2.5), exchange.id, b"")
    for written in (whole_answer(exchange, b"", b"{}"), error):
        assert (b"\r\nrequest-id: %b\r\n" % exchange.id.encode() in written) is expected
    assert error.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nretry-after: 3\r\n" in error
    assert exchange.id.encode() in error.partition(b"\r\n\r\n")[2]


def test_common_lines_follow_the_clock_and_the_connection() -> None:
    """They change when uvicorn's headers do, and end with a word on the connection where it ends."""
    lines = CommonLines()
    assert lines.of(DATE, keep_alive=True) == b"date: today\r\n"
    assert lines.of(DATE, keep_alive=False) == b"date: today\r\nconnection: close\r\n"
    assert lines.of([(b"date", b"tomorrow")], keep_alive=True) == b"date: tomorrow\r\n"
