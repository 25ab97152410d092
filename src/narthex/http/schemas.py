"""The schemas of the OpenAPI document: what is read, and what is answered.

The bodies of the model routes are those of OpenAI and Anthropic. Their schemas hold what Narthex reads itself when it
translates; fields not named there pass, to a provider of the same dialect as they are. Bodies of our own are complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from narthex.pipeline.generate import MAX_OUTPUT_TOKENS, MAX_SEED, MAX_STOPS, MAX_TEMPERATURE

Json = dict[str, object]

TEXT: Final[Json] = {"type": "string"}
COUNT: Final[Json] = {"type": "integer", "minimum": 0}
_LARGEST: Final = 18_446_744_073_709_551_615
"""What an integer can be: 64 bits, with or without a sign."""
_INTEGER: Final[Json] = {"type": "integer", "minimum": -9_223_372_036_854_775_808, "maximum": _LARGEST}
POSITIVE: Final[Json] = {"type": "integer", "minimum": 1, "maximum": _LARGEST}
NUMBER: Final[Json] = {"type": "number"}
FLAG: Final[Json] = {"type": "boolean"}
EVENT_NUMBER: Final[Json] = {"type": "integer", "minimum": 0, "maximum": 999_999_999_999_999}
OBJECT: Final[Json] = {"type": "object"}
STRINGS: Final[Json] = {"type": "object", "additionalProperties": TEXT}
_NULL: Final[Json] = {"type": "null"}
_SPOKEN: Final[Json] = {"type": "string", "minLength": 1}


def ref(name: str) -> Json:
    """Point to a schema of this module."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(properties: Mapping[str, object], required: tuple[str, ...] = (), **more: object) -> Json:
    """Write the schema of an object that may hold more than is said here."""
    return {"type": "object", "properties": dict(properties), "required": list(required), **more}


def complete(properties: Mapping[str, object], optional: tuple[str, ...] = ()) -> Json:
    """Write the schema of an answer of our own: these fields, and no others."""
    required = tuple(name for name in properties if name not in optional)
    return record(properties, required, additionalProperties=False)


def nullable(schema: Json) -> Json:
    """Allow null as well, which means "not given"."""
    return {"anyOf": [schema, _NULL]}


def said(schema: Json, description: str) -> Json:
    """Add words to a schema."""
    return {**schema, "description": description}


def one_of(*words: str) -> Json:
    """Write the schema of one word among these."""
    return {"enum": list(words)}


def listed(items: Json, **more: object) -> Json:
    """Write the schema of a list."""
    return {"type": "array", "items": items, **more}


def part(kind: str, properties: Mapping[str, object], required: tuple[str, ...]) -> Json:
    """Write the schema of an object that says by `type` what it is."""
    return record({"type": {"const": kind}, **properties}, ("type", *required))


def _message(roles: tuple[str, ...], properties: Mapping[str, object], required: tuple[str, ...]) -> Json:
    return record({"role": one_of(*roles), **properties}, ("role", *required))


def _text_or(*parts: str) -> Json:
    return {"anyOf": [TEXT, listed({"anyOf": [ref(part) for part in parts]})]}


MODEL: Final[Json] = {
    **nullable(TEXT),
    "description": "`provider/model` or an alias; by default the configured default model.",
    "examples": ["local/smollm2"],
}
STREAM: Final[Json] = {**nullable(FLAG), "default": False, "description": "Whether the answer comes as it is made."}
_CACHE: Final[Json] = nullable(record({"type": {"const": "ephemeral"}, "ttl": nullable(one_of("5m", "1h"))}))

_LIMIT_FACTS: Final[Json] = {
    **complete(
        {
            "id": TEXT,
            "subject_kind": TEXT,
            "subject": said(TEXT, "Whose use is counted."),
            "measure": TEXT,
            "period": TEXT,
            "amount": COUNT,
            "used": COUNT,
            "reserved": said(COUNT, "By calls under way."),
            "resets_at": said(nullable(COUNT), "Unix time in milliseconds; null where no time brings that."),
        }
    ),
    "description": "The limit that refused, with `limit_exceeded` and `budget_exceeded`.",
}

