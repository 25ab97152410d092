"""How the operations of the OpenAPI document are described: answers, errors, headers and parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from narthex.http.schemas import COUNT, TEXT, Json, ref

_ERRORS: Final[Mapping[int, str]] = {
    400: "The request cannot be served as it stands.",
    401: "No valid API key.",
    403: "This caller may not do that.",
    404: "No such model, or no such thing is kept for this caller.",
    408: "The request was not sent to its end in time.",
    409: "The idempotency key stands for another request, or its answer was too large to be kept.",
    410: "It was kept, and is no more.",
    412: "It was changed since it was read.",
    413: "The body is too large.",
    426: "Sockets are opened here, and this request offers no upgrade.",
    429: "A rate limit is reached.",
    500: "A fault of this server.",
    502: "The provider failed.",
    503: "This server or the model is not available at the moment.",
    504: "The provider did not answer in time.",
}

_SELDOM: Final = frozenset({410, 412, 426})
"""Of few routes."""

_REQUEST_ID: Final[Json] = {
    "description": "Under which the server's log has the request.",
    "required": True,
    "schema": TEXT,
}
ANSWER_HEADERS: Final[Json] = {"x-request-id": _REQUEST_ID}
_ERROR_HEADERS: Final[Json] = {
    **ANSWER_HEADERS,
    "retry-after": {"description": "Seconds after which trying again makes sense.", "schema": COUNT},
}


def answers(
    content: Json,
    description: str,
    *,
    headers: Json = ANSWER_HEADERS,
    error: str = "Error",
    errors: tuple[int, ...] | None = None,
) -> Json:
    """Describe the answers of an operation; without `errors` all that most may end in."""
    told: dict[object, object] = {200: {"description": description, "headers": headers, "content": content}}
    for status in (one for one in _ERRORS if one not in _SELDOM) if errors is None else errors:
        told[status] = {"description": _ERRORS[status], "headers": _ERROR_HEADERS, "content": json_body(error)}
    return cast("Json", told)


def json_body(name: str) -> Json:
    """Describe a body in JSON, of a schema."""
    return {"application/json": {"schema": ref(name)}}


def get(content: Json, *, tag: str, summary: str, errors: tuple[int, ...] = (401, 403), public: bool = False) -> Json:
    """Describe an operation that reads, or that needs no body."""
    described: Json = {"tags": [tag], "summary": summary}
    described["responses"] = answers(content, "The answer.", errors=errors)
    # Without a key, whatever is configured.
    return {**described, "openapi_extra": {"security": []}} if public else described


def query(name: str, schema: Json, description: str) -> Json:
    """Describe a parameter of the query."""
    return {"name": name, "in": "query", "description": description, "schema": schema}
