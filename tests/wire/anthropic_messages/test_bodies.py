"""Request bodies, and what is wrong with a bad one."""

from __future__ import annotations

import msgspec
import pytest

from narthex.errors import InvalidRequest, UnsupportedContent
from narthex.wire.anthropic_messages.bodies import other_fields, raw_text, read_request


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"3", b"null", b'{"model": "m"}', b'{"a":\xff}', b"\xef\xbb\xbf{}"])
def test_what_is_no_request_is_refused(body: bytes) -> None:
    """No JSON, another shape, a field missing: each is a bad request."""
    with pytest.raises(InvalidRequest):
        read_request(body)


def test_only_fields_without_a_place_are_others() -> None:
    """Known fields, and those that are null, are not told again."""
    assert other_fields(b'{"model": "m", "speed": "fast", "container": null, "x": [1]}') == {"speed": "fast", "x": [1]}


@pytest.mark.parametrize("body", [b'{"x": "\xff"}', b'{"x": ' + b"[" * 90_000 + b"}", b'{"x": 1e999}'])
def test_a_field_that_cannot_be_read_is_refused(body: bytes) -> None:
    """Fields we only keep are still read, and a bad one is a bad request."""
    with pytest.raises(InvalidRequest):
        other_fields(body)


def test_raw_json_must_be_text() -> None:
    """A tool's input goes to other providers as text, so it must be UTF-8."""
    assert raw_text(msgspec.Raw(b'{"a": "\xc3\xa9"}'), "w") == '{"a": "é"}'
    with pytest.raises(InvalidRequest) as caught:
        raw_text(msgspec.Raw(b'"\xff"'), "messages.0.content.0.input")
    assert caught.value.param == "messages.0.content.0.input"


def test_an_unknown_block_is_named_even_if_others_are_malformed() -> None:
    """What we do not carry is told apart from what is wrong."""
    body = b'{"model": "m", "messages": [{"role": "user", "content": [{"type": "hologram"}]}]}'
    with pytest.raises(UnsupportedContent, match="hologram"):
        read_request(body)