_ERRORS: Final[Mapping[str, Json]] = {
    "Error": complete(
        {
            "error": complete(
                {
                    "message": TEXT,
                    "type": TEXT,
                    "param": nullable(TEXT),
                    "code": TEXT,
                    "request_id": TEXT,
                    "limit": _LIMIT_FACTS,
                },
                ("limit",),
            )
        }
    ),
    "AnthropicError": complete(
        {
            "type": {"const": "error"},
            "error": complete(
                {
                    "type": TEXT,
                    "message": TEXT,
                    "details": complete({"error_code": TEXT, "param": TEXT, "limit": _LIMIT_FACTS}, ("param", "limit")),
                }
            ),
            "request_id": TEXT,
        }
    ),
    "StreamEvent": record(
        {"event": TEXT, "data": TEXT},
        ("data",),
        description="An event of a stream (server-sent events); `data` is JSON, or `[DONE]` at an OpenAI stream's end.",
    ),
}

_OPENAI_PARTS: Final[Mapping[str, Json]] = {
    "TextPart": part("text", {"text": TEXT}, ("text",)),
    "ImagePart": part(
        "image_url",
        {
            "image_url": record(
                {
                    "url": said({**TEXT, "pattern": "^https?://"}, "An address, or a `data:` URL in base64."),
                    "detail": nullable(one_of("auto", "low", "high", "original")),
                },
                ("url",),
            )
        },
        ("image_url",),
    ),
    "AudioPart": part(
        "input_audio", {"input_audio": record({"data": TEXT, "format": TEXT}, ("data", "format"))}, ("input_audio",)
    ),
    "FilePart": part("file", {"file": record({"file_id": TEXT, "filename": TEXT}, ("file_id",))}, ("file",)),
    "RefusalPart": part("refusal", {"refusal": TEXT}, ("refusal",)),
    "ToolCall": record(
        {
            "id": TEXT,
            "type": {"const": "function"},
            "function": record({"name": TEXT, "arguments": said(TEXT, "JSON.")}, ("name", "arguments")),
        },
        ("id", "type", "function"),
    ),
}

_REASONING_DETAIL: Final[Json] = record(
    {
        "type": TEXT,
        **dict.fromkeys(("text", "summary", "data", "signature"), nullable(TEXT)),
        "index": nullable(_INTEGER),
    }
)
"""As OpenRouter writes what a model thought."""
_ANY_MESSAGE: Final[Json] = {
    **dict.fromkeys(("name", "refusal", "reasoning", "reasoning_content"), nullable(TEXT)),
    "audio": nullable(OBJECT),
    "tool_calls": nullable(listed(ref("ToolCall"))),
    "cache_control": _CACHE,
    "function_call": nullable(record({"name": TEXT, "arguments": said(TEXT, "JSON.")}, ("name",))),
    "reasoning_details": nullable(listed(_REASONING_DETAIL)),
}
"""What is read of a message where it stands, whatever its role."""
_OPENAI_MESSAGES: Final[Mapping[str, Json]] = {
    "InstructionMessage": _message(
        ("system", "developer"), {"content": nullable(_text_or("TextPart")), **_ANY_MESSAGE}, ()
    ),
    "UserMessage": _message(
        ("user",), {"content": nullable(_text_or("TextPart", "ImagePart", "AudioPart", "FilePart")), **_ANY_MESSAGE}, ()
    ),
    "AssistantMessage": _message(
        ("assistant",),
        {
            "content": nullable(_text_or("TextPart", "RefusalPart")),
            **_ANY_MESSAGE,
        },
        (),
    ),
    "ToolMessage": _message(
        ("tool",), {"content": nullable(_text_or("TextPart")), "tool_call_id": TEXT, **_ANY_MESSAGE}, ("tool_call_id",)
    ),
    "ChatMessage": {
        "anyOf": [ref(f"{who}Message") for who in ("Instruction", "User", "Assistant", "Tool")],
    },
}

