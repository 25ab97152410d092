"""The OpenAPI document: what every route takes and answers, written by hand where bodies stay bytes.

The bodies of the model routes are those of OpenAI and Anthropic; the schemas here name what Narthex itself reads and
let everything else pass, as the server does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

Json = dict[str, object]

_ID: Final[Json] = {"type": "string"}
_COUNT: Final[Json] = {"type": "integer", "minimum": 0}


def _object(properties: Mapping[str, object], required: tuple[str, ...] = (), **more: object) -> Json:
    return {"type": "object", "properties": dict(properties), "required": list(required), **more}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _nullable(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


_TEXT_OR_PARTS: Final[Json] = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "array",
            "items": {"type": "object", "required": ["type"], "properties": {"type": {"type": "string"}}},
        },
        {"type": "null"},
    ]
}

SCHEMAS: Final[Mapping[str, Json]] = {
    "Error": _object(
        {
            "error": _object(
                {
                    "message": {"type": "string"},
                    "type": {"type": "string"},
                    "param": _nullable({"type": "string"}),
                    "code": {"type": "string"},
                    "request_id": _ID,
                },
                ("message", "type", "code", "request_id"),
            )
        },
        ("error",),
    ),
    "AnthropicError": _object(
        {
            "type": {"const": "error"},
            "error": _object({"type": {"type": "string"}, "message": {"type": "string"}}, ("type", "message")),
            "request_id": _ID,
        },
        ("type", "error", "request_id"),
    ),
    "ChatMessage": _object(
        {
            "role": {"enum": ["system", "developer", "user", "assistant", "tool", "function"]},
            "content": _TEXT_OR_PARTS,
            "name": {"type": "string"},
        },
        ("role",),
    ),
    "ChatCompletionRequest": _object(
        {
            "model": {"type": "string", "minLength": 1, "examples": ["local/smollm2"]},
            "messages": {"type": "array", "minItems": 1, "items": _ref("ChatMessage")},
            "stream": {"type": "boolean", "default": False},
            "temperature": {"type": "number", "minimum": 0, "maximum": 2},
            "max_tokens": {"type": "integer", "minimum": 1},
        },
        ("model", "messages"),
        description="A chat completion in OpenAI's shape; fields not named here are passed on.",
    ),
    "ChatCompletion": _object(
        {
            "id": _ID,
            "object": {"const": "chat.completion"},
            "created": {"type": "integer"},
            "model": {"type": "string"},
            "choices": {"type": "array", "items": {"type": "object"}},
            "usage": _nullable({"type": "object"}),
        },
        ("id", "object", "created", "model", "choices"),
    ),
    "EmbeddingsRequest": _object(
        {
            "model": {"type": "string", "minLength": 1, "examples": ["local/minilm"]},
            "input": {
                "anyOf": [
                    {"type": "string", "minLength": 1},
                    {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
                ]
            },
            "encoding_format": {"enum": ["float", "base64"]},
        },
        ("model", "input"),
    ),
    "Embeddings": _object(
        {
            "object": {"const": "list"},
            "data": {"type": "array", "items": {"type": "object"}},
            "model": {"type": "string"},
        },
        ("object", "data", "model"),
    ),
    "AnthropicMessage": _object(
        {"role": {"enum": ["user", "assistant"]}, "content": {"anyOf": _TEXT_OR_PARTS["anyOf"][:2]}},  # type: ignore[index]
        ("role", "content"),
    ),
    "MessagesRequest": _object(
        {
            "model": {"type": "string", "minLength": 1, "examples": ["local/smollm2"]},
            "max_tokens": {"type": "integer", "minimum": 1},
            "messages": {"type": "array", "minItems": 1, "items": _ref("AnthropicMessage")},
            "stream": {"type": "boolean", "default": False},
        },
        ("model", "max_tokens", "messages"),
        description="A message in Anthropic's shape; fields not named here are passed on.",
    ),
    "Messages": _object(
        {
            "id": _ID,
            "type": {"const": "message"},
            "role": {"const": "assistant"},
            "model": {"type": "string"},
            "content": {"type": "array", "items": {"type": "object"}},
            "stop_reason": _nullable({"type": "string"}),
            "usage": {"type": "object"},
        },
        ("id", "type", "role", "model", "content", "stop_reason", "usage"),
    ),
    "CountTokensRequest": _object(
        {
            "model": {"type": "string", "minLength": 1, "examples": ["local/smollm2"]},
            "messages": {"type": "array", "minItems": 1, "items": _ref("AnthropicMessage")},
        },
        ("model", "messages"),
    ),
    "CountTokens": _object({"input_tokens": _COUNT}, ("input_tokens",)),
    "ModelList": _object({"data": {"type": "array", "items": {"type": "object"}}}, ("data",)),
    "Model": _object({"id": _ID}, ("id",)),
    "GenerateRequest": _object(
        {
            "prompt": {"type": "string", "minLength": 1},
            "model": _nullable({"type": "string", "minLength": 1, "examples": ["local/smollm2"]}),
            "system": _nullable({"type": "string"}),
            "format": {"enum": ["text", "xml", "json"], "default": "text"},
            "schema": _nullable({"type": "object"}),
            "root": _nullable({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.-]*$"}),
            "stream": {"type": "boolean", "default": False},
            "max_output_tokens": _nullable({"type": "integer", "minimum": 1, "maximum": 1_000_000}),
            "temperature": _nullable({"type": "number", "minimum": 0, "maximum": 2}),
            "seed": _nullable({"type": "integer", "minimum": 0, "maximum": 2_147_483_647}),
            "stop": _nullable({"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 16}),
        },
        ("prompt",),
        additionalProperties=False,
    ),
    "Generation": _object(
        {
            "id": _ID,
            "object": {"const": "generation"},
            "created_at": {"type": "integer"},
            "model": {"type": "string"},
            "format": {"enum": ["text", "xml", "json"]},
            "text": {"type": "string"},
            "output": {"description": "The text, the well-formed XML, or the parsed JSON value."},
            "repaired": {"type": "boolean"},
            "finish_reason": {"type": "string"},
            "usage": _object({"input_tokens": _COUNT, "output_tokens": _COUNT, "total_tokens": _COUNT}),
        },
        ("id", "object", "created_at", "model", "format", "text", "output", "repaired", "finish_reason", "usage"),
    ),
    "NativeModels": _object(
        {"object": {"const": "list"}, "data": {"type": "array", "items": _ref("NativeModel")}}, ("object", "data")
    ),
    "NativeModel": _object(
        {
            "name": {"type": "string"},
            "id": _ID,
            "provider": {"type": "string"},
            "capabilities": {"type": "array", "items": {"type": "string"}},
            "context_tokens": _nullable(_COUNT),
            "max_output_tokens": _nullable(_COUNT),
            "dimensions": _nullable(_COUNT),
            "aliases": {"type": "array", "items": {"type": "string"}},
            "description": _nullable({"type": "string"}),
            "health": _ref("Health"),
        },
        ("name", "id", "provider", "capabilities", "aliases", "health"),
    ),
    "Health": _object(
        {
            "status": {"enum": ["ok", "loading", "idle", "degraded", "down", "unknown"]},
            "detail": _nullable({"type": "string"}),
        },
        ("status",),
    ),
    "Probe": _object({"status": {"type": "string"}}, ("status",)),
    "SystemStatus": _object(
        {
            "object": {"const": "system.status"},
            "version": {"type": "string"},
            "status": {"enum": ["ok", "degraded", "stopping"]},
            "uptime_s": {"type": "number"},
            "address": {"type": "string"},
            "auth_required": {"type": "boolean"},
            "default_model": {"type": "string"},
            "requests": {"type": "object"},
            "providers": {"type": "array", "items": {"type": "object"}},
            "embedded": {"type": "object"},
        },
        ("object", "version", "status", "uptime_s", "address", "auth_required", "requests", "providers", "embedded"),
    ),
}

_ERRORS: Final[Mapping[int, str]] = {
    400: "The request cannot be served as it stands.",
    401: "No valid API key.",
    403: "This caller may not do that.",
    404: "No such model.",
    413: "The body is too large.",
    429: "A rate limit is reached.",
    500: "A fault of this server.",
    502: "The provider failed.",
    503: "This server or the model is not available at the moment.",
    504: "The provider did not answer in time.",
}


def _answers(
    content: Json, description: str, *, anthropic: bool = False, errors: tuple[int, ...] | None = None
) -> Json:
    schema = _ref("AnthropicError" if anthropic else "Error")
    answers: Json = {200: {"description": description, "content": content}}  # type: ignore[dict-item]
    for status in _ERRORS if errors is None else errors:
        answers[status] = {  # type: ignore[index]
            "description": _ERRORS[status],
            "content": {"application/json": {"schema": schema}},
        }
    return answers


def _json(name: str) -> Json:
    return {"application/json": {"schema": _ref(name)}}


def _json_or_stream(name: str) -> Json:
    return {**_json(name), "text/event-stream": {"schema": {"type": "string"}}}


def _post(request: str, content: Json, *, tag: str, summary: str, description: str, anthropic: bool = False) -> Json:
    return {
        "tags": [tag],
        "summary": summary,
        "description": description,
        "openapi_extra": {
            "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(request)}}}
        },
        "responses": _answers(content, "The answer.", anthropic=anthropic),
    }


def _get(content: Json, *, tag: str, summary: str, errors: tuple[int, ...] = (401, 403)) -> Json:
    return {"tags": [tag], "summary": summary, "responses": _answers(content, "The answer.", errors=errors)}


MODEL_ROUTES: Final[Mapping[str, Json]] = {
    "/v1/chat/completions": _post(
        "ChatCompletionRequest",
        _json_or_stream("ChatCompletion"),
        tag="OpenAI",
        summary="Answer a chat, whole or streamed",
        description="OpenAI's chat completions: https://platform.openai.com/docs/api-reference/chat",
    ),
    "/v1/embeddings": _post(
        "EmbeddingsRequest",
        _json("Embeddings"),
        tag="OpenAI",
        summary="Turn texts into vectors",
        description="OpenAI's embeddings: https://platform.openai.com/docs/api-reference/embeddings",
    ),
    "/v1/messages": _post(
        "MessagesRequest",
        _json_or_stream("Messages"),
        tag="Anthropic",
        summary="Answer a conversation, whole or streamed",
        description="Anthropic's messages: https://docs.anthropic.com/en/api/messages",
        anthropic=True,
    ),
    "/v1/messages/count_tokens": _post(
        "CountTokensRequest",
        _json("CountTokens"),
        tag="Anthropic",
        summary="Count the input tokens of a conversation",
        description="Anthropic's token count: https://docs.anthropic.com/en/api/messages-count-tokens",
        anthropic=True,
    ),
}

GENERATE: Final[Json] = _post(
    "GenerateRequest",
    _json_or_stream("Generation"),
    tag="Native",
    summary="Answer a prompt as text, XML or JSON",
    description=(
        "XML and JSON answers are well-formed: as the model wrote them, or repaired and marked `repaired`, or an error."
    ),
)
LIST_MODELS: Final = _get(_json("ModelList"), tag="OpenAI", summary="List the models, in OpenAI's or Anthropic's shape")
GET_MODEL: Final = _get(_json("Model"), tag="OpenAI", summary="Show one model", errors=(400, 401, 403, 404))
NATIVE_MODELS: Final = _get(_json("NativeModels"), tag="Native", summary="List the models with what is known of them")
HEALTH: Final = _get(_json("Probe"), tag="System", summary="Health and version", errors=(403,))
LIVEZ: Final = _get(_json("Probe"), tag="System", summary="Is the process alive?", errors=(403,))
READYZ: Final[Json] = {
    **_get(_json("Probe"), tag="System", summary="Does it take requests?", errors=(403,)),
}
READYZ["responses"][503] = {"description": "Starting or stopping.", "content": _json("Probe")}  # type: ignore[index]
METRICS: Final = _get(
    {"text/plain": {"schema": {"type": "string"}}}, tag="System", summary="Metrics in Prometheus's text format"
)
STATUS: Final = _get(_json("SystemStatus"), tag="System", summary="The state of the server and its providers")


def install(app: FastAPI) -> None:
    """Have `app.openapi()` return the document with our schemas and the keys as a security scheme."""

    def document() -> Json:
        if app.openapi_schema is None:
            made = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
            components = made.setdefault("components", {})
            components["schemas"] = {**components.get("schemas", {}), **SCHEMAS}
            components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            made["security"] = [{"key": []}, {}]
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way
