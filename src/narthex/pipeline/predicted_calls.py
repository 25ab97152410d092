"""Calls that may be made before they are asked for: whose they are, which they may be, and how they are made again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
import orjson

from narthex.cache.keys import refers_elsewhere
from narthex.pipeline.cache_terms import CONTROL_HEADER, OWN_HEADER, Terms, is_deterministic
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.shadows import acts_by_itself
from narthex.tenancy.keys import Caller
from narthex.types.dialects import Dialect, Operation
from narthex.types.messages import ToolCall, ToolResult
from narthex.types.requests import ChatRequest

_KEPT: Final = (
    *(OWN_HEADER, CONTROL_HEADER, b"anthropic-beta", b"anthropic-version", b"openai-beta"),
    *(b"x-narthex-tags", b"x-narthex-conversation", b"x-narthex-context-cache"),
)
"""Headers with which a call is made again."""
_MOST_TOKENS: Final = {
    Dialect.OPENAI_CHAT: ("max_completion_tokens", "max_tokens"),
    Dialect.ANTHROPIC_MESSAGES: ("max_tokens",),
}
"""How requests say how long the answer may become, the usual word first."""
_THINKING: Final = ("thinking", "reasoning_effort", "reasoning")
"""What has a model write more than that, and another prompt be read where it is left out."""


class Again(msgspec.Struct, frozen=True):
    """A call, as it is made once more."""

    dialect: Dialect
    operation: Operation
    body: bytes
    headers: Mapping[bytes, bytes]
    target: str


def again(exchange: Exchange) -> Again:
    """Return a call as it is made once more, for a whole answer."""
    body = unstreamed(exchange.body) if exchange.streaming else exchange.body
    headers = {name: exchange.headers[name] for name in _KEPT if name in exchange.headers}
    target = exchange.target
    assert target is not None
    return Again(exchange.dialect, exchange.operation, body, headers, target.name)


def cheapest(call: Again, tokens: int) -> Again | None:
    """Return a call that has the same prompt read and nearly nothing written; None where there is none.

    Args:
        call: The call whose prompt it is.
        tokens: The fewest that the model lets be asked for.

    Nothing of it is looked up in the cache of answers, or kept there.
    """
    document = orjson.loads(call.body)
    names = _MOST_TOKENS.get(call.dialect)
    if names is None or any(document.get(name) is not None for name in _THINKING):
        return None
    for name in (*names, "n", "stream", "stream_options"):
        document.pop(name, None)
    document[names[0]] = tokens
    headers = {name: value for name, value in call.headers.items() if name != CONTROL_HEADER}
    return Again(call.dialect, call.operation, orjson.dumps(document), {**headers, OWN_HEADER: b"off"}, call.target)


def principal(caller: Caller, scope: str) -> str:
    """Return by what those are known who learn together: one key of one person, within what they share answers with."""
    account = caller.account
    return f"{caller.owner}\0{account.key_id}\0{account.user_id}\0{caller.name}\0{scope}"


def is_of(name: str, caller: Caller) -> bool:
    """Tell whether a principal is a caller's."""
    return name.startswith(principal(caller, ""))


def session_of(exchange: Exchange) -> str:
    """Return which conversation, or whose, a call belongs to, as far as it says so."""
    said = exchange.headers.get(b"x-narthex-conversation")
    if said:
        return said.decode("latin-1")
    return "" if exchange.head is None else exchange.head.end_user


def may_be_made(exchange: Exchange, terms: Terms) -> bool:
    """Tell whether a call may be made again without being asked for: it changes nothing, and nothing is kept of it."""
    said = terms.directives
    if not (said.look and said.store) or said.only or not exchange.body or exchange.keeping is not None:
        return False
    request = exchange.chat_request() if exchange.operation is Operation.CHAT else exchange.embedding_request()
    if acts_by_itself(exchange.body) or not (said.asked or is_deterministic(request)):
        return False
    if not isinstance(request, ChatRequest):
        return True
    acts = any(isinstance(part, ToolCall | ToolResult) for message in request.messages for part in message.parts)
    return not (request.tools or acts or refers_elsewhere(request))


def unstreamed(body: bytes) -> bytes:
    """Return a request for a stream as one for a whole answer: the cache knows them as one."""
    document = orjson.loads(body)
    document.pop("stream_options", None)
    document["stream"] = False
    return orjson.dumps(document)
