"""The OpenAPI document: what every route takes and answers, written by hand where bodies stay bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from narthex.http.audit_documents import AUDIT
from narthex.http.cache_schemas import CACHE
from narthex.http.caching_documents import tell_of_tags
from narthex.http.control_schemas import CONTROL
from narthex.http.cookies import SESSION
from narthex.http.database_schemas import DATABASE
from narthex.http.limit_schemas import LIMITS
from narthex.http.operations import ANSWER_HEADERS as _ANSWER_HEADERS
from narthex.http.operations import answers as _answers
from narthex.http.operations import get as _get
from narthex.http.operations import json_body as _json
from narthex.http.operations import query as _query
from narthex.http.pages import MAX_ITEMS
from narthex.http.responses_schemas import RESPONSES
from narthex.http.routing_schemas import ROUTING
from narthex.http.schemas import COUNT, EVENT_NUMBER, NUMBER, SCHEMAS, TEXT, Json, one_of, ref
from narthex.http.sign_in_schemas import SIGN_IN
from narthex.http.socket_schemas import SOCKETS
from narthex.http.stream_schemas import STATUSES, STREAMS
from narthex.http.system_schemas import SYSTEM
from narthex.http.usage_schemas import USAGE
from narthex.resilience.idempotency import MAX_KEY_CHARACTERS
from narthex.tenancy.keys import Keyring

_MODEL_HEADERS: Final[Json] = {
    **_ANSWER_HEADERS,
    "x-narthex-model": {"description": "`provider/model` that answered.", "required": True, "schema": TEXT},
    "x-narthex-route": {"description": "How rules and virtual models decided who serves.", "schema": TEXT},
    "x-narthex-attempts": {"description": "What was tried, in order, where the first attempt failed.", "schema": TEXT},
    "x-narthex-dropped": {"description": "Settings that the model cannot take, by name.", "schema": TEXT},
    "x-narthex-usage": {
        "description": "`estimated` where the tokens were counted here.",
        "schema": {"const": "estimated"},
    },
    "x-narthex-stream-id": {"description": "Where the answer is kept: `/v1/streams/{id}`.", "schema": TEXT},
    "x-narthex-not-kept": {
        "description": "What there is no room for to keep this answer, as it would have been.",
        "schema": {"const": "storage_bytes"},
    },
    "x-narthex-resumed": {
        "description": "`true` where a kept answer is read on.",
        "schema": {"const": "true"},
    },
    "idempotent-replayed": {
        "description": "`true` where this is the answer to an earlier call with the same key.",
        "schema": {"const": "true"},
    },
}
_KEY_PARAMETER: Final[Json] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Names this call: asked again under its key, it gives the first answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_CHARACTERS, "pattern": "^[!-~]+$"},
}
_KEEPING: Final[tuple[Json, ...]] = (
    {
        "name": "x-narthex-stream-id",
        "in": "header",
        "description": "Keeps a streamed answer under this ID of the caller's choice.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{8,64}$"},
    },
    {
        "name": "x-narthex-on-disconnect",
        "in": "header",
        "description": "Keeps a streamed answer; says what becomes of the call when nobody reads it any more.",
        "schema": {"enum": ["cancel", "detach"]},
    },
    {
        "name": "x-narthex-record",
        "in": "header",
        "description": "`on` keeps a streamed answer and records it.",
        "schema": {"enum": ["on", "off"]},
    },
)


def _json_or_stream(name: str) -> Json:
    return {**_json(name), "text/event-stream": {"schema": ref("StreamEvent")}}


def _post(
    request: str,
    content: Json,
    *,
    tag: str,
    summary: str,
    description: str,
    keeping: tuple[Json, ...] = _KEEPING,
    headers: Json = _MODEL_HEADERS,
) -> Json:
    return {
        "tags": [tag],
        "summary": summary,
        "description": description,
        "openapi_extra": {
            "parameters": [_KEY_PARAMETER, *keeping],
            "requestBody": {"required": True, "content": {"application/json": {"schema": ref(request)}}},
        },
        "responses": _answers(
            content, "The answer.", headers=headers, error="AnthropicError" if tag == "Anthropic" else "Error"
        ),
    }


def _socket(summary: str) -> Json:
    described = _get({}, tag="Sockets", summary=summary, errors=(400, 401, 403, 404, 426, 429, 503))
    # An open socket is no answer of HTTP's: its status is 101. The framework would promise 200 for none.
    cast("dict[object, object]", described["responses"]).pop(200)
    return {**described, "status_code": 426}


def _control(summary: str) -> Json:
    return _get(_json("Stream"), tag="Streams", summary=summary, errors=(401, 403, 404, 409, 410))


MODEL_ROUTES: Final[Mapping[str, Json]] = {
    "/v1/chat/completions": _post(
        "ChatCompletionRequest",
        _json_or_stream("ChatCompletion"),
        tag="OpenAI",
        summary="Answer a chat, whole or streamed",
        description="OpenAI's chat completions: https://platform.openai.com/docs/api-reference/chat",
    ),
    "/v1/responses": _post(
        "ResponsesRequest",
        _json_or_stream("Response"),
        tag="OpenAI",
        summary="Answer a conversation of items, whole or streamed",
        description=(
            "OpenAI's responses: https://platform.openai.com/docs/api-reference/responses. Unless `store` is false a "
            "response is kept here for a while, whoever gave it, and `previous_response_id` goes on from it. "
            "With `background` it is answered at once, and the work is done whoever is there."
        ),
        headers={
            **_MODEL_HEADERS,
            "x-narthex-model": {"description": "As elsewhere; not of a queued one.", "schema": TEXT},
        },
    ),
    "/v1/embeddings": _post(
        "EmbeddingsRequest",
        _json("Embeddings"),
        tag="OpenAI",
        summary="Turn texts into vectors",
        description="OpenAI's embeddings: https://platform.openai.com/docs/api-reference/embeddings",
        keeping=(),
    ),
    "/v1/messages": _post(
        "MessagesRequest",
        _json_or_stream("Messages"),
        tag="Anthropic",
        summary="Answer a conversation, whole or streamed",
        description="Anthropic's messages: https://docs.anthropic.com/en/api/messages",
    ),
    "/v1/messages/count_tokens": _post(
        "CountTokensRequest",
        _json("CountTokens"),
        tag="Anthropic",
        summary="Count the input tokens of a conversation",
        description="Anthropic's token count: https://docs.anthropic.com/en/api/messages-count-tokens",
        keeping=(),
    ),
}

COUNT_INPUT: Final[Json] = _post(
    "ResponsesRequest",
    _json("InputTokens"),
    tag="OpenAI",
    summary="Count the input tokens of a request for a response",
    description="As `POST /v1/responses` would send it, with what came before it; nothing is answered or kept.",
    keeping=(),
)
_RESPONSE_ERRORS: Final = (400, 401, 403, 404, 503)
GET_RESPONSE: Final[Json] = _get(
    _json_or_stream("Response"),
    tag="OpenAI",
    summary="Show a response, or the events of one in the background",
    errors=(*_RESPONSE_ERRORS, 410),
) | {
    "openapi_extra": {
        "parameters": [
            _query("stream", {"enum": ["true", "false"]}, "Whether the events of one in the background are read."),
            _query("starting_after", EVENT_NUMBER, "The `sequence_number` of the last event that the reader has."),
        ]
    }
}
CANCEL_RESPONSE: Final = _get(
    _json("Response"), tag="OpenAI", summary="End a response in the background", errors=_RESPONSE_ERRORS
)
DELETE_RESPONSE: Final = _get(
    _json("ResponseDeleted"), tag="OpenAI", summary="Take a response away", errors=_RESPONSE_ERRORS
)
LIST_INPUT: Final[Json] = _get(
    _json("ResponseItems"), tag="OpenAI", summary="List the items that a response was made of", errors=_RESPONSE_ERRORS
) | {
    "openapi_extra": {
        "parameters": [
            _query("limit", {**COUNT, "minimum": 1, "maximum": MAX_ITEMS}, "Most items; 20 if none is given."),
            _query("order", {"enum": ["asc", "desc"]}, "`desc`, the newest first, if none is given."),
            _query("after", TEXT, "The ID of the item before the first."),
        ]
    }
}

GENERATE: Final[Json] = _post(
    "GenerateRequest",
    _json_or_stream("Generation"),
    tag="Native",
    summary="Answer a prompt as text, XML or JSON",
    description=(
        "XML and JSON answers are well-formed: as the model wrote them, or repaired and marked `repaired`, or an error."
    ),
    keeping=(),
)
LIST_MODELS: Final = _get(_json("ModelList"), tag="OpenAI", summary="List the models, in OpenAI's or Anthropic's shape")
GET_MODEL: Final = _get(_json("Model"), tag="OpenAI", summary="Show one model", errors=(400, 401, 403, 404))
NATIVE_MODELS: Final = _get(_json("NativeModels"), tag="Native", summary="List the models with what is known of them")
HEALTH: Final = _get(_json("Probe"), tag="System", summary="Health and version", errors=(403,), public=True)
LIVEZ: Final = _get(_json("Probe"), tag="System", summary="Is the process alive?", errors=(403,), public=True)
READYZ: Final = _get(_json("Probe"), tag="System", summary="Does it take requests?", errors=(403,), public=True)
cast("Json", READYZ["responses"])[503] = {  # type: ignore[index]  # numbers, as FastAPI has them
    "description": "Starting or stopping.",
    "headers": _ANSWER_HEADERS,
    "content": _json("Probe"),
}
METRICS: Final = _get({"text/plain": {"schema": TEXT}}, tag="System", summary="Metrics in Prometheus's text format")
STATUS: Final = _get(_json("SystemStatus"), tag="System", summary="The state of the server and its providers")
LIST_QUERIES: Final = _get(_json("SlowQueries"), tag="System", summary="Statements of the database that take long")
LIST_BREAKERS: Final = _get(_json("Breakers"), tag="Native", summary="How the breakers of models and providers stand")
SET_BREAKER: Final[Json] = {
    "tags": ["Native"],
    "summary": "Hold the breaker of a model or provider open or closed, or set it free",
    "description": (
        "`forced_open` takes a model out of service, or a provider with all of its models; "
        "`forced_closed` keeps it in; null sets it free."
    ),
    "openapi_extra": {
        "requestBody": {"required": True, "content": {"application/json": {"schema": ref("BreakerWish")}}}
    },
    "responses": _answers(_json("Breaker"), "How it stands now.", errors=(400, 401, 403, 404)),
}
EXPLAIN: Final[Json] = {
    "tags": ["Native"],
    "summary": "Tell where a call would go, and why",
    "description": "Nothing is sent, and nobody's turn is used up. What is said beside `request` wins over it.",
    "openapi_extra": {
        "requestBody": {"required": True, "content": {"application/json": {"schema": ref("RouteQuestion")}}}
    },
    "responses": _answers(_json("RouteExplanation"), "The decision.", errors=(400, 401, 403)),
}
LIST_CONCURRENCY: Final = _get(
    _json("Concurrencies"),
    tag="Native",
    summary="How many calls models take at once, who waits, and whom this server refuses",
)
LIST_PROVIDER_KEYS: Final = _get(
    _json("ProviderKeys"), tag="Native", summary="How the keys stand that this server shows to providers"
)
SET_PROVIDER_KEY: Final[Json] = {
    "tags": ["Native"],
    "summary": "Take a key of a provider out of service, or bring it back",
    "description": "`retired` until somebody says `usable`, which also brings back what the provider refused.",
    "openapi_extra": {
        "requestBody": {"required": True, "content": {"application/json": {"schema": ref("ProviderKeyWish")}}}
    },
    "responses": _answers(_json("ProviderKey"), "How it stands now.", errors=(400, 401, 403, 404)),
}
_EVENTS: Final[Json] = {"text/event-stream": {"schema": ref("StreamEvent")}}
_STREAM_ERRORS: Final = (400, 401, 403, 404, 409, 410, 503, 504)
_SPEED: Final = _query(
    "speed",
    {"anyOf": [{"enum": [0, "max"]}, {**NUMBER, "minimum": 0.001, "maximum": 1_000}]},
    "1 for the pace that it had, 2 for twice that; 0 or `max` for at once.",
)
LIST_STREAMS: Final[Json] = {
    **_get(_json("Streams"), tag="Streams", summary="List one's own streams", errors=(400, 401, 403)),
    "openapi_extra": {
        "parameters": [
            _query("limit", {"type": "integer", "minimum": 1, "maximum": 1_000}, "How many; 100 by default."),
            _query("status", one_of(*STATUSES), "Only those that stand so."),
        ]
    },
}
GET_STREAM: Final[Json] = {
    **_get(
        {**_json("Stream"), **_EVENTS},
        tag="Streams",
        summary="Show how a stream stands, or read its events",
        errors=_STREAM_ERRORS,
    ),
    "description": (
        "With `after`, with `Last-Event-ID`, or where `text/event-stream` is accepted, the events behind that number, "
        "byte by byte as they were written, to the end; otherwise a report."
    ),
    "openapi_extra": {
        "parameters": [_query("after", EVENT_NUMBER, "Number of the last event that you have, or 0."), _SPEED]
    },
}
MERGE_STREAMS: Final[Json] = {
    "tags": ["Streams"],
    "summary": "Make one stream of the answers to several requests",
    "description": "Every event tells its source; the last is of none, and tells what each has consumed.",
    "openapi_extra": {
        "requestBody": {"required": True, "content": {"application/json": {"schema": ref("MergeRequest")}}}
    },
    "responses": _answers({"text/event-stream": {"schema": ref("MergedEvent")}}, "The stream.", headers=_MODEL_HEADERS),
}
PAUSE_STREAM: Final = _control("Stop delivery; past a limit of time the call is ended")
RESUME_STREAM: Final = _control("Go on with delivery")
CANCEL_STREAM: Final = _control("End the call; what was written stays")
DELETE_STREAM: Final = _get(
    _json("StreamDeleted"), tag="Streams", summary="Forget a stream that has ended", errors=_STREAM_ERRORS
)
OPEN_STREAMS: Final = _socket("Open a WebSocket that carries many kept streams")
OPEN_REALTIME: Final = _socket("Open a WebSocket that speaks OpenAI's realtime wire, for text")
CLIENT_SECRETS: Final[Json] = {
    "tags": ["OpenAI"],
    "summary": "Make an ephemeral key, which opens `/v1/realtime` and nothing else",
    "description": "OpenAI's client secrets: https://platform.openai.com/docs/api-reference/realtime-sessions",
    "openapi_extra": {
        "requestBody": {"required": True, "content": {"application/json": {"schema": ref("ClientSecretRequest")}}}
    },
    "responses": _answers(_json("ClientSecret"), "The key.", errors=(400, 401, 403, 408, 413, 503)),
}
STREAM_TIMELINE: Final[Json] = {
    **_get(
        _json("StreamTimeline"),
        tag="Streams",
        summary="Tell how a stream went: its events over time, its pauses and stalls, what was tried",
        errors=_STREAM_ERRORS,
    ),
    "openapi_extra": {
        "parameters": [
            _query(
                "buckets",
                {"type": "integer", "minimum": 1, "maximum": 1_000},
                "Spans of time it is cut into; 60 by default.",
            )
        ]
    },
}
RECORD_STREAM: Final = _get(
    _json("Recording"), tag="Streams", summary="Record a kept stream, from its oldest event on", errors=_STREAM_ERRORS
)
LIST_RECORDINGS: Final = _get(_json("Recordings"), tag="Streams", summary="List one's own recordings")
GET_RECORDING: Final = _get(
    {"application/x-ndjson": {"schema": TEXT}},
    tag="Streams",
    summary="Download a recording",
    errors=(401, 403, 404),
)
REPLAY_RECORDING: Final[Json] = {
    **_get(_EVENTS, tag="Streams", summary="Play a recording as a stream", errors=(400, 401, 403, 404, 410, 429, 503)),
    "openapi_extra": {
        "parameters": [
            _SPEED,
            _query("after", EVENT_NUMBER, "Number of the event behind which it begins; by default all is played."),
        ]
    },
}
DELETE_RECORDING: Final = _get(
    _json("RecordingDeleted"), tag="Streams", summary="Delete a recording", errors=(401, 403, 404)
)
DOCUMENT: Final = _get(
    {"application/json": {"schema": {"type": "object"}}},
    tag="System",
    summary="This document",
    errors=(403,),
    public=True,
)
DOCS: Final = _get(
    {"text/html": {"schema": TEXT}}, tag="System", summary="A page to browse it", errors=(403,), public=True
)


def install(app: FastAPI, keyring: Keyring) -> None:
    """Have `app.openapi()` return the document with our schemas, and the keys as they are asked for now."""
    made: dict[bool, Json] = {}

    def document() -> Json:
        required = keyring.required
        if required not in made:
            made[required] = _document(app, required=required)
        return made[required]

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way


_SCHEMAS: Final[Json] = {
    **SCHEMAS,
    **RESPONSES,
    **SYSTEM,
    **DATABASE,
    **ROUTING,
    **STREAMS,
    **SOCKETS,
    **CONTROL,
    **USAGE,
    **AUDIT,
    **LIMITS,
    **CACHE,
    **SIGN_IN,
}
"""Of everything that is taken and told, by their names."""


def _document(app: FastAPI, *, required: bool) -> Json:
    document: Json = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    tell_of_tags(document)
    document["components"] = {
        "schemas": _SCHEMAS,
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            "session": {"type": "apiKey", "in": "cookie", "name": SESSION},
        },
    }
    document["security"] = [{"bearer": []}, {"key": []}, {"session": []}] if required else [{}]
    for operations in cast("dict[str, dict[str, dict[str, Json]]]", document["paths"]).values():
        for operation in operations.values():
            # FastAPI's own answer to parameters that do not fit: ours are texts, which always do.
            operation["responses"].pop("422", None)
    return document
