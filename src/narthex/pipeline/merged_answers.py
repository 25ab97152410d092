"""Steps of several answers, told as one answer of the caller's dialect: pure, without I/O.

Interleaved, each source is a choice of its own. One after the other, each goes on in further parts of the one choice,
behind a seam that is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from narthex.errors import NarthexError
from narthex.streams.merging import Said, Step
from narthex.types.answers import FinishReason
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
from narthex.types.merging import MergeMode
from narthex.types.usage import Usage

SEAM: Final = "\n\n"
"""Stands between the texts of two models; no model wrote it, and it is told as what it is."""

Marks = dict[str, object]
"""What is told beside an event, as its member `narthex`."""

_WEIGHT: Final = {FinishReason.TOOL_CALLS: 2, FinishReason.LENGTH: 1}


class Marked(NamedTuple):
    """An event of the one answer."""

    event: Event
    marks: Marks | None = None
    broken: bool = False
    """Whether it is the end of a choice that broke off."""


class OneAnswer:
    """Makes one answer of the steps of several."""

    def __init__(
        self, mode: MergeMode, sources: Sequence[str], started: Started, *, answer_id: str | None = None
    ) -> None:
        """Begin with nothing said.

        Args:
            mode: How the answers are made one.
            sources: Their names, in order.
            started: How an answer begins that is of several models; one that is of one model begins as that does.
            answer_id: The ID that it has whoever gives it; by default that with which it begins.
        """
        self._mode = mode
        self._sources = sources
        self._started = started
        self._id = answer_id
        self._begun = self._spoke = False
        self._source: int | None = None
        self._parts = self._offset = 0
        self._finished: dict[int, Finished] = {}
        self._last: Marked | None = None

    def take(self, step: Step) -> Iterator[Marked]:
        """Yield what a step adds."""
        if not isinstance(step, Said):
            if step.error is not None:
                yield from self._broken(step.source, step.error)
            return
        source, event = step
        match event:
            case Started():
                if not self._begun:
                    self._begun = True
                    yield Marked(self._beginning(event))
            case TextDelta() | RefusalDelta() | ReasoningDelta() | ToolCallStarted() | ToolCallDelta():
                yield from self._delta(source, event)
            case Finished():
                yield from self._finish(source, event)
            case UsageReported() | Ended() | Failed():
                pass

    def end(self, usage: Usage, told: Mapping[str, object]) -> Iterator[Marked]:
        """Yield what ends the answer.

        Args:
            usage: What all of it consumed.
            told: What is told with the end of the last choice.
        """
        last = self._last
        if last is None:
            last = Marked(self._sequence_end())
        marks = {**(last.marks or {}), **told}
        yield Marked(_told(last.event, marks), marks, last.broken)
        yield Marked(UsageReported(usage=usage))
        yield Marked(Ended())

    def _beginning(self, event: Started) -> Started:
        if not self._is_one:
            return self._started
        return event if self._id is None else msgspec.structs.replace(event, id=self._id)

    @property
    def _is_one(self) -> bool:
        return self._mode in {"race", "best_of"}

    def _named(self, source: int) -> Marks:
        return {"source": self._sources[source]}

    def _delta(
        self, source: int, event: TextDelta | RefusalDelta | ReasoningDelta | ToolCallStarted | ToolCallDelta
    ) -> Iterator[Marked]:
        if self._mode == "interleave":
            yield Marked(msgspec.structs.replace(event, choice=source), self._named(source))
        elif self._mode == "sequence":
            if source != self._source:
                yield from self._seam(source)
            part = event.part + self._offset
            self._parts = max(self._parts, part + 1)
            yield Marked(msgspec.structs.replace(event, part=part), self._named(source))
        else:
            yield Marked(event, self._named(source))

    def _seam(self, source: int) -> Iterator[Marked]:
        self._source, self._offset = source, self._parts
        if self._spoke:
            self._parts = self._offset + 1
            self._offset += 1
            yield Marked(TextDelta(text=SEAM, part=self._offset - 1), {**self._named(source), "seam": True})
        self._spoke = True

    def _finish(self, source: int, event: Finished) -> Iterator[Marked]:
        if self._mode == "sequence":
            self._finished[source] = event
            return
        choice = source if self._mode == "interleave" else event.choice
        marks = {**self._named(source), **(event.told or {})}
        yield from self._close(choice, Marked(msgspec.structs.replace(event, choice=choice), marks))

    def _close(self, choice: int, last: Marked) -> Iterator[Marked]:
        """Yield the end of a choice, unless it is the last one: that waits until everything is settled."""
        assert isinstance(last.event, Finished)
        self._finished[choice] = last.event
        if self._mode == "interleave" and len(self._finished) < len(self._sources):
            yield Marked(_told(last.event, last.marks or {}), last.marks, last.broken)
        else:
            self._last = last

    def _broken(self, source: int, error: NarthexError) -> Iterator[Marked]:
        marks: Marks = {**self._named(source), "error": {"code": error.code, "message": error.message}}
        if self._mode == "interleave" and source not in self._finished:
            event = Finished(reason=FinishReason.LENGTH, choice=source)
            if not self._begun:
                self._begun = True
                yield Marked(self._started)
            yield from self._close(source, Marked(event, marks, broken=True))
        elif self._mode == "sequence":
            if not self._begun:
                self._begun = True
                yield Marked(self._started)
            # A part of its own: in one that others go on with it would say of what kind that is.
            self._parts += 1
            yield Marked(TextDelta(text="", part=self._parts - 1), marks)

    def _sequence_end(self) -> Finished:
        """Return the end of texts one after the other: a tool call, or a cut, in any of them is told."""
        reasons = [self._finished[source].reason for source in sorted(self._finished)] or [FinishReason.STOP]
        return Finished(reason=max(reversed(reasons), key=lambda reason: _WEIGHT.get(reason, 0)))


def _told(event: Event, marks: Mapping[str, object]) -> Event:
    return msgspec.structs.replace(event, told=dict(marks)) if isinstance(event, Finished) else event
