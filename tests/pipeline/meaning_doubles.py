"""An engine that answers questions which mean the same, around a provider that also makes vectors and judges."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from narthex.cache.disk_session import Place
from narthex.cache.semantic.engine import Semantic
from narthex.config.cache_settings import CacheSettings
from narthex.errors import NarthexError
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.same_meaning import SameMeaning
from narthex.providers.contract import Call, Reply
from narthex.testing.wires import openai_answer, openai_embeddings, openai_frames
from narthex.types.dialects import Operation
from tests.cache.semantic.asking import floats
from tests.pipeline.doubles import Double, House, exchange, streamed, whole

RESET = "How do I reset my router?"
OTHERWISE = "How can I reset my router?"
LESS_ALIKE = "router resetting process"


class Speaker(Double):
    """Gives no answer twice, and a vector for each text.

    Attributes:
        asked: What it was asked, apart from vectors and verdicts.
        verdict: What it says as a judge; None where it says nothing that can be read.
        down: What happens in place of an answer.
        slow_s: How long a vector takes.
        serial: The number of the next answer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.judged: list[str] = []
        self.answers: dict[str, str] = {}
        self.verdict: bool | None = True
        self.down: NarthexError | None = None
        self.slow_s = 0.0
        self.serial = itertools.count(1)

    async def send(self, call: Call) -> Reply:
        """Answer with the next number, unless something else is said."""
        body = json.loads(call.body)
        if call.operation is Operation.EMBED:
            await asyncio.sleep(self.slow_s)
            return whole(openai_embeddings([floats(text) for text in body["input"]]))
        last = str(body["messages"][-1]["content"])
        if body["model"] == "judge":
            self.judged.append(last)
            said = "hm" if self.verdict is None else json.dumps({"same": self.verdict})
            return whole(openai_answer(said))
        self.asked.append(last)
        if self.down is not None:
            raise self.down
        text = self.answers.get(last, f"answer {next(self.serial)}")
        return streamed(openai_frames(text)) if call.stream else whole(openai_answer(text))


def call(text: str = RESET, *before: str, key: str = "", stream: bool = False, user: str = "", **more: str) -> Exchange:
    """Return a question, after a conversation; underscores in names of headers stand for dashes."""
    roles = itertools.cycle(("user", "assistant"))
    messages = [{"role": role, "content": said} for role, said in zip(roles, (*before, text), strict=False)]
    body: dict[str, object] = {"model": "up/m", "temperature": 0, "messages": messages, "stream": stream}
    headers = {name.replace("_", "-").encode(): value.encode() for name, value in more.items()}
    if key:
        headers[b"authorization"] = f"Bearer {key}".encode()
    return exchange(body | ({"user": user} if user else {}), headers=headers)


def engine_of(made: House) -> Semantic:
    """Return what knows the questions."""
    return meaning_of(made).means.engine


def meaning_of(made: House) -> SameMeaning:
    """Return what finds them."""
    assert made.caching is not None
    assert made.caching.meaning is not None
    return made.caching.meaning


async def soon(holds: Callable[[], object]) -> None:
    """Let every task run until something holds."""
    for _ in range(2_000):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to hold")


async def knows(made: House, count: int) -> None:
    """Wait until so many questions are known."""
    await soon(lambda: len(engine_of(made).entries) == count)


@asynccontextmanager
async def speaking(
    keys: Iterable[tuple[str, str]] = (),
    rules: Iterable[dict[str, object]] = (),
    place: Place | None = None,
    **semantic: object,
) -> AsyncIterator[tuple[Speaker, House]]:
    """Run an engine whose cache answers questions which mean the same."""
    said = {"enabled": True, "embedding_model": "up/e", "budget_ms": 5_000, "sampled_percent": 0, **semantic}
    settings = {"jitter_percent": 0, "early_refresh": False, "semantic": said, "rules": list(rules)}
    provider = Speaker()
    made = House(provider, cache=CacheSettings.model_validate(settings), keys=keys, place=place)
    try:
        yield provider, made
    finally:
        await made.tasks.aclose()
