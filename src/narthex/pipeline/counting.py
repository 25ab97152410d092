"""Input tokens of a request, counted by the provider where it can, exactly here where that is possible."""

from __future__ import annotations

from narthex.pipeline.exchange import Exchange
from narthex.providers.catalog import Target
from narthex.providers.contract import TokenCounting
from narthex.streams.stream import Stream
from narthex.tokens.counting import count_chat_async
from narthex.types.usage import Usage
from narthex.wire.anthropic_messages import decode_count, encode_count


async def count_tokens(exchange: Exchange, target: Target) -> None:
    """Count for a provider that does not speak the wire of token counts; an estimate is marked as one.

    Raises:
        InvalidRequest: The request is not valid.
    """
    request = exchange.chat_request()
    provider = target.provider
    if isinstance(provider, TokenCounting):
        tokens, exact = await provider.count_tokens(target.model, request), True
    else:
        count = await count_chat_async(request, target.model)
        tokens, exact = count.tokens, count.exact
    exchange.usage = Usage(input_tokens=0, estimated=not exact)
    exchange.answer = Stream.of(encode_count(tokens), exchange.dialect)


def pass_count(exchange: Exchange, body: bytes) -> None:
    """Pass a provider's count on.

    Raises:
        MalformedBody: It is none.
    """
    decode_count(body)
    exchange.usage = Usage()
    exchange.answer = Stream.of(body, exchange.dialect)
