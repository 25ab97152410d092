"""How fast a stream is delivered: as the request, the key and the settings say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.config.stream_settings import StreamSettings
from narthex.errors import InvalidRequest
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.stages.pace import SetPace
from narthex.streams.throttle import Pace
from narthex.tenancy.keys import Caller, Ceiling
from narthex.types.dialects import Dialect

TOKENS = "x-narthex-max-tokens-per-second"
BYTES = "x-narthex-max-bytes-per-second"
CHUNK = "x-narthex-min-chunk-bytes"
FLUSH = "x-narthex-flush-ms"


def pace_of(
    headers: dict[str, str], *, settings: StreamSettings | None = None, ceiling: Ceiling | None = None
) -> Pace | None:
    """Return the pace of a stream that is asked for with these headers."""
    raw = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    call = Exchange(Dialect.OPENAI_CHAT, b"{}", raw, caller=Caller(name="app", stream_ceiling=ceiling))
    call.streaming = True
    SetPace(settings)(call)
    return call.pace


def test_most_streams_come_as_they_come() -> None:
    """Without a word about it there is no pace."""
    assert pace_of({"x-narthex-timeout": "5"}) is None


def test_a_request_says_its_pace() -> None:
    """Each header sets its part."""
    told = {TOKENS: "12.5", BYTES: "2000", CHUNK: "512", FLUSH: "250"}
    assert pace_of(told) == Pace(tokens_per_s=12.5, bytes_per_s=2000, min_chunk_bytes=512, flush_s=0.25)
    assert pace_of({FLUSH: "60000"}) == Pace(flush_s=60.0)


def test_what_is_gathered_to_a_size_waits_no_longer_than_a_second() -> None:
    """Who names a size alone is not left without an answer while the model thinks."""
    assert pace_of({CHUNK: "512"}) == Pace(min_chunk_bytes=512, flush_s=1.0)


def test_settings_speak_for_requests_that_do_not() -> None:
    """The general pace is what a request gets that asks for none; one that asks gets what it asks for."""
    settings = StreamSettings(max_tokens_per_s=10, flush_ms=100)
    assert pace_of({}, settings=settings) == Pace(tokens_per_s=10, flush_s=0.1)
    assert pace_of({TOKENS: "50", FLUSH: "20"}, settings=settings) == Pace(tokens_per_s=50, flush_s=0.02)


def test_no_request_exceeds_what_its_key_may() -> None:
    """The ceiling of a key holds whatever the request or the settings say; slower is allowed."""
    ceiling = Ceiling(tokens_per_s=20, bytes_per_s=1000)
    assert pace_of({}, ceiling=ceiling) == Pace(tokens_per_s=20, bytes_per_s=1000)
    assert pace_of({TOKENS: "50", BYTES: "500"}, ceiling=ceiling) == Pace(tokens_per_s=20, bytes_per_s=500)
    general = StreamSettings(max_tokens_per_s=100, max_bytes_per_s=100)
    assert pace_of({}, ceiling=ceiling, settings=general) == Pace(tokens_per_s=20, bytes_per_s=100)
    assert pace_of({BYTES: "70"}, ceiling=Ceiling(tokens_per_s=5)) == Pace(tokens_per_s=5, bytes_per_s=70)


@pytest.mark.parametrize("header", [TOKENS, BYTES, CHUNK, FLUSH])
@pytest.mark.parametrize("value", ["", "0", "-1", "1e3", " 5", "0x10", "nan", "inf", "1_000", "fast", "²", "9" * 12])
def test_a_bad_header_is_named_with_its_remedy(header: str, value: str) -> None:
    """A value that is no number in the range is refused, and the message says which header and what may stand there."""
    with pytest.raises(InvalidRequest) as refused:
        pace_of({header: value})
    assert refused.value.param == header
    assert header in str(refused.value)
    assert "above 0, at most" in str(refused.value)


@pytest.mark.parametrize("header", [BYTES, CHUNK, FLUSH])
def test_bytes_and_milliseconds_are_whole(header: str) -> None:
    """Half a byte is refused."""
    with pytest.raises(InvalidRequest, match="whole number"):
        pace_of({header: "1.5"})


@given(header=st.sampled_from([TOKENS, BYTES, CHUNK, FLUSH]), value=st.text(st.characters(max_codepoint=255)))
def test_whatever_is_sent_is_taken_or_refused(header: str, value: str) -> None:
    """No value breaks the server."""
    try:
        pace = pace_of({header: value})
    except InvalidRequest:
        return
    assert pace is not None


def test_whole_answers_have_no_pace() -> None:
    """The headers are about streams: a whole answer takes no notice of them."""
    call = Exchange(Dialect.OPENAI_CHAT, b"{}", {TOKENS.encode(): b"nonsense"})
    SetPace()(call)
    assert call.pace is None


def test_settings_may_change() -> None:
    """Calls go by the settings of their time."""
    stage = SetPace()
    for settings, pace in ((StreamSettings(max_bytes_per_s=9), Pace(bytes_per_s=9)), (StreamSettings(), None)):
        stage.adopt(settings)
        call = Exchange(Dialect.OPENAI_CHAT, b"{}", {})
        call.streaming = True
        stage(call)
        assert call.pace == pace
