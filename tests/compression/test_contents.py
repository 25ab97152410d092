"""The content codings of HTTP."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable, Mapping

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.compression.contents import Encoder, encode, encoder

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DECODERS: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": zstd.decompress,
}


@pytest.mark.parametrize("coding", ["zstd", "br", "gzip"])
@given(pieces=st.lists(st.binary(max_size=200), max_size=8))
def test_every_client_reads_it(coding: str, pieces: list[bytes]) -> None:
    """A body in a coding is what ordinary decoders read, whole, in haste, and in pieces however it is cut."""
    data = b"".join(pieces)
    assert DECODERS[coding](encode(data, coding)) == data
    assert DECODERS[coding](encode(data, coding, hasty=True)) == data
    written = encoder(coding)
    assert DECODERS[coding](b"".join([*(written.piece(one) for one in pieces), written.end()])) == data


def _gunzip() -> Callable[[bytes], bytes]:
    return zlib.decompressobj(31).decompress


def _unbrotli() -> Callable[[bytes], bytes]:
    decompressor = brotli.Decompressor()
    return lambda data: bytes(decompressor.process(data))


def _unzstd() -> Callable[[bytes], bytes]:
    return zstd.ZstdDecompressor().decompress


@pytest.mark.parametrize(("coding", "reader"), [("zstd", _unzstd), ("br", _unbrotli), ("gzip", _gunzip)])
@given(pieces=st.lists(st.binary(min_size=1, max_size=200), max_size=8))
def test_what_is_sent_is_read_at_once(
    coding: str, reader: Callable[[], Callable[[bytes], bytes]], pieces: list[bytes]
) -> None:
    """Each event of a stream, before the next one comes; and all of it is one body."""
    written, read, sent = encoder(coding, hasty=True), reader(), b""
    for one in pieces:
        piece = written.sent(one)
        assert read(piece) == one
        sent += piece
    assert DECODERS[coding](sent + written.end()) == b"".join(pieces)


@pytest.mark.parametrize("coding", ["zstd", "br", "gzip"])
def test_events_get_smaller(coding: str) -> None:
    """Each by what was said in those before it."""
    events = [b'data: {"choices":[{"index":0,"delta":{"content":"word %d"}}]}\n\n' % number for number in range(50)]
    written: Encoder = encoder(coding, hasty=True)
    assert sum(len(written.sent(one)) for one in events) < sum(map(len, events)) / 2.5
