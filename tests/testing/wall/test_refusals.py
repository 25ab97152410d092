"""Errors in the words of each wire."""

from __future__ import annotations

import json

import pytest

from narthex.testing.acts import Send
from narthex.testing.wall.refusals import Refusal, body_of, overflown, refused


@pytest.mark.parametrize(
    ("status", "openai_code", "anthropic_type"),
    [
        (401, "invalid_api_key", "authentication_error"),
        (404, "model_not_found", "not_found_error"),
        (429, "rate_limit_exceeded", "rate_limit_error"),
        (500, None, "api_error"),
        (529, None, "overloaded_error"),
    ],
)
def test_each_wire_has_its_word(status: int, openai_code: str | None, anthropic_type: str) -> None:
    """A status has the code of OpenAI and the type of Anthropic that go with it."""
    refusal = Refusal(status=status, message="No.")
    assert json.loads(body_of(refusal, "openai"))["error"]["code"] == openai_code
    told = json.loads(body_of(refusal, "anthropic"))
    assert (told["type"], told["error"]["type"], told["error"]["message"]) == ("error", anthropic_type, "No.")


def test_a_code_of_its_own_wins() -> None:
    """A quota that is used up is no ordinary limit."""
    refusal = Refusal(status=429, message="No.", code="insufficient_quota")
    assert json.loads(body_of(refusal, "openai"))["error"]["code"] == "insufficient_quota"


def test_the_time_to_wait_is_a_header() -> None:
    """It is there only where it is known."""
    with_time, without = (
        refused(Refusal(status=429, message="No.", retry_after_s=seconds), "openai")[0] for seconds in (1.5, None)
    )
    assert isinstance(with_time, Send)
    assert isinstance(without, Send)
    assert b"retry-after: 1.5\r\n" in with_time.data
    assert b"retry-after" not in without.data


def test_a_request_too_long_is_told_as_each_wire_tells_it() -> None:
    """OpenAI has a code for it, Anthropic a sentence."""
    assert overflown("openai").code == "context_length_exceeded"
    assert overflown("anthropic").message.startswith("prompt is too long")
