"""Whole answers, read from a provider and written for a client."""

from __future__ import annotations

import msgspec

from narthex.types.answers import ChatAnswer, Choice
from narthex.types.dialects import Dialect
from narthex.types.events import Ended, Event, Started, UsageReported
from narthex.types.folding import fold
from narthex.types.messages import Reasoning, Refusal, Text, ToolCall
from narthex.wire.contract import MalformedBody, WholeScan
from narthex.wire.openai_chat.choices import ChoiceReader
from narthex.wire.openai_chat.chunks import (
    FAILED_REASONS,
    UNREADABLE,
    AnswerBody,
    ChoiceBody,
    RawMember,
    UsageBody,
    finish_word,
    read_answer,
    read_error_member,
    read_logprobs,
    read_stop_sequence,
    read_usage,
    usage_of,
)
from narthex.wire.openai_chat.message_encoding import reasoning_detail
from narthex.wire.openai_chat.written import Body, annotations_of, logprobs_body, usage_body
from narthex.wire.openai_chat.written import finish_word as word_of

_PLACED = frozenset({"id", "object", "created", "model", "choices", "usage"})
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _ScannedChoice(msgspec.Struct, gc=False):
    finish_reason: str | None = None


class _Scanned(msgspec.Struct):
    choices: list[_ScannedChoice] = []
    model: str | None = None
    usage: UsageBody | None = None
    error: RawMember = msgspec.UNSET


_scanned = msgspec.json.Decoder(_Scanned)


def decode_answer(body: bytes) -> ChatAnswer:
    """Read a provider's whole answer.

    Raises:
        MalformedBody: Not an answer of this dialect, or one without its end.
    """
    given = _checked(body)
    started = Started(
        id=str(given.id or ""),
        model=given.model or "",
        created_at=int(given.created) if isinstance(given.created, float) else 0,
        extra=_extra(body),
        extra_dialect=Dialect.OPENAI_CHAT,
    )
    events: list[Event] = [started]
    choices = given.choices or []
    indices = [choice.index or 0 for choice in choices]
    if len(set(indices)) < len(indices):
        # Some servers number every choice 0.
        indices = list(range(len(choices)))
    for index, choice in zip(indices, choices, strict=True):
        _read_choice(choice, index, started.id, events)
    usage = read_usage(given)
    if usage is not None:
        events.append(UsageReported(usage=usage))
    return fold([*events, Ended()])


def encode_answer(answer: ChatAnswer) -> bytes:
    """Write a whole answer for a client."""
    body: Body = {
        "id": answer.id,
        "object": "chat.completion",
        "created": answer.created_at,
        "model": answer.model,
        "choices": [_choice_body(choice) for choice in answer.choices],
    }
    if answer.usage is not None:
        body["usage"] = usage_body(answer.usage)
    if answer.extra_dialect is Dialect.OPENAI_CHAT:
        body |= answer.extra
    return msgspec.json.encode(body)


def scan_answer(body: bytes) -> WholeScan:
    """Look a whole answer over that passes through unchanged.

    Raises:
        MalformedBody: Not an answer of this dialect, or one without its end.
    """
    try:
        scanned = _scanned.decode(body)
    except UNREADABLE:
        # Perhaps only the usage is strange; the slower way is the more patient one.
        given = _checked(body)
        return WholeScan(model=given.model, usage=read_usage(given))
    for choice in scanned.choices:
        if not choice.finish_reason or choice.finish_reason in FAILED_REASONS:
            break
    else:
        if scanned.choices and scanned.usage is not None:
            return WholeScan(model=scanned.model, usage=usage_of(scanned.usage))
    given = _checked(body)
    return WholeScan(model=given.model, usage=read_usage(given))


def _checked(body: bytes) -> AnswerBody:
    given = read_answer(body)
    if given is None:
        raise MalformedBody("not an OpenAI chat completion")
    failed = read_error_member(given)
    if failed is not None:
        raise MalformedBody(f"an error instead of an answer: {failed.message}")
    if not given.choices:
        raise MalformedBody("an answer without choices")
    for position, choice in enumerate(given.choices):
        word = finish_word(choice)
        if word is None or word in FAILED_REASONS:
            raise MalformedBody(f"choice {position} has no end: its finish_reason is {choice.finish_reason!r}")
    return given


def _extra(body: bytes) -> dict[str, object]:
    members = _members.decode(body)
    return {
        name: msgspec.json.decode(raw)
        for name, raw in members.items()
        if name not in _PLACED and raw != msgspec.Raw(b"null")
    }


def _read_choice(choice: ChoiceBody, index: int, answer_id: str, events: list[Event]) -> None:
    reader = ChoiceReader(index, answer_id)
    if choice.message is None:
        raise MalformedBody(f"choice {index} has no message")
    for number, call in enumerate(choice.message.tool_calls or ()):
        call.index = number
    events += reader.read(choice.message, read_logprobs(choice))
    if reader.nameless_calls:
        raise MalformedBody(f"choice {index} holds a tool call without a name")
    events.append(reader.finish(finish_word(choice) or "", read_stop_sequence(choice)))


def _choice_body(choice: Choice) -> Body:
    refused = any(isinstance(part, Refusal) for part in choice.message.parts)
    body: Body = {
        "index": choice.index,
        "message": _message_body(choice),
        "logprobs": None if choice.logprobs is None else logprobs_body(choice.logprobs),
        "finish_reason": word_of(choice.finish_reason, refused=refused),
    }
    if choice.stop_sequence is not None:
        body["stop_reason"] = choice.stop_sequence
    return body


def _message_body(choice: Choice) -> Body:
    parts = choice.message.parts
    texts = [part for part in parts if isinstance(part, Text)]
    calls = [part for part in parts if isinstance(part, ToolCall)]
    refusals = [part.text for part in parts if isinstance(part, Refusal)]
    content = "".join(part.text for part in texts)
    body: Body = {
        "role": "assistant",
        "content": content if texts or not (calls or refusals) else None,
        "refusal": "".join(refusals) or None,
    }
    annotations = [one for part in texts for one in annotations_of(part.citations)]
    if annotations:
        body["annotations"] = annotations
    body |= _reasoning_body([part for part in parts if isinstance(part, Reasoning)])
    if calls:
        body["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in calls
        ]
    return body


def _reasoning_body(thoughts: list[Reasoning]) -> Body:
    """Write reasoning to be read as one text, and in details to be sent back."""
    if not thoughts:
        return {}
    body: Body = {"reasoning_details": [reasoning_detail(one, index) for index, one in enumerate(thoughts)]}
    text = "".join(one.text for one in thoughts)
    return {"reasoning_content": text} | body if text else body
