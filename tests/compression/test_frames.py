"""The head of what is compressed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.compression.contract import CodecName
from narthex.compression.frames import ID_BYTES, MAGIC, MOST_BYTES, Frame, framed, plain_size, unframed
from narthex.errors import CorruptFrame

CODECS: tuple[CodecName, ...] = ("none", "zstd", "gzip", "brotli")

frames = st.builds(
    Frame,
    st.sampled_from(CODECS),
    st.none(),
    st.integers(0, MOST_BYTES),
    st.binary(max_size=200),
) | st.builds(
    Frame,
    st.just("zstd"),
    st.binary(min_size=ID_BYTES, max_size=ID_BYTES),
    st.integers(0, MOST_BYTES),
    st.binary(max_size=200),
)


@given(frames)
def test_a_frame_says_what_was_written(frame: Frame) -> None:
    """Codec, dictionary, size and data are read as they were written."""
    assert unframed(framed(frame)) == frame
    assert plain_size(framed(frame)) == frame.size


@given(frames, st.data())
def test_any_flipped_bit_is_found(frame: Frame, data: st.DataObject) -> None:
    """No bit of a frame can change unseen."""
    written = bytearray(framed(frame))
    place = data.draw(st.integers(0, 8 * len(written) - 1))
    written[place // 8] ^= 1 << place % 8
    with pytest.raises(CorruptFrame):
        unframed(bytes(written))


@given(frames, st.data())
def test_any_truncation_is_found(frame: Frame, data: st.DataObject) -> None:
    """What is cut anywhere is no frame any more."""
    written = framed(frame)
    with pytest.raises(CorruptFrame):
        unframed(written[: data.draw(st.integers(0, len(written) - 1))])


@given(st.binary(max_size=64))
def test_other_bytes_are_no_frame(other: bytes) -> None:
    """Whatever was not written by us is refused with one error."""
    with pytest.raises(CorruptFrame):
        unframed(other)
    with pytest.raises(CorruptFrame):
        unframed(bytes([MAGIC, 0x11]) + other)
    assert plain_size(other[:4]) == 0


def test_the_size_is_held_to_a_limit() -> None:
    """A frame that says that it holds more than it may is refused before anything is made of it."""
    written = framed(Frame("zstd", None, 1_001, b"x"))
    with pytest.raises(CorruptFrame, match="1001 bytes, and may hold 1000"):
        unframed(written, max_bytes=1_000)
    # What is not compressed is as large as it is.
    plain = Frame("none", None, 1_001, bytes(1_001))
    assert unframed(framed(plain), max_bytes=1_000) == plain
    with pytest.raises(ValueError, match="more than a frame holds"):
        framed(Frame("none", None, MOST_BYTES + 1, b""))
