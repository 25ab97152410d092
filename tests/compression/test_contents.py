"""The content codings of HTTP."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable, Mapping

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.compression.contents import encode, encoder

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
