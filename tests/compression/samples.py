"""Answers such as a cache keeps."""

from __future__ import annotations

import json
from random import Random

_WORDS = (
    *("the", "model", "answers", "with", "a", "list", "of", "steps", "that", "are", "needed", "before", "one", "can"),
    *("deploy", "this", "service", "to", "production", "and", "then", "tells", "why", "each", "matters", "when"),
    *("something", "goes", "wrong", "while", "traffic", "moves", "over", "between", "two", "regions", "slowly"),
)


def answers(count: int, *, about: str = "chat.completion") -> list[bytes]:
    """Return short answers, each another one."""
    random = Random(about)
    made: list[bytes] = []
    for _ in range(count):
        text = " ".join(random.choice(_WORDS) for _ in range(random.randint(10, 60)))
        body = {
            "id": f"chatcmpl-{random.getrandbits(96):024x}",
            "object": about,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": random.randint(5, 99), "completion_tokens": random.randint(5, 99)},
        }
        made.append(json.dumps(body).encode())
    return made
