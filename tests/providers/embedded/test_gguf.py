"""What a model file says of itself."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.providers.embedded.gguf import Header, NotGguf, read_header
from tests.providers.embedded.gguf_files import chat_file, embedder_file, entry, gguf, text


def _read(folder: Path, content: bytes) -> Header:
    path = folder / "model.gguf"
    path.write_bytes(content)
    return read_header(path)


def test_reads_a_chat_model(tmp_path: Path) -> None:
    """Name, window and the template that makes it chat; lists are passed over."""
    header = _read(tmp_path, chat_file())
    assert header == Header(
        architecture="llama",
        name="Tiny",
        context_tokens=2048,
        embedding_length=64,
        pools=False,
        has_chat_template=True,
    )
    assert not header.is_embedder


def test_tells_an_embedder(tmp_path: Path) -> None:
    """A model that pools and has no template makes vectors."""
    header = _read(tmp_path, embedder_file())
    assert header.is_embedder
    assert header.embedding_length == 384


def test_every_kind_of_value_is_passed(tmp_path: Path) -> None:
    """Numbers of every width and lists of them do not derail the reader."""
    widths = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
    entries = [entry(f"x.{kind}", kind, struct.pack(form, 1)) for kind, form in widths.items()]
    entries += [
        entry(f"y.{kind}", 9, struct.pack("<IQ", kind, 3) + struct.pack(form, 1) * 3) for kind, form in widths.items()
    ]
    header = _read(tmp_path, gguf(*entries, entry("general.architecture", 8, text("last"))))
    assert header.architecture == "last"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "begin"),
        (b"PK\x03\x04 a zip", "begin"),
        (gguf(version=1), "version 1"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 40, 0), "damaged"),
        (chat_file()[:-3], "cut"),
        (gguf(entry("x", 99, b"")), "damaged"),
        (gguf(tensors=1, tail=text("t") + struct.pack("<IQIQ", 1, 8, 0, 1 << 40)), "cut"),
    ],
)
def test_says_why_it_is_none(tmp_path: Path, content: bytes, reason: str) -> None:
    """What is not a whole GGUF file is refused with the reason."""
    with pytest.raises(NotGguf, match=reason):
        _read(tmp_path, content)


@given(st.integers(min_value=0, max_value=len(chat_file()) - 1))
def test_any_cut_is_noticed(tmp_path_factory: pytest.TempPathFactory, end: int) -> None:
    """Wherever the head is cut, it is refused, never read wrongly."""
    with pytest.raises(NotGguf):
        _read(tmp_path_factory.mktemp("cut"), chat_file()[:end])


@given(st.integers(min_value=4, max_value=len(chat_file()) - 1), st.integers(min_value=0, max_value=255))
def test_any_damage_is_survived(tmp_path_factory: pytest.TempPathFactory, at: int, byte: int) -> None:
    """A changed byte gives another head or a refusal, never another error."""
    content = bytearray(chat_file())
    content[at] = byte
    try:
        _read(tmp_path_factory.mktemp("damage"), bytes(content))
    except NotGguf:
        pass
