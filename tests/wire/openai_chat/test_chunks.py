"""The small things of answers: tokens, log probabilities, reasons, failures."""

from __future__ import annotations

import json

import pytest

from narthex.types.events import Failed
from narthex.types.usage import Usage
from narthex.wire.openai_chat.chunks import (
    AnswerBody,
    finish_word,
    is_done,
    is_given,
    read_answer,
    read_error_member,
    read_failure,
    read_logprobs,
    read_stop_sequence,
    read_usage,
)
from narthex.wire.sse import SseEvent


def read(**members: object) -> AnswerBody:
    """Read an answer with these members."""
    answer = read_answer(json.dumps(members).encode())
    assert answer is not None
    return answer


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}, Usage(input_tokens=3, output_tokens=4)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 4,
                "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 1},
            },
            Usage(input_tokens=9, output_tokens=4, cache_read_tokens=8, cache_write_tokens=1),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 4, "prompt_cache_hit_tokens": 5},
            Usage(input_tokens=9, output_tokens=4, cache_read_tokens=5),
        ),
        ({"prompt_tokens": 9, "cached_tokens": 5}, Usage(input_tokens=9, cache_read_tokens=5)),
        ({"prompt_tokens": 9, "cache_creation_input_tokens": 5}, Usage(input_tokens=9, cache_write_tokens=5)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 4,
                "total_tokens": 13,
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            Usage(input_tokens=9, output_tokens=4, reasoning_tokens=3),
        ),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 4,
                "total_tokens": 16,
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            Usage(input_tokens=9, output_tokens=7, reasoning_tokens=3),
        ),
        ({"prompt_tokens": None, "prompt_tokens_details": None, "completion_tokens_details": None}, Usage()),
    ],
)
def test_reads_every_vendors_counts(body: dict[str, object], usage: Usage) -> None:
    """Caches and reasoning are found under each vendor's name, and are parts of their totals."""
    assert read_usage(read(usage=body)) == usage


@pytest.mark.parametrize("members", [{}, {"usage": None}, {"usage": "much"}, {"x_groq": {"id": "x"}}, {"x_groq": 7}])
def test_no_usage_is_no_usage(members: dict[str, object]) -> None:
    """Missing and unreadable counts are not zero."""
    assert read_usage(read(**members)) is None


def test_null_is_not_given() -> None:
    """A member that is null says as little as one that is not there."""
    assert not is_given(read().usage)
    assert not is_given(read(usage=None).usage)
    assert is_given(read(usage={}).usage)


@pytest.mark.parametrize("logprobs", [None, {}, {"content": None}, {"content": []}, {"content": "x"}, 7])
def test_no_log_probabilities(logprobs: object) -> None:
    """Empty and unreadable lists are none."""
    [choice] = read(choices=[{"logprobs": logprobs}]).choices or []
    assert read_logprobs(choice) is None


@pytest.mark.parametrize(("given", "sequence"), [("END", "END"), (None, None), (7, None), ([], None)])
def test_only_a_text_is_a_stop_sequence(given: object, sequence: str | None) -> None:
    """An ID of a token is not a sequence that a caller gave."""
    [choice] = read(choices=[{"stop_reason": given}]).choices or []
    assert read_stop_sequence(choice) == sequence


def test_an_empty_reason_is_none() -> None:
    """Some servers write an empty word in every chunk."""
    [choice] = read(choices=[{"finish_reason": ""}]).choices or []
    assert finish_word(choice) is None


def test_a_failure_is_told_in_every_shape() -> None:
    """By member, by `object`, by the event's type or by the word of the end; else there is none."""
    plain = SseEvent(None, b"{}")
    assert read_failure(read(error="down"), plain) == Failed(message="down")
    assert read_failure(read(error=7), plain) == Failed(message="the provider reported an error in a shape of its own")
    assert read_failure(read(object="error"), SseEvent(None, b'{"message":"m"}')) == Failed(message="m")
    assert read_failure(None, SseEvent("error", b'"down"')) == Failed(message="down")
    assert read_failure(read(choices=[{"finish_reason": "abort"}]), plain) is not None
    assert read_failure(read(choices=[{"finish_reason": "stop"}]), plain) is None
    assert read_failure(None, plain) is None
    assert read_error_member(read(error=None)) is None


@pytest.mark.parametrize("data", [b"", b"7", b"[]", b"{", b'{"choices":{}}', b'{"id":"\xff"}', b'{"x":' + b"[" * 10**5])
def test_what_cannot_be_read_is_none(data: bytes) -> None:
    """Broken JSON, other shapes, bad UTF-8 and endless nesting are no answer, and no crash."""
    assert read_answer(data) is None


@pytest.mark.parametrize("created", [1700000000, 1700000000.5, "1700000000", None])
def test_liberties_with_the_head_cost_nothing(created: object) -> None:
    """A number as ID or a text as time is no reason to lose what was said."""
    assert read(id=7, created=created, choices=[]).choices == []


@pytest.mark.parametrize(("data", "done"), [(b"[DONE]", True), (b" [DONE] ", True), (b"[DONE", False), (b"{}", False)])
def test_knows_the_mark_of_the_end(data: bytes, done: bool) -> None:
    """Spaces around it do not matter."""
    assert is_done(data) is done
