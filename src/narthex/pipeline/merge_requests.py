"""Several requests in one body, read as one call for several models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from narthex.errors import InvalidRequest
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.merges import Merger
from narthex.tenancy.keys import Caller
from narthex.types.dialects import Dialect
from narthex.types.merging import MAX_MERGED, MERGE_PREFIX, MergeMode
from narthex.types.requests import ChatRequest
from narthex.wire.registry import CHAT_WIRES

MAX_CRITERIA: Final = 4_096
"""Characters of what a judge is to look for."""


class MergeBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requests in OpenAI's dialect, and how their answers are made one stream."""

    requests: Annotated[tuple[msgspec.Raw, ...], msgspec.Meta(min_length=2, max_length=MAX_MERGED)]
    mode: MergeMode = "interleave"
    judge: str | None = None
    criteria: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CRITERIA)] | None = None


_decode = msgspec.json.Decoder(MergeBody).decode


def merged_exchange(body: bytes, headers: Mapping[bytes, bytes], caller: Caller) -> Exchange:
    """Return the call that a body asks for.

    Raises:
        InvalidRequest: Not JSON, not of this shape, or one of its requests is not valid; `param` names the field.
    """
    try:
        asked = _decode(body)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        raise InvalidRequest(f"the body is not valid: {message}", param=path.rstrip("`") or None) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from error
    bodies = tuple(bytes(raw) for raw in asked.requests)
    requests = tuple(_request(number, one) for number, one in enumerate(bodies))
    merger = Merger(
        mode=asked.mode, requests=requests, bodies=bodies, judge=asked.judge, criteria=asked.criteria, wrapped=True
    )
    # Where one request stands for all, as the question that a judge reads, it is the first.
    name = MERGE_PREFIX + ",".join(merger.sources)
    first = msgspec.structs.replace(requests[0], model=name, stream=True, include_usage=True)
    exchange = Exchange(Dialect.OPENAI_CHAT, body, headers, request=first, caller=caller)
    exchange.merger = merger
    return exchange


def _request(number: int, body: bytes) -> ChatRequest:
    try:
        return CHAT_WIRES[Dialect.OPENAI_CHAT].decode_request(body)
    except InvalidRequest as error:
        path = f"requests.{number}" if error.param is None else f"requests.{number}.{error.param}"
        raise InvalidRequest(f"requests.{number}: {error.message}", param=path) from error
