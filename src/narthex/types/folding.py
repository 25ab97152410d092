"""An answer as it comes and an answer whole are the same answer: one is folded into, or unfolded from, the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from narthex.types.answers import ChatAnswer, Choice, TokenLogprob
from narthex.types.events import (
    Ended,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from narthex.types.messages import Message, Part, Reasoning, Refusal, Text, ToolCall
from narthex.types.usage import Usage

Delta = TextDelta | RefusalDelta | ReasoningDelta | ToolCallStarted | ToolCallDelta


class UnfinishedAnswer(ValueError):
    """The events do not make a whole answer: its beginning, its end or the end of a choice is missing."""


def fold(events: Iterable[Event]) -> ChatAnswer:
    """Make the whole answer that `events` tell.

    Raises:
        UnfinishedAnswer: `Started`, `Ended` or the `Finished` of a choice is missing, or there is a `Failed`.
    """
    folding = Folding()
    for event in events:
        folding.add(event)
    return folding.answer()


def unfold(answer: ChatAnswer) -> list[Event]:
    """Tell a whole answer as the events that `fold` makes it from.

    Raises:
        ValueError: The answer holds a part that no event carries: an image, a sound, a file or a tool result.
    """
    events: list[Event] = [
        Started(
            id=answer.id,
            model=answer.model,
            created_at=answer.created_at,
            extra=answer.extra,
            extra_dialect=answer.extra_dialect,
        ),
    ]
    for choice in answer.choices:
        events += _choice_events(choice)
    if answer.usage is not None:
        events.append(UsageReported(usage=answer.usage))
    events.append(Ended())
    return events


class Folding:
    """An answer in the making: takes events one by one."""

    __slots__ = ("_choices", "_ended", "_started", "_usage")

    def __init__(self) -> None:
        self._started: Started | None = None
        self._choices: dict[int, _ChoiceFolding] = {}
        self._usage: Usage | None = None
        self._ended = False

    def add(self, event: Event) -> None:
        """Take the next event.

        Raises:
            UnfinishedAnswer: The provider failed.
        """
        match event:
            case Started():
                self._started = event
            case TextDelta() | RefusalDelta() | ReasoningDelta() | ToolCallStarted() | ToolCallDelta():
                self._choice(event.choice).add(event)
            case Finished():
                self._choice(event.choice).finished = event
            case UsageReported():
                self._usage = event.usage
            case Failed():
                raise UnfinishedAnswer(f"the provider failed: {event.message}")
            case Ended():
                self._ended = True
            case _:
                assert_never(event)

    def answer(self) -> ChatAnswer:
        """Return the whole answer.

        Raises:
            UnfinishedAnswer: `Started`, `Ended` or the `Finished` of a choice is missing.
        """
        if self._started is None or not self._ended:
            raise UnfinishedAnswer("the answer has no beginning" if self._ended else "the answer has no end")
        if not self._choices:
            raise UnfinishedAnswer("the answer has no choice")
        return ChatAnswer(
            id=self._started.id,
            model=self._started.model,
            created_at=self._started.created_at,
            choices=tuple(self._choices[index].choice(index) for index in sorted(self._choices)),
            usage=self._usage,
            extra=self._started.extra,
            extra_dialect=self._started.extra_dialect,
        )

    def _choice(self, index: int) -> _ChoiceFolding:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _ChoiceFolding()
        return choice


class _ChoiceFolding:
    """One choice in the making."""

    __slots__ = ("finished", "logprobs", "parts")

    def __init__(self) -> None:
        self.parts: dict[int, _PartFolding] = {}
        self.logprobs: list[TokenLogprob] | None = None
        self.finished: Finished | None = None

    def add(self, delta: Delta) -> None:
        part = self.parts.get(delta.part)
        if part is None:
            part = self.parts[delta.part] = _PartFolding(delta)
        part.deltas.append(delta)
        if isinstance(delta, TextDelta) and delta.logprobs is not None:
            if self.logprobs is None:
                self.logprobs = []
            self.logprobs += delta.logprobs

    def choice(self, index: int) -> Choice:
        if self.finished is None:
            raise UnfinishedAnswer(f"choice {index} has no end")
        parts = tuple(whole for part in self.parts.values() if (whole := part.whole()) is not None)
        return Choice(
            index=index,
            message=Message(role="assistant", parts=parts),
            finish_reason=self.finished.reason,
            stop_sequence=self.finished.stop_sequence,
            logprobs=None if self.logprobs is None else tuple(self.logprobs),
        )


class _PartFolding:
    """One part in the making; it is of the kind that its first event says."""

    __slots__ = ("deltas", "first")

    def __init__(self, first: Delta) -> None:
        self.first = first
        self.deltas: list[Delta] = []

    def whole(self) -> Part | None:
        """Return the part, or None if nothing was said in it."""
        match self.first:
            case TextDelta():
                return self._text()
            case RefusalDelta():
                text = self._joined_text()
                return Refusal(text=text) if text else None
            case ReasoningDelta():
                return self._reasoning()
            case ToolCallStarted():
                return ToolCall(id=self.first.id, name=self.first.name, arguments=self._joined_arguments())
            case ToolCallDelta():
                raise UnfinishedAnswer(f"part {self.first.part} holds arguments of a tool call that never began")
            case _:
                assert_never(self.first)

    def _text(self) -> Text | None:
        citations = [one for delta in self.deltas if isinstance(delta, TextDelta) for one in delta.citations]
        text = self._joined_text()
        return Text(text=text, citations=tuple(citations)) if text or citations else None

    def _reasoning(self) -> Reasoning | None:
        deltas = [delta for delta in self.deltas if isinstance(delta, ReasoningDelta)]
        signature = next((delta.signature for delta in reversed(deltas) if delta.signature is not None), None)
        redacted = next((delta.redacted for delta in reversed(deltas) if delta.redacted is not None), None)
        text = self._joined_text()
        if not text and signature is None and redacted is None:
            return None
        return Reasoning(text=text, signature=signature, redacted=redacted)

    def _joined_text(self) -> str:
        return "".join(
            delta.text for delta in self.deltas if isinstance(delta, (TextDelta, RefusalDelta, ReasoningDelta))
        )

    def _joined_arguments(self) -> str:
        return "".join(delta.arguments for delta in self.deltas if isinstance(delta, ToolCallDelta))


def _choice_events(choice: Choice) -> list[Event]:
    events: list[Event] = []
    logprobs = choice.logprobs
    for number, part in enumerate(choice.message.parts):
        events += _part_events(part, choice=choice.index, number=number, logprobs=logprobs)
        if isinstance(part, Text):
            logprobs = None
    if logprobs is not None:
        # Tokens without text of their own (a refusal's, an empty answer's) still have their probabilities told.
        number = len(choice.message.parts)
        events.append(TextDelta(text="", choice=choice.index, part=number, logprobs=logprobs))
    events.append(Finished(reason=choice.finish_reason, choice=choice.index, stop_sequence=choice.stop_sequence))
    return events


def _part_events(
    part: Part, *, choice: int, number: int, logprobs: tuple[TokenLogprob, ...] | None
) -> tuple[Event, ...]:
    match part:
        case Text():
            return (TextDelta(text=part.text, choice=choice, part=number, logprobs=logprobs, citations=part.citations),)
        case Refusal():
            return (RefusalDelta(text=part.text, choice=choice, part=number),)
        case Reasoning():
            return (
                ReasoningDelta(
                    text=part.text, signature=part.signature, redacted=part.redacted, choice=choice, part=number
                ),
            )
        case ToolCall():
            return (
                ToolCallStarted(id=part.id, name=part.name, choice=choice, part=number),
                ToolCallDelta(arguments=part.arguments, choice=choice, part=number),
            )
        case _:
            raise ValueError(f"no event of a stream carries a part of kind {type(part).__name__}")