_OPENAI: Final[Mapping[str, Json]] = {
    "Tool": record(
        {
            "type": {"const": "function"},
            "function": record(
                {"name": TEXT, "description": nullable(TEXT), "parameters": nullable(OBJECT)}, ("name",)
            ),
        },
        ("function",),
    ),
    "NamedTool": record({"type": {"const": "function"}, "function": record({"name": TEXT}, ("name",))}, ("function",)),
    "ResponseFormat": {
        "anyOf": [
            record({"type": one_of("text", "json_object")}, ("type",)),
            record(
                {
                    "type": {"const": "json_schema"},
                    "json_schema": record(
                        {"name": TEXT, "schema": record({"type": {"const": "object"}}, ("type",))}, ("name", "schema")
                    ),
                },
                ("type", "json_schema"),
            ),
        ]
    },
    "ChatCompletionRequest": record(
        {
            "model": MODEL,
            "messages": listed(ref("ChatMessage"), minItems=1),
            "stream": STREAM,
            "stream_options": nullable(record({"include_usage": nullable(FLAG)})),
            "temperature": nullable(NUMBER),
            "top_p": nullable(NUMBER),
            "max_tokens": nullable(POSITIVE),
            "max_completion_tokens": nullable(POSITIVE),
            "stop": {"anyOf": [TEXT, listed(TEXT), _NULL]},
            "seed": nullable(_INTEGER),
            "n": nullable({**POSITIVE, "maximum": 8}),
            "presence_penalty": nullable(NUMBER),
            "frequency_penalty": nullable(NUMBER),
            "logprobs": nullable(FLAG),
            "tools": nullable(listed(ref("Tool"))),
            "tool_choice": {"anyOf": [one_of("auto", "none", "required"), ref("NamedTool"), _NULL]},
            "parallel_tool_calls": nullable(FLAG),
            "response_format": nullable(ref("ResponseFormat")),
            "reasoning_effort": nullable(TEXT),
            "user": nullable(TEXT),
            "metadata": nullable(STRINGS),
        },
        ("messages",),
        description="A chat completion in OpenAI's shape; fields not named here are passed on.",
    ),
    "ChatCompletion": record(
        {
            "id": TEXT,
            "object": {"const": "chat.completion"},
            "created": {"type": "integer"},
            "model": TEXT,
            "choices": listed(
                record(
                    {
                        "index": COUNT,
                        "message": record({"role": {"const": "assistant"}, "content": nullable(TEXT)}, ("role",)),
                        "finish_reason": one_of("stop", "length", "tool_calls", "content_filter", "function_call"),
                    },
                    ("index", "message", "finish_reason"),
                )
            ),
            "usage": nullable(
                record(
                    {"prompt_tokens": COUNT, "completion_tokens": COUNT, "total_tokens": COUNT},
                    ("prompt_tokens", "completion_tokens", "total_tokens"),
                )
            ),
        },
        ("id", "object", "created", "model", "choices"),
    ),
    "EmbeddingsRequest": record(
        {
            "model": {**MODEL, "examples": ["local/minilm"]},
            "input": {
                "anyOf": [
                    _SPOKEN,
                    listed(_SPOKEN, minItems=1),
                    listed(_INTEGER, minItems=1),
                    listed(listed(_INTEGER, minItems=1), minItems=1),
                ],
                "description": "Texts, or token IDs.",
            },
            "encoding_format": nullable(one_of("float", "base64")),
            "dimensions": nullable({**POSITIVE, "maximum": 4096}),
            "user": nullable(TEXT),
        },
        ("input",),
    ),
    "Embeddings": record(
        {
            "object": {"const": "list"},
            "data": listed(
                record(
                    {
                        "object": {"const": "embedding"},
                        "index": COUNT,
                        "embedding": {"anyOf": [listed(NUMBER), said(TEXT, "float32, little-endian, in base64.")]},
                    },
                    ("object", "index", "embedding"),
                )
            ),
            "model": TEXT,
            "usage": nullable(record({"prompt_tokens": COUNT, "total_tokens": COUNT})),
        },
        ("object", "data", "model"),
    ),
    "ModelList": record({"data": listed(ref("Model"))}, ("data",)),
    "Model": record({"id": TEXT}, ("id",)),
}

