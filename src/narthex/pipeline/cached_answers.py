"""Answers made into entries of the cache, and entries made into answers."""

from __future__ import annotations

import time
from random import Random
from time import monotonic
from typing import Final

import msgspec

from narthex.cache.entries import Entry, Form
from narthex.cache.figures import HitKind
from narthex.cache.tiers.memory import Held
from narthex.errors import NarthexError
from narthex.pipeline.cache_terms import Terms
from narthex.pipeline.delivery import deliver
from narthex.pipeline.exchange import Exchange
from narthex.streams.stream import Stream
from narthex.types.answers import ChatAnswer, FinishReason
from narthex.types.dialects import Dialect, Operation
from narthex.types.folding import UnfinishedAnswer, fold
from narthex.types.messages import Reasoning, Text, ToolCall
from narthex.types.usage import Usage
from narthex.wire.contract import BrokenStream, MalformedBody
from narthex.wire.registry import CHAT_WIRES

_ENDS: Final = frozenset({FinishReason.STOP, FinishReason.STOP_SEQUENCE})
"""How an answer ends that is whole, and that nobody has kept anything from."""
_PASSED_THROUGH: Final = frozenset({Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES})
"""Dialects whose bodies hold nothing of the call that they answered."""

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(ChatAnswer).decode


class Hit(msgspec.Struct, frozen=True):
    """How a call was answered without a call of its own to a provider."""

    kind: HitKind
    usage: Usage | None
    """What the answer consumed when it was made: saved, this time. None while it is still being made."""
    picousd: int | None = None
    """What it cost then; None while it is not known."""


class Unfit(Exception):
    """An answer is not one to be kept; the message is why."""


def entry_of(
    exchange: Exchange, terms: Terms, *, cost_picousd: int, number: int, jitter: Random, share: float
) -> Entry:
    """Make an entry of the answer to a call, which has ended.

    Args:
        exchange: The call.
        terms: On which terms it may be kept.
        cost_picousd: What it cost.
        number: Of the last declaration of invalidity when it was asked.
        jitter: Decides how much sooner or later it ends.
        share: The most by which it does, of its time.

    Raises:
        Unfit: It is not one to be kept.
    """
    form, dialect, data = _data(exchange, terms)
    usage, target = exchange.usage, exchange.target
    assert target is not None
    if usage is None:
        usage = Usage(estimated=True)
    fresh_ms = int(terms.fresh_ms * (1 + share * (2 * jitter.random() - 1)))
    return Entry(
        *(terms.key, terms.scope, target.name, form, dialect, data, usage.input_tokens, usage.output_tokens),
        *(cost_picousd, int(time.time() * 1_000), fresh_ms, terms.stale_ms, terms.error_ms),
        *(int((monotonic() - exchange.received_at) * 1_000), terms.tags, number, exchange.id, usage.estimated),
    )


def _data(exchange: Exchange, terms: Terms) -> tuple[Form, Dialect | None, bytes]:
    answer = exchange.answer
    assert answer is not None
    if answer.error is not None or exchange.error is not None:
        raise Unfit("broken")
    if exchange.instead_of is not None or answer.seam_marks:
        raise Unfit("rescued")
    if any(name == "x-narthex-check" and outcome != "passed" for name, outcome in exchange.told):
        raise Unfit("not passed")
    if exchange.operation is Operation.EMBED:
        return _vectors(answer)
    said = answer_of(exchange, answer)
    check(said, tool_calls=terms.tool_calls)
    if answer.whole and exchange.dialect in _PASSED_THROUGH:
        return "body", exchange.dialect, answer.body
    return "answer", None, _encode(said)


def _vectors(answer: Stream) -> tuple[Form, Dialect | None, bytes]:
    if not answer.whole or not answer.body:
        raise Unfit("unreadable")
    return "body", Dialect.OPENAI_EMBEDDINGS, answer.body


def check(said: ChatAnswer, *, tool_calls: bool) -> None:
    """Let an answer pass that is whole, unfiltered, and has no consequences where it is given again.

    Raises:
        Unfit: It is not.
    """
    allowed = {*_ENDS, FinishReason.TOOL_CALLS} if tool_calls else _ENDS
    for choice in said.choices:
        if choice.finish_reason not in allowed:
            raise Unfit(choice.finish_reason.value)
        parts = choice.message.parts
        if not all(isinstance(part, Text | Reasoning | ToolCall) for part in parts):
            raise Unfit("content")
        if not tool_calls and any(isinstance(part, ToolCall) for part in parts):
            raise Unfit(FinishReason.TOOL_CALLS.value)
        if not any(isinstance(part, ToolCall) or (isinstance(part, Text) and part.text) for part in parts):
            raise Unfit("empty")
    if not said.choices:
        raise Unfit("empty")


def answer_of(exchange: Exchange, answer: Stream) -> ChatAnswer:
    """Return what an answer says that has ended and is held from its first frame on.

    Raises:
        Unfit: It cannot be read, or its beginning is gone.
    """
    dialect = answer.dialect
    try:
        if answer.whole:
            return CHAT_WIRES[exchange.dialect].decode_answer(answer.body)
        if not answer.from_start:
            raise Unfit("too large")
        frames = answer.held
        if dialect is None:
            said = fold([frame for frame in frames if not isinstance(frame, bytes)])
        else:
            parser = CHAT_WIRES[dialect].parser()
            said = fold([*parser.feed(b"".join(one for one in frames if isinstance(one, bytes))), *parser.close()])
            if parser.skipped:
                raise Unfit("unreadable")
    except (MalformedBody, BrokenStream, UnfinishedAnswer, KeyError, ValueError) as error:
        raise Unfit("unreadable") from error
    return said if said.usage is not None else msgspec.structs.replace(said, usage=exchange.usage)


def give(exchange: Exchange, held: Held, kind: HitKind, told: dict[str, object] | None = None) -> None:
    """Make an entry the answer to a call.

    Args:
        exchange: The call.
        held: The entry.
        kind: How it comes to be given.
        told: What is added at the end of a stream.

    Raises:
        NarthexError: It cannot be written in the form that the call asks for.
        Unfit: It is damaged.
    """
    entry = held.entry
    usage = Usage(input_tokens=entry.input_tokens, output_tokens=entry.output_tokens, estimated=entry.estimated)
    exchange.hit = Hit(kind, usage, entry.cost_picousd)
    if entry.form == "body" and entry.dialect is exchange.dialect and not exchange.streaming:
        exchange.answer = Stream.of(entry.data, exchange.dialect)
        exchange.usage, exchange.model_answered = usage, None
    elif exchange.operation is Operation.EMBED:
        exchange.answer = Stream.of(entry.data, Dialect.OPENAI_EMBEDDINGS)
        exchange.usage = usage
    else:
        deliver(exchange, said_by(held), told=told)
    exchange.first_frame_at = monotonic()


def said_by(held: Held) -> ChatAnswer:
    """Return what an entry says, read once.

    Raises:
        Unfit: It is damaged.
    """
    made = held.made
    if isinstance(made, ChatAnswer):
        return made
    entry = held.entry
    try:
        said = CHAT_WIRES[entry.dialect].decode_answer(entry.data) if entry.dialect is not None else _decode(entry.data)
    except (MalformedBody, msgspec.MsgspecError, NarthexError, KeyError) as error:
        raise Unfit("unreadable") from error
    held.made = said
    return said


def text_of(said: ChatAnswer) -> str:
    """Return the text of an answer's first choice."""
    return "".join(part.text for part in said.choices[0].message.parts if isinstance(part, Text))
