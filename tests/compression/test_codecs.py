"""Codecs: what they give back, and what they refuse."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.compression.codecs import CODECS, LEVELS
from narthex.compression.contract import CodecName
from narthex.errors import CorruptFrame

NAMES: tuple[CodecName, ...] = ("zstd", "gzip", "brotli", "none")


@pytest.mark.parametrize("name", NAMES)
@given(data=st.binary(max_size=2_000))
def test_what_goes_in_comes_out(name: CodecName, data: bytes) -> None:
    """Any bytes are given back as they were, at the lowest level and at the usual one."""
    for level in (LEVELS[name][0], 5):
        assert CODECS[name].decompress(CODECS[name].compress(data, level), len(data)) == data


@pytest.mark.parametrize("name", NAMES)
@given(data=st.binary(min_size=1, max_size=300), other=st.binary(max_size=300))
def test_nothing_else_is_taken(name: CodecName, data: bytes, other: bytes) -> None:
    """Foreign bytes, another size, a cut and something behind it are one error, and never a crash."""
    codec = CODECS[name]
    written = codec.compress(data, 5)
    for wrong, size in ((written, len(data) + 1), (written, len(data) - 1), (written + b"\0", len(data))):
        with pytest.raises(CorruptFrame):
            codec.decompress(wrong, size)
    with pytest.raises(CorruptFrame):
        codec.decompress(written[:-1], len(data))
    if name != "none" and other != written:
        try:
            assert len(codec.decompress(other, len(data))) == len(data)
        except CorruptFrame:
            pass


@pytest.mark.parametrize("name", ["zstd", "gzip", "brotli"])
def test_a_bomb_does_not_go_off(name: CodecName) -> None:
    """Data that says that it is small, and is not, is refused before it has grown."""
    bomb = CODECS[name].compress(bytes(50_000_000), 5)
    tracemalloc.start()
    with pytest.raises(CorruptFrame):
        CODECS[name].decompress(bomb, 1_000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2_000_000


def test_gzip_writes_the_same_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is not in what is written."""
    first = CODECS["gzip"].compress(b"the same" * 20, 6)
    monkeypatch.setattr("time.time", lambda: 1_000_000_000.0)
    assert CODECS["gzip"].compress(b"the same" * 20, 6) == first
