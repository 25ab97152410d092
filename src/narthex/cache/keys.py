"""What tells a question from all others: a canonical form of the parsed request, and its digest.

Two requests have one key if every model must take them for the same: whatever surface they came by, in whatever order
their members stand. In doubt they differ: a question that is asked twice costs a call, a wrong answer costs trust.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import msgspec

from narthex.types.dialects import Dialect
from narthex.types.messages import File, Image, Message, Part, Text, ToolCall, ToolResult
from narthex.types.requests import ChatRequest, EmbeddingRequest

KEY_BYTES: Final = 32
VERSION: Final = "1"
"""Of the form: what is kept under another is not found any more."""
_HARMLESS: Final = frozenset(
    {"stream_options", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "max_tokens", "top_k"}
)
"""Fields of a dialect that leave the answer as it is, or that are read into a field of their own as well."""
_OF_RESPONSES: Final = frozenset({"store", "background", "previous_response_id"})
"""Fields of the responses API that this server sees to itself, whatever answers."""
_LARGEST_EXACT: Final = 2**53
_MOST_NESTED: Final = 200

_encode: Final = msgspec.json.Encoder(order="sorted").encode


class Unkeyable(Exception):
    """A request has no canonical form: it is nested too deeply, or holds a number that is none."""


def canonical(request: ChatRequest | EmbeddingRequest) -> bytes:
    """Return what is asked, as JSON with sorted members, without the model and without what leaves answers as they are.

    Raises:
        Unkeyable: It has no such form.
    """
    try:
        if isinstance(request, EmbeddingRequest):
            return _encode(_embedding(request))
        return _encode(_chat(request))
    except (RecursionError, ValueError, TypeError, OverflowError) as error:
        raise Unkeyable(str(error)) from error


def key_of(asked: bytes, *, scope: str, target: str, operation: str, beside: Sequence[str] = ()) -> bytes:
    """Return the key of a question, of 32 bytes.

    Args:
        asked: Its canonical form.
        scope: Who shares answers to it.
        target: The model that answers, as `provider/model`, and whatever else tells this from another of that name.
        operation: `chat` or `embeddings`.
        beside: What else the answer depends on, such as headers that go on to the provider.
    """
    digest = blake2b(digest_size=KEY_BYTES, person=b"narthex-cache")
    for part in (VERSION, scope, target, operation, *beside):
        said = part.encode("utf-8", "surrogatepass")
        # Lengths first: no two lists of parts make one text.
        digest.update(len(said).to_bytes(8, "big") + said)
    digest.update(asked)
    return digest.digest()


def foreign_fields(request: ChatRequest | EmbeddingRequest) -> dict[str, object]:
    """Return the fields of a request that only its own dialect knows, and that may change the answer."""
    harmless = _HARMLESS
    if isinstance(request, ChatRequest) and request.extra_dialect is Dialect.OPENAI_RESPONSES:
        harmless |= _OF_RESPONSES
    return {name: value for name, value in request.extra.items() if name not in harmless}


def refers_elsewhere(request: ChatRequest) -> bool:
    """Tell whether a request names something by address or ID whose content may be another one tomorrow."""
    parts = [part for message in request.messages for part in message.parts]
    parts += [inner for part in parts if isinstance(part, ToolResult) for inner in part.parts]
    return any(isinstance(part, Image | File) and (part.url or part.file_id) for part in parts)


def _embedding(request: EmbeddingRequest) -> dict[str, object]:
    return {
        "inputs": request.inputs,
        "dimensions": request.dimensions,
        "encoding_format": request.encoding_format or "float",
        "extra": _plain(foreign_fields(request)),
    }


def _chat(request: ChatRequest) -> dict[str, object]:
    extra = foreign_fields(request)
    said = msgspec.structs.asdict(request)
    for name in ("model", "stream", "include_usage", "user", "metadata", "service_tier", "extra", "extra_dialect"):
        del said[name]
    said |= {
        "messages": [_message(message) for message in request.messages],
        "tools": [
            {**msgspec.structs.asdict(tool), "cache": None, "parameters": _plain(tool.parameters)}
            for tool in request.tools
        ],
        "logit_bias": _plain(request.logit_bias) if request.logit_bias else None,
        "n": None if request.n == 1 else request.n,
        "logprobs": request.logprobs or None,
        "presence_penalty": request.presence_penalty or None,
        "frequency_penalty": request.frequency_penalty or None,
        "temperature": _number(request.temperature),
        "top_p": _number(request.top_p),
        "response_format": _format(request),
        "tool_choice": _choice(request),
    }
    # Where a field is not given it is left out, so that a new one does not change the keys of those without it.
    said = {name: value for name, value in said.items() if value is not None and value not in ((), [])}
    if extra:
        said["extra"] = [str(request.extra_dialect), _plain(extra)]
    return said


def _message(message: Message) -> object:
    return [message.role, message.name, [_part(part) for part in message.parts]]


def _part(part: Part) -> object:
    """Return a part without what only says how the provider is to keep it."""
    if isinstance(part, ToolResult):
        return ["result", part.tool_call_id, part.is_error, [_part(inner) for inner in part.parts]]
    if isinstance(part, Text | Image | File | ToolCall) and part.cache is not None:
        return msgspec.structs.replace(part, cache=None)
    return part


def _format(request: ChatRequest) -> object:
    form = request.response_format
    if form is None or form.kind == "text":
        return None
    return {**msgspec.structs.asdict(form), "schema": _plain(form.schema)}


def _choice(request: ChatRequest) -> object:
    choice = request.tool_choice
    # With tools, `auto` is what not to say anything means.
    return None if choice is None or (choice.mode == "auto" and request.tools) else choice


def _number(value: float | None) -> float | None:
    return None if value is None else float(value) + 0.0


def _plain(value: object, depth: int = 0) -> object:
    """Return a JSON value in which numbers that are equal are written alike."""
    if depth > _MOST_NESTED:
        message = "it is nested too deeply"
        raise ValueError(message)
    if isinstance(value, dict):
        return {str(name): _plain(one, depth + 1) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one, depth + 1) for one in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            message = "a number in it is none"
            raise ValueError(message)
        return int(value) if value.is_integer() and abs(value) <= _LARGEST_EXACT else value
    return value
