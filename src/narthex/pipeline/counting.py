"""Input tokens of a request, counted by the provider where it can, exactly here where that is possible."""

from __future__ import annotations

import asyncio

from narthex.pipeline.exchange import Exchange
from narthex.pipeline.outbound import timeouts_of
from narthex.providers.catalog import Target
from narthex.providers.contract import TokenCounting
from narthex.providers.expiry import Phase, expired
from narthex.streams.stream import Stream
from narthex.tokens.counting import count_chat_async
from narthex.types.requests import ChatRequest
from narthex.types.usage import Usage
from narthex.wire.anthropic_messages import decode_count, encode_count


async def count_tokens(exchange: Exchange, target: Target) -> None:
    """Count for a provider that does not speak the wire of token counts; an estimate is marked as one.

    Raises:
        InvalidRequest: The request is not valid.
        ProviderTimeout: It took longer than a whole answer may.
    """
    request = exchange.chat_request()
    limits = timeouts_of(exchange, target)
    is_last = limits.total_s <= limits.first_token_s
    limit_s = limits.total_s if is_last else limits.first_token_s
    try:
        async with asyncio.timeout(limit_s):
            tokens, exact = await _count(request, target)
    except TimeoutError as error:
        raise expired(target.provider.name, Phase.TOTAL if is_last else Phase.ANSWER, limit_s) from error
    exchange.usage = Usage(input_tokens=0, estimated=not exact)
    exchange.answer = Stream.of(encode_count(tokens), exchange.dialect)


async def _count(request: ChatRequest, target: Target) -> tuple[int, bool]:
    """Return the tokens, and whether that is exactly how many there are."""
    provider = target.provider
    if isinstance(provider, TokenCounting):
        return await provider.count_tokens(target.model, request), True
    count = await count_chat_async(request, target.model)
    return count.tokens, count.exact


def pass_count(exchange: Exchange, body: bytes) -> None:
    """Pass a provider's count on.

    Raises:
        MalformedBody: It is none.
    """
    decode_count(body)
    exchange.usage = Usage()
    exchange.answer = Stream.of(body, exchange.dialect)
