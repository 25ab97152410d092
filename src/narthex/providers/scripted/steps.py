"""Lays an answer out in time: which event comes when, and what goes wrong on the way."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import assert_never

from narthex.errors import NarthexError
from narthex.providers.scripted.texts import chunks, split_tokens
from narthex.testing.chance import random_for
from narthex.types.answers import ChatAnswer, Choice, TokenLogprob
from narthex.types.events import (
    Ended,
    Event,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from narthex.types.messages import Audio, File, Image, Part, Reasoning, Refusal, Text, ToolCall, ToolResult

FOREVER = math.inf


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens: after `wait_s`, an event is given or an error is raised, or neither."""

    event: Event | None = None
    wait_s: float = 0.0
    error: NarthexError | None = None

    @property
    def is_content(self) -> bool:
        """Whether this is a piece of the answer, as faults count them."""
        return isinstance(self.event, TextDelta | ReasoningDelta | RefusalDelta | ToolCallStarted | ToolCallDelta)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast an answer is written."""

    first_token_s: float = 0.0
    tokens_per_second: float | None = None
    jitter: float = 0.0
    """Share by which each wait varies, from 0 to 1."""

    def vary(self, seconds: float, chance: Random) -> float:
        """Return `seconds`, more or less."""
        return seconds * (1.0 + self.jitter * chance.uniform(-1.0, 1.0)) if self.jitter else seconds


def events_of(answer: ChatAnswer, *, chunk_tokens: int, logprobs: int | None = None) -> Iterator[Event]:
    """Yield the events of an answer, its choices one piece each in turn.

    Args:
        answer: What is answered.
        chunk_tokens: Tokens in each piece.
        logprobs: How many likeliest others come with each token; None for no log probabilities at all.
    """
    yield Started(id=answer.id, model=answer.model, created_at=answer.created_at, extra=answer.extra)
    lines = [_pieces(choice, chunk_tokens, logprobs) for choice in answer.choices]
    while lines:
        for line in list(lines):
            event = next(line, None)
            if event is None:
                lines.remove(line)
            else:
                yield event
    for choice in answer.choices:
        yield Finished(reason=choice.finish_reason, choice=choice.index, stop_sequence=choice.stop_sequence)
    if answer.usage is not None:
        yield UsageReported(usage=answer.usage)
    yield Ended()


def _pieces(choice: Choice, chunk_tokens: int, logprobs: int | None) -> Iterator[Event]:
    for number, part in enumerate(choice.message.parts):
        yield from _part_pieces(part, choice.index, number, chunk_tokens, logprobs)


def _part_pieces(part: Part, choice: int, number: int, size: int, logprobs: int | None) -> Iterator[Event]:
    match part:
        case Text():
            yield from _text_pieces(part.text, choice, number, size, logprobs)
        case Refusal():
            for piece in chunks(split_tokens(part.text), size):
                yield RefusalDelta(text=piece, choice=choice, part=number)
        case Reasoning():
            for piece in chunks(split_tokens(part.text), size):
                yield ReasoningDelta(text=piece, choice=choice, part=number)
            if part.signature is not None:
                yield ReasoningDelta(signature=part.signature, choice=choice, part=number)
        case ToolCall():
            yield ToolCallStarted(id=part.id, name=part.name, choice=choice, part=number)
            for piece in chunks(split_tokens(part.arguments), size):
                yield ToolCallDelta(arguments=piece, choice=choice, part=number)
        case Image() | Audio() | File() | ToolResult():
            raise AssertionError("a scripted answer has no such part")
        case _:
            assert_never(part)


def _text_pieces(text: str, choice: int, number: int, size: int, logprobs: int | None) -> Iterator[Event]:
    for piece in chunks(split_tokens(text), size):
        likely = _logprobs(piece, logprobs) if logprobs is not None else None
        yield TextDelta(text=piece, choice=choice, part=number, logprobs=likely)


def _logprobs(piece: str, others: int) -> tuple[TokenLogprob, ...]:
    return tuple(_logprob(token, others) for token in split_tokens(piece))


def _logprob(token: str, others: int) -> TokenLogprob:
    chance = random_for("logprob", token)
    first = -chance.random() / 2
    top = [_bare(token, first), *(_bare(f" {place}", first - place - chance.random()) for place in range(1, others))]
    return TokenLogprob(token=token, logprob=first, token_bytes=tuple(token.encode()), top=tuple(top[:others]))


def _bare(token: str, logprob: float) -> TokenLogprob:
    return TokenLogprob(token=token, logprob=logprob, token_bytes=tuple(token.encode()))


def paced(events: Iterable[Event], pace: Pace, chance: Random, *, chunk_tokens: int) -> Iterator[Step]:
    """Give each event its wait: the first token's, then the pace's, each varied by the jitter."""
    each_s = chunk_tokens / pace.tokens_per_second if pace.tokens_per_second else 0.0
    begun = False
    for event in events:
        step = Step(event)
        if not step.is_content:
            yield step
            continue
        wait_s = each_s if begun else pace.first_token_s
        begun = True
        yield replace(step, wait_s=pace.vary(wait_s, chance)) if wait_s else step


def spoiled(steps: Iterable[Step], after_chunks: int, fate: Iterable[Step], *, ends: bool) -> Iterator[Step]:
    """Put `fate` behind so many pieces of content, or behind the last one where there are fewer.

    Args:
        steps: What would happen.
        after_chunks: Pieces of content before the fate; those of all choices count.
        fate: What happens then.
        ends: Whether nothing follows it.
    """
    seen, struck = 0, False
    for step in steps:
        due = seen >= after_chunks and (step.is_content or after_chunks > 0)
        if not struck and (due or isinstance(step.event, Finished)):
            struck = True
            yield from fate
            if ends:
                return
        yield step
        seen += step.is_content
    if not struck:
        yield from fate
