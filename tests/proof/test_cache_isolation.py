"""No answer that one tenant was given is ever given to another, whatever either of them asks for."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Mapping

from narthex.config.cache_settings import CacheSettings
from narthex.pipeline.exchange import Exchange
from narthex.providers.contract import Call, Reply
from narthex.testing.wires import openai_answer, openai_embeddings, openai_frames
from narthex.types.dialects import Dialect, Operation
from tests.cache.semantic.asking import floats
from tests.pipeline.doubles import Double, House, exchange, streamed, whole
from tests.pipeline.recalled import said

PROBES = 10_000
SEMANTIC = {"enabled": True, "embedding_model": "up/e", "budget_ms": 5_000, "sharing": "tenant", "sampled_percent": 0}
WORDINGS = ("How do I reset my {}?", "How can I reset my {}?", "hi, how do i reset my {}? thanks", "How to reset my {}")
THINGS = ("router", "printer", "camera", "oven", "clock", "drone")
TENANTS = 8


class Serial(Double):
    """Gives no answer twice."""

    def __init__(self) -> None:
        super().__init__()
        self._serial = itertools.count(1)

    async def send(self, call: Call) -> Reply:
        """Answer with the next number, or with a vector."""
        if call.operation is Operation.EMBED:
            return whole(openai_embeddings([floats(text) for text in json.loads(call.body)["input"]]))
        text = f"number {next(self._serial)}"
        return streamed(openai_frames(text)) if call.stream else whole(openai_answer(text))


def drawn(chance: random.Random, key: str) -> Exchange:
    """Return a call of a tenant; of few questions, so that others ask the same all the time."""
    shared = chance.choice(["workspace", "key", "user"])
    directive = chance.choice(["", "on", f"on; shared_by={shared}", "on; namespace=n; tags=t", "refresh", "only"])
    body: dict[str, object] = {
        "model": "up/m",
        "max_tokens": 50,
        "temperature": chance.choice([0, 0, 1]),
        "messages": [{"role": "user", "content": chance.choice(WORDINGS).format(chance.choice(THINGS))}],
        "stream": chance.random() < 0.3,
    }
    headers: Mapping[bytes, bytes] = {b"authorization": f"Bearer {key}".encode()}
    if directive:
        headers = {**headers, b"x-narthex-cache": directive.encode()}
    dialect = chance.choice([Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES])
    if chance.random() < 0.3:
        name = chance.choice(["eve", "mallory"])
        body |= {"user": name} if dialect is Dialect.OPENAI_CHAT else {"metadata": {"user_id": name}}
    return exchange(json.dumps(body).encode(), dialect=dialect, headers=headers)


async def test_no_answer_is_given_to_two_tenants() -> None:
    """Of ten thousand calls by eight tenants, over all forms, wordings and directives, none finds another's answer."""
    keys = [(f"tenant-{number}", f"sk-tenant-{number}-0123456789") for number in range(TENANTS)]
    settings = CacheSettings.model_validate({"max_entry_bytes": 65_536, "ttl_s": 3_600, "semantic": SEMANTIC})
    made = House(Serial(), keys=keys, cache=settings)
    chance, seen, probes = random.Random(11), dict[str, str](), 0
    for _ in range(PROBES):
        name, key = chance.choice(keys)
        asked = drawn(chance, key)
        try:
            text = await said(made, asked)
        except Exception as error:
            if type(error).__name__ != "NotCached":
                raise
            continue
        probes += 1
        assert seen.setdefault(text, name) == name, f"{name} was given what {seen[text]} had"
    hits = sum(made.cache.figures.hits.values())
    assert probes > PROBES * 0.8
    await made.tasks.aclose()
    # It would prove nothing if nothing were given again.
    assert hits > PROBES * 0.3
    assert made.cache.figures.hits["semantic"] > PROBES * 0.02
    assert len(seen) < probes - hits / 2