_ANTHROPIC_BLOCKS: Final[Mapping[str, Json]] = {
    "TextBlock": part("text", {"text": TEXT, "cache_control": _CACHE}, ("text",)),
    "ImageBlock": part("image", {"source": ref("Source"), "cache_control": _CACHE}, ("source",)),
    "DocumentBlock": part(
        "document", {"source": ref("Source"), "title": nullable(TEXT), "cache_control": _CACHE}, ("source",)
    ),
    "Source": {
        "anyOf": [
            part("base64", {"media_type": TEXT, "data": TEXT}, ("media_type", "data")),
            part("url", {"url": TEXT}, ("url",)),
        ]
    },
    "ToolUseBlock": part("tool_use", {"id": TEXT, "name": TEXT, "input": OBJECT}, ("id", "name", "input")),
    "ToolResultBlock": part(
        "tool_result",
        {
            "tool_use_id": TEXT,
            "content": nullable(_text_or("TextBlock", "ImageBlock", "DocumentBlock")),
            "is_error": nullable(FLAG),
        },
        ("tool_use_id",),
    ),
    "ThinkingBlock": part("thinking", {"thinking": TEXT, "signature": TEXT}, ("thinking", "signature")),
}

_CONVERSATION: Final[Json] = {
    "model": MODEL,
    "messages": listed(ref("AnthropicMessage"), minItems=1),
    "system": nullable(_text_or("TextBlock")),
    "tools": nullable(listed(ref("AnthropicTool"))),
    "tool_choice": nullable(record({"type": one_of("auto", "any", "none")}, ("type",))),
    "thinking": nullable(
        record({"type": one_of("enabled", "adaptive", "disabled"), "budget_tokens": nullable(POSITIVE)}, ("type",))
    ),
}

_ANTHROPIC: Final[Mapping[str, Json]] = {
    "AnthropicMessage": {
        "anyOf": [
            _message(
                ("user",),
                {"content": _text_or("TextBlock", "ImageBlock", "DocumentBlock", "ToolResultBlock")},
                ("content",),
            ),
            _message(("assistant",), {"content": _text_or("TextBlock", "ToolUseBlock", "ThinkingBlock")}, ("content",)),
        ]
    },
    "AnthropicTool": record(
        {"name": TEXT, "description": nullable(TEXT), "input_schema": OBJECT}, ("name", "input_schema")
    ),
    "MessagesRequest": record(
        {
            **_CONVERSATION,
            "max_tokens": said({**POSITIVE, "minimum": 0}, "The most tokens to write."),
            "stream": STREAM,
            "temperature": nullable(NUMBER),
            "top_p": nullable(NUMBER),
            "stop_sequences": nullable(listed(TEXT)),
            "metadata": nullable(record({"user_id": nullable(TEXT)})),
        },
        ("max_tokens", "messages"),
        description="A message in Anthropic's shape; fields not named here are passed on.",
    ),
    "Messages": record(
        {
            "id": TEXT,
            "type": {"const": "message"},
            "role": {"const": "assistant"},
            "model": TEXT,
            "content": listed(record({"type": TEXT}, ("type",))),
            "stop_reason": TEXT,
            "stop_sequence": nullable(TEXT),
            "usage": record({"input_tokens": COUNT, "output_tokens": COUNT}, ("input_tokens", "output_tokens")),
        },
        ("id", "type", "role", "model", "content", "stop_reason", "usage"),
    ),
    "CountTokensRequest": record(_CONVERSATION, ("messages",)),
    "CountTokens": record({"input_tokens": COUNT}, ("input_tokens",)),
}

