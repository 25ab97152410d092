"""Plays scenarios inside an answer: on its content, its pace and the way it ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import msgspec

from narthex.errors import Failure, MalformedAnswer, ProviderError, ProviderUnreachable
from narthex.providers.scripted.steps import FOREVER, Pace, Step, spoiled
from narthex.testing.scenarios import (
    BreakToolCall,
    ContentFilter,
    Corrupt,
    Disconnect,
    Drip,
    DuplicateChunk,
    HugeChunk,
    Scenario,
    SlowFirstToken,
    Stall,
    StreamError,
    Truncate,
    WrongUsage,
)
from narthex.types.answers import ChatAnswer, Choice, FinishReason
from narthex.types.events import Failed, Finished, TextDelta
from narthex.types.messages import Part, ToolCall
from narthex.types.usage import Usage


def altered(answer: ChatAnswer, scenarios: Iterable[Scenario]) -> ChatAnswer:
    """Return the answer with its content spoiled."""
    for scenario in scenarios:
        if isinstance(scenario, BreakToolCall):
            choices = tuple(_broken_choice(choice, scenario) for choice in answer.choices)
            answer = msgspec.structs.replace(answer, choices=choices)
        if isinstance(scenario, WrongUsage) and answer.usage is not None:
            answer = msgspec.structs.replace(answer, usage=wrong_usage(answer.usage, scenario.factor))
    return answer


def wrong_usage(usage: Usage, factor: float) -> Usage:
    """Return a report of so many times the tokens."""
    return Usage(
        input_tokens=int(usage.input_tokens * factor),
        output_tokens=int(usage.output_tokens * factor),
        reasoning_tokens=int(usage.reasoning_tokens * factor),
    )


def _broken_choice(choice: Choice, scenario: BreakToolCall) -> Choice:
    parts = tuple(_broken_part(part, scenario) for part in choice.message.parts)
    return msgspec.structs.replace(choice, message=msgspec.structs.replace(choice.message, parts=parts))


def _broken_part(part: Part, scenario: BreakToolCall) -> Part:
    if not isinstance(part, ToolCall):
        return part
    if scenario.how == "unknown_tool":
        return msgspec.structs.replace(part, name=f"no_{part.name}")
    return msgspec.structs.replace(part, arguments=part.arguments.rstrip("} ") + ', "broken": ')


def altered_pace(pace: Pace, scenarios: Iterable[Scenario]) -> Pace:
    """Return the pace with what scenarios slow down."""
    for scenario in scenarios:
        match scenario:
            case SlowFirstToken():
                pace = replace(pace, first_token_s=pace.first_token_s + scenario.seconds)
            case Drip():
                pace = replace(pace, tokens_per_second=scenario.tokens_per_second, jitter=scenario.jitter)
            case _:
                pass
    return pace


def played(steps: Iterator[Step], scenarios: Iterable[Scenario], provider: str) -> Iterator[Step]:
    """Return the steps of an answer with the way it goes wrong put in, in the order of the scenarios."""
    for scenario in scenarios:
        steps = _play(scenario, steps, provider)
    return steps


def _play(scenario: Scenario, steps: Iterator[Step], provider: str) -> Iterator[Step]:
    match scenario:
        case Stall():
            silence = Step(wait_s=FOREVER if scenario.seconds is None else scenario.seconds)
            return spoiled(steps, scenario.after_chunks, [silence], ends=scenario.seconds is None)
        case Disconnect():
            return spoiled(steps, scenario.after_chunks, [Step(error=_broken(provider))], ends=True)
        case Truncate():
            return spoiled(steps, scenario.after_chunks, [], ends=True)
        case Corrupt():
            return spoiled(steps, scenario.after_chunks, [Step(error=_malformed(provider))], ends=True)
        case StreamError():
            failed = Failed(message=scenario.message, code=scenario.code, kind="server_error")
            return spoiled(steps, scenario.after_chunks, [Step(failed)], ends=True)
        case _:
            return _reworked(scenario, steps)


def _reworked(scenario: Scenario, steps: Iterator[Step]) -> Iterator[Step]:
    """Play what changes an answer without ending it early."""
    match scenario:
        case HugeChunk():
            return spoiled(steps, 0, [Step(TextDelta(text="narthex " * (scenario.characters // 8)))], ends=False)
        case DuplicateChunk():
            return _duplicated(steps, scenario.after_chunks)
        case ContentFilter():
            return _filtered(steps, scenario.after_chunks)
        case _:
            return steps


def _broken(provider: str) -> ProviderError:
    return ProviderUnreachable(
        f"the connection to {provider!r} broke in the middle of its answer",
        provider=provider,
        failure=Failure.TRUNCATED,
        retryable=True,
    )


def _malformed(provider: str) -> ProviderError:
    return MalformedAnswer(
        f"what {provider!r} sent is not an answer", provider=provider, failure=Failure.MALFORMED, retryable=True
    )


def _duplicated(steps: Iterable[Step], after_chunks: int) -> Iterator[Step]:
    seen = 0
    for step in steps:
        yield step
        seen += step.is_content
        if step.is_content and seen == max(1, after_chunks):
            yield step


def _filtered(steps: Iterable[Step], after_chunks: int) -> Iterator[Step]:
    seen = 0
    for step in steps:
        seen += step.is_content
        if isinstance(step.event, Finished):
            yield replace(step, event=msgspec.structs.replace(step.event, reason=FinishReason.CONTENT_FILTER))
        elif not step.is_content or seen <= after_chunks:
            yield step
