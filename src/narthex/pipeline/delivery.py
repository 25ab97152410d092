"""Whole answers in the inner vocabulary, handed to the caller in the caller's form."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import msgspec

from narthex.errors import Failure, MalformedAnswer, ProviderError, ProviderFailed
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.inbound import closing, dated, response_id_of, truncated
from narthex.pipeline.outbound import Outbound
from narthex.providers.catalog import Target
from narthex.providers.contract import WholeReply
from narthex.streams.stream import Stream
from narthex.types.answers import ChatAnswer, EmbeddingAnswer
from narthex.types.dialects import Dialect, Operation
from narthex.types.events import Ended, Event, Failed, Finished
from narthex.types.folding import fold, unfold
from narthex.wire.contract import MalformedBody
from narthex.wire.failures import parse_retry_after, provider_error
from narthex.wire.openai_embeddings import OPENAI_EMBEDDINGS
from narthex.wire.registry import CHAT_WIRES


def deliver(exchange: Exchange, answer: ChatAnswer, *, told: dict[str, object] | None = None) -> None:
    """Make a whole answer the exchange's: as a body of its dialect, or as events where it is streamed or in-process.

    Args:
        exchange: Whose answer it is.
        answer: The answer.
        told: What is added at the end of a stream to say how the answer came about.
    """
    if not answer.created_at:
        answer = msgspec.structs.replace(answer, created_at=int(time.time()))
    if exchange.dialect is Dialect.OPENAI_RESPONSES:
        answer = msgspec.structs.replace(answer, id=response_id_of(exchange))
    exchange.usage, exchange.model_answered = answer.usage, answer.model
    if not exchange.streaming and exchange.dialect is not Dialect.NATIVE:
        exchange.answer = Stream.of(
            CHAT_WIRES[exchange.dialect].encode_answer(answer, exchange.chat_request()), exchange.dialect
        )
        return
    stream = Stream(None)
    for event in unfold(answer):
        told_too = told is not None and isinstance(event, Finished)
        stream.append(msgspec.structs.replace(event, told=told) if told_too else dated(exchange, event))
    stream.close()
    exchange.answer = stream


def deliver_vectors(exchange: Exchange, answer: EmbeddingAnswer) -> None:
    """Make vectors the exchange's answer."""
    exchange.usage, exchange.model_answered = answer.usage, answer.model
    body = OPENAI_EMBEDDINGS.encode_answer(answer, exchange.embedding_request())
    exchange.answer = Stream.of(body, Dialect.OPENAI_EMBEDDINGS)


async def gather(exchange: Exchange, events: AsyncIterator[Event]) -> ChatAnswer:
    """Read a provider's events to their end and return the whole answer.

    Raises:
        ProviderError: The provider reported a failure, or the events have no end.
    """
    assert exchange.target is not None
    provider = exchange.target.provider.name
    gathered: list[Event] = []
    async with closing(events):
        async for event in events:
            if isinstance(event, Failed):
                raise provider_error(event.message, code=event.code, kind=event.kind, status=None, provider=provider)
            gathered.append(event)
    if not gathered or not isinstance(gathered[-1], Ended):
        raise truncated(provider, "the provider stopped")
    return fold(gathered)


def unreadable(provider: str, error: MalformedBody) -> MalformedAnswer:
    """Return the error of a whole answer that is none."""
    message = f"{provider}: what it answered is not an answer: {error}"
    return MalformedAnswer(message, provider=provider, failure=Failure.MALFORMED, retryable=True)


def refused(target: Target, out: Outbound, reply: WholeReply) -> ProviderError:
    """Return what a provider's answer other than 200 means."""
    provider = target.provider.name
    if reply.status < 400:
        message = f"{provider} answered with status {reply.status}, which is no answer to this call"
        return ProviderFailed(
            message, provider=provider, failure=Failure.MALFORMED, upstream_status=reply.status, retryable=True
        )
    dialect = out.call.dialect
    if out.call.operation is Operation.EMBED:
        dialect = Dialect.OPENAI_CHAT
    elif dialect is Dialect.ANTHROPIC_COUNT_TOKENS:
        dialect = Dialect.ANTHROPIC_MESSAGES
    wait_s = parse_retry_after(reply.headers, time.time())
    return CHAT_WIRES[dialect].decode_error(reply.body, status=reply.status, provider=provider, retry_after_s=wait_s)