_NATIVE: Final[Mapping[str, Json]] = {
    "GenerateRequest": record(
        {
            "prompt": _SPOKEN,
            "model": MODEL,
            "system": said(nullable(TEXT), "How to answer."),
            "format": {**one_of("text", "xml", "json"), "default": "text"},
            "schema": said(nullable(OBJECT), "JSON schema of the answer, with `json` only."),
            "root": said(
                nullable({**TEXT, "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}), "Outermost element, with `xml` only."
            ),
            "stream": {**FLAG, "default": False},
            "max_output_tokens": nullable({**POSITIVE, "maximum": MAX_OUTPUT_TOKENS}),
            "temperature": nullable({**NUMBER, "minimum": 0, "maximum": MAX_TEMPERATURE}),
            "seed": nullable({**COUNT, "maximum": MAX_SEED}),
            "stop": nullable(listed(_SPOKEN, maxItems=MAX_STOPS)),
        },
        ("prompt",),
        additionalProperties=False,
        anyOf=[
            {"properties": {"schema": _NULL, "root": _NULL}},
            {"properties": {"format": {"const": "json"}, "root": _NULL}, "required": ["format"]},
            {"properties": {"format": {"const": "xml"}, "schema": _NULL}, "required": ["format"]},
        ],
    ),
    "Generation": complete(
        {
            "id": TEXT,
            "object": {"const": "generation"},
            "created_at": said({"type": "integer"}, "Unix time in seconds."),
            "model": TEXT,
            "format": one_of("text", "xml", "json"),
            "text": said(TEXT, "What the model wrote, unchanged."),
            "output": {"description": "The text, the well-formed XML, or the parsed JSON value."},
            "repaired": said(FLAG, "Whether the text had to be changed to be well-formed."),
            "finish_reason": one_of(
                "stop", "stop_sequence", "length", "tool_calls", "content_filter", "refusal", "pause"
            ),
            "usage": ref("Usage"),
        }
    ),
    "Usage": complete(
        {
            "input_tokens": COUNT,
            "output_tokens": COUNT,
            "cache_read_tokens": COUNT,
            "cache_write_tokens": COUNT,
            "cache_write_1h_tokens": said(COUNT, "Of those written: kept for an hour."),
            "reasoning_tokens": COUNT,
            "total_tokens": COUNT,
            "images": said(COUNT, "Those that were made."),
            "audio_ms": said(COUNT, "Milliseconds of sound that were heard or made."),
            "estimated": said(FLAG, "Whether these were counted here, the provider having told nothing."),
        }
    ),
    "NativeModels": complete({"object": {"const": "list"}, "data": listed(ref("NativeModel"))}),
    "NativeModel": complete(
        {
            "name": TEXT,
            "id": TEXT,
            "provider": TEXT,
            "capabilities": listed(TEXT),
            "context_tokens": nullable(COUNT),
            "max_output_tokens": nullable(COUNT),
            "dimensions": nullable(COUNT),
            "aliases": listed(TEXT),
            "description": nullable(TEXT),
            "health": ref("Health"),
        }
    ),
    "Health": complete(
        {
            "status": one_of("ok", "loading", "idle", "degraded", "down", "unknown"),
            "detail": nullable(TEXT),
            "checked_at": said(nullable(NUMBER), "Unix time in seconds."),
        },
        ("checked_at",),
    ),
}

SCHEMAS: Final[Mapping[str, Json]] = {
    **_ERRORS,
    **_OPENAI_PARTS,
    **_OPENAI_MESSAGES,
    **_OPENAI,
    **_ANTHROPIC_BLOCKS,
    **_ANTHROPIC,
    **_NATIVE,
}
"""Every schema, by its name in the document."""
