"""Whole answers, both ways.

A whole answer is written as its stream is, and its last event taken: so both say the same. The model's own tools at
work (`web_search_call` and others) are left out of a translated answer, whole and streamed alike.
"""

from __future__ import annotations

import msgspec

from narthex.errors import RequestError
from narthex.types.answers import ChatAnswer, Choice, TokenLogprob
from narthex.types.dialects import Dialect
from narthex.types.folding import unfold
from narthex.types.messages import Message, Part, Refusal, ToolCall
from narthex.types.requests import ChatRequest
from narthex.wire.contract import MalformedBody, WholeScan
from narthex.wire.openai_chat.chunks import UNREADABLE
from narthex.wire.openai_responses.content_decode import logprobs_of
from narthex.wire.openai_responses.endings import finish_reason
from narthex.wire.openai_responses.items_decode import item_parts
from narthex.wire.openai_responses.schema import AnswerBody, AnswerHead, ItemBody
from narthex.wire.openai_responses.stream_encoder import ResponsesEncoder
from narthex.wire.openai_responses.usage import usage_of

_ANSWER = msgspec.json.Decoder(AnswerBody)
_HEAD = msgspec.json.Decoder(AnswerHead)
_SAID = frozenset({"message", "reasoning", "function_call"})
_ENDED = frozenset({"completed", "incomplete"})


def decode_answer(body: bytes) -> ChatAnswer:
    """Read a provider's whole answer.

    Raises:
        MalformedBody: Not an answer of this dialect, or one without its end.
    """
    try:
        answer = _ANSWER.decode(body)
        if answer.object != "response":
            raise MalformedBody("not a response")
        items = [item for item in answer.output if item.type in _SAID]
        parts = tuple(part for number, item in enumerate(items) for part in item_parts(item, f"output.{number}"))
    except (*UNREADABLE, RequestError) as error:
        # What is read is read as requests are; the caller is not to blame here.
        raise MalformedBody(f"not a response: {error}") from error
    reason = finish_reason(
        answer,
        called=any(isinstance(part, ToolCall) for part in parts),
        refused=any(isinstance(part, Refusal) for part in parts),
    )
    message = Message(role="assistant", parts=_said(parts))
    return ChatAnswer(
        id=answer.id,
        model=answer.model,
        created_at=int(answer.created_at or 0),
        choices=(Choice(index=0, message=message, finish_reason=reason, logprobs=_logprobs(items)),),
        usage=usage_of(answer.usage),
        extra_dialect=Dialect.OPENAI_RESPONSES,
    )


def scan_answer(body: bytes) -> WholeScan:
    """Look a whole answer over that passes through unchanged.

    Raises:
        MalformedBody: Not an answer of this dialect, or one without its end.
    """
    try:
        head = _HEAD.decode(body)
    except UNREADABLE as error:
        raise MalformedBody(f"not a response: {error}") from error
    if head.object != "response" or head.status not in _ENDED:
        raise MalformedBody(f"the response is {head.status or 'without a status'}: it is not whole")
    return WholeScan(model=head.model, usage=usage_of(head.usage))


def encode_answer(answer: ChatAnswer, request: ChatRequest | None = None, *, answer_id: str | None = None) -> bytes:
    """Write a whole answer for a client; see `ResponsesEncoder` for the arguments."""
    encoder = ResponsesEncoder(request, answer_id=answer_id)
    for event in unfold(answer):
        encoder.encode(event)
    return msgspec.json.encode(encoder.response)


def _said(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    return tuple(part for part in parts if getattr(part, "text", True) != "" or getattr(part, "redacted", None))


def _logprobs(items: list[ItemBody]) -> tuple[TokenLogprob, ...] | None:
    told: list[TokenLogprob] = []
    for item in items:
        for content in item.content if isinstance(item.content, list) else ():
            told += logprobs_of(content.logprobs) or ()
    return tuple(told) or None
