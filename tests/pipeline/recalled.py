"""Calls that may be answered from the cache, for tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from narthex.config.cache_settings import CacheSettings
from narthex.pipeline.exchange import Exchange
from narthex.providers.contract import Reply
from narthex.testing.wires import openai_answer
from narthex.types.catalog import Price
from narthex.types.dialects import Dialect
from tests.pipeline.doubles import CHAT, Double, House, exchange, read, whole

ZERO = {**CHAT, "temperature": 0}
ZERO_STREAM = {**ZERO, "stream": True}
PRICE = Price(input_microusd_per_mtok=1_000_000, output_microusd_per_mtok=2_000_000)


def call(body: object = ZERO, dialect: Dialect = Dialect.OPENAI_CHAT, /, **headers: str) -> Exchange:
    """Return a call; underscores in names of headers stand for dashes."""
    said: Mapping[bytes, bytes] = {name.replace("_", "-").encode(): one.encode() for name, one in headers.items()}
    return exchange(body, dialect=dialect, headers=said)


def house(*replies: Reply | Exception, **options: object) -> tuple[Double, House]:
    """Return a provider that gives these replies, and an engine with a cache in front of it.

    Without replies it gives a few answers that are told apart by their numbers.
    """
    given = replies or tuple(whole(openai_answer(f"answer {number}")) for number in range(1, 6))
    provider = Double(*given)  # type: ignore[arg-type]
    settings = {"jitter_percent": 0, "early_refresh": False, **options}
    return provider, House(provider, cache=CacheSettings.model_validate(settings), price=lambda _model: PRICE)


async def said(made: House, asked: Exchange) -> str:
    """Return the text of the answer to a call."""
    answer = await made.engine.handle(asked)
    if answer.whole:
        document = json.loads(answer.body)
        if "choices" in document:
            return str(document["choices"][0]["message"]["content"])
        if "content" in document:
            return str(document["content"][0]["text"])
        return str(document["output"][0]["content"][0]["text"])
    return text_of(await read(answer))


def text_of(frames: Iterable[object]) -> str:
    """Return the text of a streamed answer, in whatever form."""
    text = ""
    for frame in frames:
        if not isinstance(frame, bytes):
            text += getattr(frame, "text", "")
            continue
        for line in frame.decode().splitlines():
            if line.startswith("data: {"):
                choices = json.loads(line[6:])["choices"]
                text += (choices[0]["delta"].get("content") or "") if choices else ""
    return text


def how(asked: Exchange) -> str | None:
    """Return what its header says of how a call was answered."""
    if asked.replays is not None:
        return asked.replays.header[1]
    return dict(asked.told).get("x-narthex-cache")
