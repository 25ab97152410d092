"""The schemas of responses, held against those who read and write what they describe."""

from __future__ import annotations

import json

import jsonschema_rs
import pytest
from jsonschema_rs import Draft202012Validator

from narthex.http.responses_schemas import RESPONSES
from narthex.http.schemas import SCHEMAS, Json, ref
from narthex.types.answers import ChatAnswer, Choice, FinishReason
from narthex.types.messages import Message, Text
from narthex.types.usage import Usage
from narthex.wire.openai_responses import OPENAI_RESPONSES

CALL: Json = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
ACCEPTED: list[Json] = [
    {"input": "Hi"},
    {"model": None, "input": "Hi", "stream": None, "tools": None, "metadata": {"a": "b"}, "unheard_of": 1},
    {
        "input": [
            {"role": "user", "content": "Hi"},
            CALL,
            {"type": "function_call_output", "call_id": "c", "output": ""},
        ]
    },
    {"input": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}]},
    {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://a.test/b.png"}]}]},
    {"input": "Hi", "tools": [{"type": "function", "name": "f", "strict": None}], "tool_choice": "auto"},
]


def fits(name: str, value: object) -> bool:
    """Return whether a value is as the document says."""
    return Draft202012Validator({**ref(name), "components": {"schemas": {**SCHEMAS, **RESPONSES}}}).is_valid(value)


@pytest.mark.parametrize("name", sorted(RESPONSES))
def test_each_schema_is_one(name: str) -> None:
    """Every schema is valid JSON Schema as OpenAPI 3.1 has it (2020-12)."""
    jsonschema_rs.meta.validate({**RESPONSES[name], "$schema": "https://json-schema.org/draft/2020-12/schema"})


@pytest.mark.parametrize("body", ACCEPTED, ids=lambda body: json.dumps(body)[:60])
def test_what_the_document_allows_is_read(body: Json) -> None:
    """What fits the schema is no invalid request."""
    assert fits("ResponsesRequest", body)
    given = {name: value for name, value in body.items() if value is not None}
    assert OPENAI_RESPONSES.decode_request(json.dumps(given).encode()).messages


def test_what_is_answered_fits_the_document() -> None:
    """A whole answer, as it is written."""
    choice = Choice(
        index=0, message=Message(role="assistant", parts=(Text(text="hi"),)), finish_reason=FinishReason.LENGTH
    )
    answer = ChatAnswer(id="a", model="m", created_at=7, choices=(choice,), usage=Usage(output_tokens=1))
    assert fits("Response", json.loads(OPENAI_RESPONSES.encode_answer(answer)))
    assert not fits("Response", {"object": "response"})
