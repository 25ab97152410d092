"""Estimates for images, sounds and files."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.tokens.media import audio_tokens, file_tokens, image_size, image_tokens
from narthex.types.messages import Audio, File, Image


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _png(width: int, height: int) -> str:
    return _text(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08\x06\0\0\0")


JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0" + b"\0" * 9 + b"\xff\xc0\0\x11\x08" + struct.pack(">HH", 30, 40) + b"\x03"
WEBP = b"RIFF\0\0\0\0WEBP"


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (_png(640, 480), (640, 480)),
        (_text(b"GIF89a" + struct.pack("<HH", 20, 10)), (20, 10)),
        (_text(JPEG), (40, 30)),
        (_text(WEBP + b"VP8X\x0a\0\0\0\0\0\0\0" + b"\x63\0\0\x31\0\0"), (100, 50)),
        (_text(WEBP + b"VP8L\0\0\0\0\x2f" + struct.pack("<I", 99 | 49 << 14)), (100, 50)),
        (_text(WEBP + b"VP8 \0\0\0\0\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 70, 60)), (70, 60)),
        (_text(b"not an image"), (1024, 1024)),
        (_png(0, 5), (1024, 1024)),
        ("%%%", (1024, 1024)),
    ],
)
def test_reads_the_size_from_the_head(data: str, size: tuple[int, int]) -> None:
    """Each format's head tells the size; what is unreadable counts as 1024 by 1024."""
    assert image_size(data) == size


@given(st.sampled_from([b"\x89PNG\r\n\x1a\n", b"GIF8", b"\xff\xd8", b"RIFF\0\0\0\0WEBPVP8X"]), st.binary(max_size=60))
def test_any_head_is_survived(mark: bytes, rest: bytes) -> None:
    """A broken image still has a size above zero."""
    assert min(image_size(_text(mark + rest))) > 0


@pytest.mark.parametrize(
    ("image", "tokens"),
    [
        (Image(data=_png(1024, 1024), media_type="image/png"), 765),
        (Image(data=_png(2048, 4096), media_type="image/png"), 1105),
        (Image(data=_png(4096, 8192), media_type="image/png", detail="low"), 85),
        (Image(url="https://example.com/a.png"), 765),
    ],
)
def test_images_cost_what_openai_prints(image: Image, tokens: int) -> None:
    """The examples of OpenAI's guide to vision come out as printed there."""
    assert image_tokens(image) == tokens


def test_sounds_cost_by_their_length() -> None:
    """Ten tokens a second, at the usual rate of the format."""
    assert audio_tokens(Audio(data=_text(bytes(96_000)), format="wav")) == 20
    assert audio_tokens(Audio(data=_text(bytes(96_000)), format="unheard")) == 60


def test_files_cost_by_their_kind() -> None:
    """PDF by pages, text by bytes, and what is not at hand as one page."""
    assert file_tokens(File(data=_text(bytes(150_000)), media_type="application/pdf")) == 6_000
    assert file_tokens(File(data=_text(bytes(3_000)), media_type="text/plain")) == 750
    assert file_tokens(File(file_id="file-1")) == 2_000
