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
_POSITIVE: Final[Json] = {"type": "integer", "minimum": 1, "maximum": _LARGEST}
_NUMBER: Final[Json] = {"type": "number"}
_FLAG: Final[Json] = {"type": "boolean"}
_ANY_OBJECT: Final[Json] = {"type": "object"}
_NULL: Final[Json] = {"type": "null"}
_SPOKEN: Final[Json] = {"type": "string", "minLength": 1}


def ref(name: str) -> Json:
    """Point to a schema of this module."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(properties: Mapping[str, object], required: tuple[str, ...] = (), **more: object) -> Json:
    """Write the schema of an object that may hold more than is said here."""
    return {"type": "object", "properties": dict(properties), "required": list(required), **more}


def _complete(properties: Mapping[str, object], optional: tuple[str, ...] = ()) -> Json:
    """Write the schema of an answer of our own: these fields, and no others."""
    required = tuple(name for name in properties if name not in optional)
    return record(properties, required, additionalProperties=False)


def nullable(schema: Json) -> Json:
    """Allow null as well, which means "not given"."""
    return {"anyOf": [schema, _NULL]}


def _said(schema: Json, description: str) -> Json:
    return {**schema, "description": description}


def _one_of(*words: str) -> Json:
    return {"enum": list(words)}


def _list(items: Json, **more: object) -> Json:
    return {"type": "array", "items": items, **more}


def _part(kind: str, properties: Mapping[str, object], required: tuple[str, ...]) -> Json:
    return record({"type": {"const": kind}, **properties}, ("type", *required))


def _message(roles: tuple[str, ...], properties: Mapping[str, object], required: tuple[str, ...]) -> Json:
    return record({"role": _one_of(*roles), **properties}, ("role", *required))


def _text_or(*parts: str) -> Json:
    return {"anyOf": [TEXT, _list({"anyOf": [ref(part) for part in parts]})]}


_MODEL: Final[Json] = {
    **nullable(TEXT),
    "description": "`provider/model` or an alias; by default the configured default model.",
    "examples": ["local/smollm2"],
}
_STREAM: Final[Json] = {**nullable(_FLAG), "default": False, "description": "Whether the answer comes as it is made."}
_CACHE: Final[Json] = nullable(record({"type": {"const": "ephemeral"}, "ttl": nullable(_one_of("5m", "1h"))}))

_ERRORS: Final[Mapping[str, Json]] = {
    "Error": _complete(
        {
            "error": _complete(
                {
                    "message": TEXT,
                    "type": TEXT,
                    "param": nullable(TEXT),
                    "code": TEXT,
                    "request_id": TEXT,
                }
            )
        }
    ),
    "AnthropicError": _complete(
        {
            "type": {"const": "error"},
            "error": _complete(
                {
                    "type": TEXT,
                    "message": TEXT,
                    "details": _complete({"error_code": TEXT, "param": TEXT}, ("param",)),
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
    "TextPart": _part("text", {"text": TEXT}, ("text",)),
    "ImagePart": _part(
        "image_url",
        {
            "image_url": record(
                {
                    "url": _said({**TEXT, "pattern": "^https?://"}, "An address, or a `data:` URL in base64."),
                    "detail": nullable(_one_of("auto", "low", "high", "original")),
                },
                ("url",),
            )
        },
        ("image_url",),
    ),
    "AudioPart": _part(
        "input_audio", {"input_audio": record({"data": TEXT, "format": TEXT}, ("data", "format"))}, ("input_audio",)
    ),
    "FilePart": _part("file", {"file": record({"file_id": TEXT, "filename": TEXT}, ("file_id",))}, ("file",)),
    "RefusalPart": _part("refusal", {"refusal": TEXT}, ("refusal",)),
    "ToolCall": record(
        {
            "id": TEXT,
            "type": {"const": "function"},
            "function": record({"name": TEXT, "arguments": _said(TEXT, "JSON.")}, ("name", "arguments")),
        },
        ("id", "type", "function"),
    ),
}

_NAME: Final[Json] = {"name": nullable(TEXT)}
_OPENAI_MESSAGES: Final[Mapping[str, Json]] = {
    "InstructionMessage": _message(("system", "developer"), {"content": nullable(_text_or("TextPart")), **_NAME}, ()),
    "UserMessage": _message(
        ("user",), {"content": nullable(_text_or("TextPart", "ImagePart", "AudioPart", "FilePart")), **_NAME}, ()
    ),
    "AssistantMessage": _message(
        ("assistant",),
        {
            "content": nullable(_text_or("TextPart", "RefusalPart")),
            "refusal": nullable(TEXT),
            "tool_calls": nullable(_list(ref("ToolCall"))),
            **_NAME,
        },
        (),
    ),
    "ToolMessage": _message(
        ("tool",), {"content": nullable(_text_or("TextPart")), "tool_call_id": TEXT}, ("tool_call_id",)
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
                {"name": TEXT, "description": nullable(TEXT), "parameters": nullable(_ANY_OBJECT)}, ("name",)
            ),
        },
        ("type", "function"),
    ),
    "NamedTool": record(
        {"type": {"const": "function"}, "function": record({"name": TEXT}, ("name",))}, ("type", "function")
    ),
    "ResponseFormat": {
        "anyOf": [
            record({"type": _one_of("text", "json_object")}, ("type",)),
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
            "model": _MODEL,
            "messages": _list(ref("ChatMessage"), minItems=1),
            "stream": _STREAM,
            "stream_options": nullable(record({"include_usage": nullable(_FLAG)})),
            "temperature": nullable(_NUMBER),
            "top_p": nullable(_NUMBER),
            "max_tokens": nullable(_POSITIVE),
            "max_completion_tokens": nullable(_POSITIVE),
            "stop": {"anyOf": [TEXT, _list(TEXT), _NULL]},
            "seed": nullable(_INTEGER),
            "n": nullable({**_POSITIVE, "maximum": 8}),
            "presence_penalty": nullable(_NUMBER),
            "frequency_penalty": nullable(_NUMBER),
            "logprobs": nullable(_FLAG),
            "tools": nullable(_list(ref("Tool"))),
            "tool_choice": {"anyOf": [_one_of("auto", "none", "required"), ref("NamedTool"), _NULL]},
            "parallel_tool_calls": nullable(_FLAG),
            "response_format": nullable(ref("ResponseFormat")),
            "reasoning_effort": nullable(TEXT),
            "user": nullable(TEXT),
            "metadata": nullable({"type": "object", "additionalProperties": TEXT}),
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
            "choices": _list(
                record(
                    {
                        "index": COUNT,
                        "message": record({"role": {"const": "assistant"}, "content": nullable(TEXT)}, ("role",)),
                        "finish_reason": _one_of("stop", "length", "tool_calls", "content_filter", "function_call"),
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
            "model": {**_MODEL, "examples": ["local/minilm"]},
            "input": {
                "anyOf": [
                    _SPOKEN,
                    _list(_SPOKEN, minItems=1),
                    _list(_INTEGER, minItems=1),
                    _list(_list(_INTEGER, minItems=1), minItems=1),
                ],
                "description": "Texts, or token IDs.",
            },
            "encoding_format": nullable(_one_of("float", "base64")),
            "dimensions": nullable({**_POSITIVE, "maximum": 4096}),
            "user": nullable(TEXT),
        },
        ("input",),
    ),
    "Embeddings": record(
        {
            "object": {"const": "list"},
            "data": _list(
                record(
                    {
                        "object": {"const": "embedding"},
                        "index": COUNT,
                        "embedding": {"anyOf": [_list(_NUMBER), _said(TEXT, "float32, little-endian, in base64.")]},
                    },
                    ("object", "index", "embedding"),
                )
            ),
            "model": TEXT,
            "usage": nullable(record({"prompt_tokens": COUNT, "total_tokens": COUNT})),
        },
        ("object", "data", "model"),
    ),
    "ModelList": record({"data": _list(ref("Model"))}, ("data",)),
    "Model": record({"id": TEXT}, ("id",)),
}

_ANTHROPIC_BLOCKS: Final[Mapping[str, Json]] = {
    "TextBlock": _part("text", {"text": TEXT, "cache_control": _CACHE}, ("text",)),
    "ImageBlock": _part("image", {"source": ref("Source"), "cache_control": _CACHE}, ("source",)),
    "DocumentBlock": _part(
        "document", {"source": ref("Source"), "title": nullable(TEXT), "cache_control": _CACHE}, ("source",)
    ),
    "Source": {
        "anyOf": [
            _part("base64", {"media_type": TEXT, "data": TEXT}, ("media_type", "data")),
            _part("url", {"url": TEXT}, ("url",)),
        ]
    },
    "ToolUseBlock": _part("tool_use", {"id": TEXT, "name": TEXT, "input": _ANY_OBJECT}, ("id", "name", "input")),
    "ToolResultBlock": _part(
        "tool_result",
        {
            "tool_use_id": TEXT,
            "content": nullable(_text_or("TextBlock", "ImageBlock", "DocumentBlock")),
            "is_error": nullable(_FLAG),
        },
        ("tool_use_id",),
    ),
    "ThinkingBlock": _part("thinking", {"thinking": TEXT, "signature": TEXT}, ("thinking", "signature")),
}

_CONVERSATION: Final[Json] = {
    "model": _MODEL,
    "messages": _list(ref("AnthropicMessage"), minItems=1),
    "system": nullable(_text_or("TextBlock")),
    "tools": nullable(_list(ref("AnthropicTool"))),
    "tool_choice": nullable(record({"type": _one_of("auto", "any", "none")}, ("type",))),
    "thinking": nullable(
        record({"type": _one_of("enabled", "adaptive", "disabled"), "budget_tokens": nullable(_POSITIVE)}, ("type",))
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
        {"name": TEXT, "description": nullable(TEXT), "input_schema": _ANY_OBJECT}, ("name", "input_schema")
    ),
    "MessagesRequest": record(
        {
            **_CONVERSATION,
            "max_tokens": _said({**_POSITIVE, "minimum": 0}, "The most tokens to write."),
            "stream": _STREAM,
            "temperature": nullable(_NUMBER),
            "top_p": nullable(_NUMBER),
            "stop_sequences": nullable(_list(TEXT)),
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
            "content": _list(record({"type": TEXT}, ("type",))),
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
            "model": _MODEL,
            "system": _said(nullable(TEXT), "How to answer."),
            "format": {**_one_of("text", "xml", "json"), "default": "text"},
            "schema": _said(nullable(_ANY_OBJECT), "JSON schema of the answer, with `json` only."),
            "root": _said(
                nullable({**TEXT, "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}), "Outermost element, with `xml` only."
            ),
            "stream": {**_FLAG, "default": False},
            "max_output_tokens": nullable({**_POSITIVE, "maximum": MAX_OUTPUT_TOKENS}),
            "temperature": nullable({**_NUMBER, "minimum": 0, "maximum": MAX_TEMPERATURE}),
            "seed": nullable({**COUNT, "maximum": MAX_SEED}),
            "stop": nullable(_list(_SPOKEN, maxItems=MAX_STOPS)),
        },
        ("prompt",),
        additionalProperties=False,
        anyOf=[
            {"properties": {"schema": _NULL, "root": _NULL}},
            {"properties": {"format": {"const": "json"}, "root": _NULL}, "required": ["format"]},
            {"properties": {"format": {"const": "xml"}, "schema": _NULL}, "required": ["format"]},
        ],
    ),
    "Generation": _complete(
        {
            "id": TEXT,
            "object": {"const": "generation"},
            "created_at": _said({"type": "integer"}, "Unix time in seconds."),
            "model": TEXT,
            "format": _one_of("text", "xml", "json"),
            "text": _said(TEXT, "What the model wrote, unchanged."),
            "output": {"description": "The text, the well-formed XML, or the parsed JSON value."},
            "repaired": _said(_FLAG, "Whether the text had to be changed to be well-formed."),
            "finish_reason": _one_of(
                "stop", "stop_sequence", "length", "tool_calls", "content_filter", "refusal", "pause"
            ),
            "usage": ref("Usage"),
        }
    ),
    "Usage": _complete(
        {
            "input_tokens": COUNT,
            "output_tokens": COUNT,
            "cache_read_tokens": COUNT,
            "cache_write_tokens": COUNT,
            "reasoning_tokens": COUNT,
            "total_tokens": COUNT,
            "estimated": _said(_FLAG, "Whether these were counted here, the provider having told nothing."),
        }
    ),
    "NativeModels": _complete({"object": {"const": "list"}, "data": _list(ref("NativeModel"))}),
    "NativeModel": _complete(
        {
            "name": TEXT,
            "id": TEXT,
            "provider": TEXT,
            "capabilities": _list(TEXT),
            "context_tokens": nullable(COUNT),
            "max_output_tokens": nullable(COUNT),
            "dimensions": nullable(COUNT),
            "aliases": _list(TEXT),
            "description": nullable(TEXT),
            "health": ref("Health"),
        }
    ),
    "Health": _complete(
        {
            "status": _one_of("ok", "loading", "idle", "degraded", "down", "unknown"),
            "detail": nullable(TEXT),
            "checked_at": _said(nullable(_NUMBER), "Unix time in seconds."),
        },
        ("checked_at",),
    ),
}

_SYSTEM: Final[Mapping[str, Json]] = {
    "BreakerWish": _complete({"state": {"enum": ["forced_open", "forced_closed", None]}}),
    "Breakers": _complete({"object": {"const": "list"}, "data": _list(ref("Breaker"))}),
    "Breaker": _complete(
        {
            "object": {"const": "breaker"},
            "name": _said(TEXT, "`provider/model`."),
            "state": _one_of("closed", "open", "half_open", "forced_open", "forced_closed"),
            "in_state_s": _NUMBER,
            "cause": nullable(_one_of("failing", "slow", "dead")),
            "calls": _said(COUNT, "Calls ended within the window."),
            "failure_rate": {**_NUMBER, "minimum": 0, "maximum": 1},
            "slow_rate": {**_NUMBER, "minimum": 0, "maximum": 1},
            "consecutive_failures": COUNT,
            "openings": _said(COUNT, "How often in a row it has opened."),
            "next_probe_in_s": nullable(_NUMBER),
        }
    ),
    "Probe": _complete({"status": _one_of("ok", "stopping"), "version": TEXT}, ("version",)),
    "SystemStatus": _complete(
        {
            "object": {"const": "system.status"},
            "version": TEXT,
            "status": _one_of("ok", "degraded", "stopping"),
            "started_at": _said(_NUMBER, "Unix time in seconds."),
            "uptime_s": _NUMBER,
            "pid": {"type": "integer"},
            "python": TEXT,
            "platform": TEXT,
            "address": TEXT,
            "auth_required": _FLAG,
            "default_model": TEXT,
            "data_dir": TEXT,
            "memory_bytes": COUNT,
            "requests": _complete({"active": COUNT, "total": COUNT, "failed": COUNT}),
            "tokens": _complete({"input": COUNT, "output": COUNT}),
            "providers": _list(ref("ProviderStatus")),
            "embedded": _complete(
                {
                    "installed": _FLAG,
                    "loaded": _FLAG,
                    "model": nullable(TEXT),
                    "progress": nullable({**_NUMBER, "minimum": 0, "maximum": 1}),
                    "detail": nullable(TEXT),
                }
            ),
        }
    ),
    "ProviderStatus": _complete(
        {"name": TEXT, "kind": TEXT, "base_url": nullable(TEXT), "models": COUNT, "health": ref("Health")}
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
    **_SYSTEM,
}
"""Every schema, by its name in the document."""
