"""Whole answers, both ways."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from openai.types.responses import Response

from narthex.types.answers import ChatAnswer
from narthex.types.messages import Text
from narthex.wire.contract import MalformedBody
from narthex.wire.openai_responses.answer import decode_answer, encode_answer, scan_answer
from tests.wire.openai_responses import strategies as made

WHOLE: dict[str, object] = {
    "id": "resp_1",
    "object": "response",
    "model": "gpt",
    "status": "completed",
    "created_at": 7.0,
    "output": [
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi", "annotations": []}]},
    ],
    "usage": {"input_tokens": 3, "output_tokens": 1, "input_tokens_details": {"cached_tokens": 2}},
}


@given(made.answers())
def test_an_answer_survives_both_directions(answer: ChatAnswer) -> None:
    """Written and read again it says the same, and the vendor's own type takes it."""
    body = encode_answer(answer)
    Response.model_validate_json(body, strict=True)
    assert made.plain(decode_answer(body)) == answer
    scan = scan_answer(body)
    assert (scan.model, scan.usage) == (answer.model, answer.usage)


def test_the_providers_own_tools_at_work_are_left_out() -> None:
    """What no other dialect has a word for is no part of what was said."""
    answer = decode_answer(json.dumps(WHOLE).encode())
    assert answer.choices[0].message.parts == (Text(text="hi"),)
    assert answer.usage is not None
    assert answer.usage.cache_read_tokens == 2


@pytest.mark.parametrize(
    "change",
    [
        {"status": "in_progress"},
        {"status": "failed"},
        {"status": None},
        {"object": "list"},
        {"output": [{"type": "message", "content": 3}]},
    ],
)
def test_what_is_no_whole_answer_is_refused(change: dict[str, object]) -> None:
    """One that has not ended, that failed, or that is something else."""
    body = json.dumps(WHOLE | change).encode()
    with pytest.raises(MalformedBody):
        decode_answer(body)
    if "output" not in change:
        with pytest.raises(MalformedBody):
            scan_answer(body)


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"[" * 5000])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    """Whole and in passing alike."""
    with pytest.raises(MalformedBody):
        decode_answer(body)
    with pytest.raises(MalformedBody):
        scan_answer(body)


@pytest.mark.parametrize(
    "item", [{"type": "message", "content": [{"type": "output_audio"}]}, {"type": "function_call", "name": "f"}]
)
def test_a_strange_item_is_the_providers_fault(item: dict[str, object]) -> None:
    """Its caller asked well, and is not told otherwise."""
    body = {"id": "r", "object": "response", "status": "completed", "model": "m", "output": [item]}
    with pytest.raises(MalformedBody):
        decode_answer(json.dumps(body).encode())
