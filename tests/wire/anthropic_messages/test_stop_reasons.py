"""Why an answer ended."""

from __future__ import annotations

from typing import get_args

import anthropic.types
import pytest

from narthex.types.answers import FinishReason
from narthex.types.messages import Refusal, Text
from narthex.wire.anthropic_messages.stop_reasons import finish_reason, holds_refusal, stop_reason

VENDOR = get_args(anthropic.types.StopReason)


@pytest.mark.parametrize("word", VENDOR)
def test_every_reason_of_the_vendor_comes_back(word: str) -> None:
    """Read and written again it is the same word, but that a full window is a limit of tokens."""
    expected = "max_tokens" if word == "model_context_window_exceeded" else word
    assert stop_reason(finish_reason(word), refused=False) == expected


@pytest.mark.parametrize("reason", FinishReason)
def test_every_reason_of_ours_has_a_word(reason: FinishReason) -> None:
    """Each of our reasons is one that the vendor's SDK knows."""
    assert stop_reason(reason, refused=False) in VENDOR


def test_a_reason_that_is_new_is_an_end() -> None:
    """The provider said that it stopped, if not why in words we know."""
    assert finish_reason("tired") is FinishReason.STOP


def test_a_refusal_is_told_by_the_reason() -> None:
    """The wire has no block for a refusal, so a stop becomes one; any other reason stands."""
    assert stop_reason(FinishReason.STOP, refused=True) == "refusal"
    assert stop_reason(FinishReason.LENGTH, refused=True) == "max_tokens"
    assert holds_refusal((Text(text="a"), Refusal(text="b")))
    assert not holds_refusal((Text(text="a"),))
