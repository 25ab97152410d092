"""The schemas of OpenAI's responses, as far as Narthex reads them itself when it translates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from narthex.http.schemas import (
    COUNT,
    FLAG,
    MODEL,
    NUMBER,
    OBJECT,
    POSITIVE,
    STREAM,
    STRINGS,
    TEXT,
    Json,
    listed,
    nullable,
    one_of,
    part,
    record,
    ref,
    said,
)

RESPONSES: Final[Mapping[str, Json]] = {
    "ResponseInput": {
        "anyOf": [
            part("input_text", {"text": TEXT}, ("text",)),
            part("output_text", {"text": TEXT}, ("text",)),
            part("refusal", {"refusal": TEXT}, ("refusal",)),
            part(
                "input_image",
                {"image_url": {**TEXT, "pattern": "^https?://"}, "detail": nullable(one_of("auto", "low", "high"))},
                ("image_url",),
            ),
            part("input_file", {"file_id": TEXT}, ("file_id",)),
        ]
    },
    "ResponseItem": {
        "anyOf": [
            record(
                {
                    "type": {"const": "message"},
                    "role": one_of("system", "developer", "user", "assistant"),
                    "content": {"anyOf": [TEXT, listed(ref("ResponseInput"))]},
                },
                ("role", "content"),
            ),
            part("function_call", {"call_id": TEXT, "name": TEXT, "arguments": TEXT}, ("call_id", "name", "arguments")),
            part("function_call_output", {"call_id": TEXT, "output": TEXT}, ("call_id", "output")),
            part("reasoning", {"summary": listed(part("summary_text", {"text": TEXT}, ("text",)))}, ("summary",)),
        ]
    },
    "ResponseTool": part(
        "function",
        {
            "name": TEXT,
            "description": nullable(TEXT),
            "parameters": nullable(OBJECT),
            "strict": nullable(FLAG),
        },
        ("name",),
    ),
    "ResponsesRequest": record(
        {
            "model": MODEL,
            "input": {"anyOf": [{**TEXT, "minLength": 1}, listed(ref("ResponseItem"), minItems=1)]},
            "instructions": nullable(TEXT),
            "stream": STREAM,
            "store": said(nullable(FLAG), "Whether the response is kept here; by default `responses.store`."),
            "previous_response_id": said(nullable(TEXT), "A response that is kept, from which this one goes on."),
            "background": said(nullable(FLAG), "Answer at once with a response that is queued, and do the work then."),
            "max_output_tokens": nullable(POSITIVE),
            "temperature": nullable(NUMBER),
            "top_p": nullable(NUMBER),
            "tools": nullable(listed(ref("ResponseTool"))),
            "tool_choice": nullable(one_of("auto", "none", "required")),
            "parallel_tool_calls": nullable(FLAG),
            "reasoning": nullable(record({"effort": nullable(TEXT)})),
            "user": nullable(TEXT),
            "metadata": nullable(STRINGS),
        },
        ("input",),
        description="A request for a response in OpenAI's shape; fields not named here are passed on.",
    ),
    "Response": record(
        {
            "id": TEXT,
            "object": {"const": "response"},
            "created_at": COUNT,
            "status": one_of("queued", "in_progress", "completed", "incomplete", "failed", "cancelled"),
            "previous_response_id": nullable(TEXT),
            "model": TEXT,
            "output": listed(record({"type": TEXT, "id": TEXT}, ("type", "id"))),
            "usage": nullable(
                record(
                    {"input_tokens": COUNT, "output_tokens": COUNT, "total_tokens": COUNT},
                    ("input_tokens", "output_tokens", "total_tokens"),
                )
            ),
        },
        ("id", "object", "created_at", "status", "model", "output"),
    ),
    "ResponseDeleted": record(
        {"id": TEXT, "object": {"const": "response"}, "deleted": {"const": True}}, ("id", "object", "deleted")
    ),
    "ResponseItems": record(
        {
            "object": {"const": "list"},
            "data": listed(record({"type": TEXT, "id": TEXT}, ("type", "id"))),
            "first_id": nullable(TEXT),
            "last_id": nullable(TEXT),
            "has_more": FLAG,
        },
        ("object", "data", "first_id", "last_id", "has_more"),
    ),
    "InputTokens": record(
        {"object": {"const": "response.input_tokens"}, "input_tokens": COUNT}, ("object", "input_tokens")
    ),
}
"""Every schema, by its name in the document."""
