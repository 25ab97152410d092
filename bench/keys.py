"""Whether the cache tells questions apart, and takes for one what is one: requests that are mutated by chance.

    python -m bench.keys [--requests 100000] [--seed 7]

Each request is made up by chance and written twice, in other words of JSON: members in another order, other white
space, escapes, numbers in other forms, defaults said or left out, the stream asked for or not, by somebody else. Both
must have one key, or the second would be asked for in vain (a false miss). Then one thing of it is changed that may
change the answer, and its key must be another than that of any other question (a collision).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Final, NamedTuple, cast

from narthex.cache.keys import canonical, key_of
from narthex.types.dialects import Dialect
from narthex.wire.registry import CHAT_WIRES

Json = dict[str, object]
WORDS: Final = ("alpha", "béta", "γ", "delta 3", "ε\n", "zeta\t", '"eta"', "θ\\", "iota😀", " kappa", "", "null", "1")
ROLES: Final = ("system", "user", "assistant")


class Result(NamedTuple):
    """What came of it."""

    requests: int
    questions: int
    """Different ones among them."""
    collisions: int
    false_misses: int


def made_up(chance: random.Random) -> Json:
    """Return a request."""
    body: Json = {"model": "m", "messages": [_message(chance) for _ in range(chance.randint(1, 4))]}
    for name, values in (
        ("temperature", (0, 0.5, 1)),
        ("top_p", (0.1, 1)),
        ("seed", (1, 2)),
        ("max_completion_tokens", (10, 100)),
        ("stop", (["x"], ["x", "y"])),
    ):
        if chance.random() < 0.4:
            body[name] = chance.choice(values)
    if chance.random() < 0.3:
        body["tools"] = [
            {"type": "function", "function": {"name": f"f{chance.randint(0, 9)}", "parameters": _schema(chance)}}
        ]
    return body


def _message(chance: random.Random) -> Json:
    said = " ".join(chance.choices(WORDS, k=chance.randint(1, 4)))
    return {"role": chance.choice(ROLES), "content": f"{said} {chance.randint(0, 999)}"}


def _schema(chance: random.Random) -> Json:
    names = chance.sample(("a", "b", "c", "ä"), 2)
    return {"type": "object", "properties": {name: {"type": chance.choice(("string", "integer"))} for name in names}}


def in_other_words(body: Json, chance: random.Random) -> bytes:
    """Return the same request, written otherwise."""
    body = deepcopy(body)
    if chance.random() < 0.5:
        body |= {"stream": True, "user": f"u{chance.random()}", "metadata": {"a": "b"}}
    if chance.random() < 0.5:
        body |= {"n": 1, "presence_penalty": 0, "frequency_penalty": -0.0, "logprobs": False}
    if isinstance(body.get("temperature"), int):
        body["temperature"] = float(cast("int", body["temperature"]))
    if chance.random() < 0.3:
        for message in cast("list[Json]", body["messages"]):
            message["content"] = [{"type": "text", "text": message["content"]}]
    separators = chance.choice(((",", ":"), (" , ", " : "), (",\n", ":\t")))
    return json.dumps(shuffled(body, chance), separators=separators, ensure_ascii=chance.random() < 0.5).encode()


def shuffled(value: object, chance: random.Random) -> object:
    """Return a value with its members in another order."""
    if isinstance(value, dict):
        items = list(value.items())
        chance.shuffle(items)
        return {name: shuffled(one, chance) for name, one in items}
    return [shuffled(one, chance) for one in value] if isinstance(value, list) else value


def changed(body: Json, chance: random.Random) -> Json:
    """Return the request with one thing changed that may change the answer."""
    body = deepcopy(body)
    message = chance.choice(cast("list[Json]", body["messages"]))
    changes: tuple[Callable[[], object], ...] = (
        lambda: message.update(content=f"{message['content']} "),
        lambda: message.update(content=str(message["content"]).swapcase() + "!"),
        lambda: message.update(role=next(role for role in ROLES if role != message["role"])),
        lambda: body.update(temperature=chance.random()),
        lambda: body.update(seed=chance.randint(3, 10**9)),
        lambda: body.update(response_format={"type": "json_object"}),
        lambda: body.update(tools=[{"type": "function", "function": {"name": f"g{chance.randint(0, 10**6)}"}}]),
        lambda: cast("list[Json]", body["messages"]).append(_message(chance)),
        lambda: body.update(logit_bias={"5": chance.randint(1, 99)}),
    )
    chance.choice(changes)()
    return body


def key(body: bytes) -> bytes:
    """Return the key of a request as it came."""
    request = CHAT_WIRES[Dialect.OPENAI_CHAT].decode_request(body)
    return key_of(canonical(request), scope="workspace:w", target="t", operation="chat")


def tried(requests: int, seed: int) -> Result:
    """Try so many requests; each question is known by what it says, in JSON with sorted members."""
    chance, questions, owners = random.Random(seed), dict[str, bytes](), dict[bytes, str]()
    collisions = false_misses = 0
    for number in range(requests // 2):
        body = made_up(chance)
        if number % 2:
            body = changed(body, chance)
        meant = json.dumps(body, sort_keys=True)
        first, second = key(json.dumps(body).encode()), key(in_other_words(body, chance))
        false_misses += first != second or questions.setdefault(meant, first) != first
        collisions += owners.setdefault(first, meant) != meant
    return Result(requests, len(questions), collisions, false_misses)


def main() -> int:
    """Print what came of it; 1 if anything was told apart or taken together that must not be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    began = time.perf_counter()
    found = tried(given.requests, given.seed)
    took_us = (time.perf_counter() - began) / found.requests * 1e6
    print(f"{found.requests:,} requests, {found.questions:,} questions, {took_us:.0f} µs for each")
    print(f"collisions {found.collisions}, false misses {found.false_misses}")
    return int(bool(found.collisions or found.false_misses))


if __name__ == "__main__":
    sys.exit(main())
