"""The headers of a response, decoded when they are asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.providers.transport.headers import Headers

RAW = {b"Content-Type": b"application/json", b"RETRY-AFTER": b"7", b"x-text": b"caf\xe9", b"retry-after": b"8"}


def test_names_are_lower_case_and_values_are_text() -> None:
    """Whatever the provider wrote, names are found in lower case, and every byte of a value is kept."""
    headers = Headers(RAW)
    assert dict(headers) == {"content-type": "application/json", "retry-after": "8", "x-text": "café"}
    assert "content-type" in headers
    assert "Content-Type" not in headers


def test_the_last_of_several_counts() -> None:
    """Of headers with one name, in whatever case, the last is taken, and counted once."""
    headers = Headers(RAW)
    assert headers["retry-after"] == "8"
    assert len(headers) == 3
    assert list(headers) == ["content-type", "retry-after", "x-text"]


def test_what_is_not_there_is_missing() -> None:
    """An absent header is an absent key."""
    headers = Headers({})
    assert headers.get("x-none") is None
    assert headers.keys() & {"content-length"} == set()
    with pytest.raises(KeyError):
        _ = headers["x-none"]


@given(st.dictionaries(st.binary(min_size=1, max_size=8), st.binary(max_size=8), max_size=6))
def test_any_bytes_are_headers(raw: dict[bytes, bytes]) -> None:
    """Whatever bytes come, they can be read, each name once and no value changed."""
    headers = Headers(raw)
    assert set(headers) == {name.decode("latin-1").lower() for name in raw}
    assert len(headers) == len(set(headers))
    assert {value.encode("latin-1") for value in headers.values()} <= set(raw.values())
