"""What one choice says, piece by piece or at once, told as events with numbered parts.

The dialect has no parts: text, refusal, reasoning and tool calls are fields beside each other. A part begins where the
kind of what is said changes, so the order of what was said survives translation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from narthex.types.answers import FinishReason, TokenLogprob
from narthex.types.events import (
    Event,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from narthex.wire.openai_chat.chunks import (
    FINISH_REASONS,
    Delta,
    FunctionPiece,
    TextPiece,
    ToolCallPiece,
)
from narthex.wire.openai_chat.message_decoding import reasoning_part
from narthex.wire.openai_chat.schema import ReasoningDetail

_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(slots=True)
class _Call:
    """A tool call in the making; it begins once its name is known."""

    id: str
    part: int = -1
    waiting: str = ""
    """Arguments that came before the name."""


class ChoiceReader:
    """Reads one choice."""

    __slots__ = (
        "_answer_id",
        "_calls",
        "_calls_by_index",
        "_choice",
        "_kind",
        "_part",
        "_parts",
        "_refused",
        "_thoughts",
    )

    def __init__(self, choice: int, answer_id: str) -> None:
        """Start with nothing said.

        Args:
            choice: Its index among `n`.
            answer_id: The answer's ID, from which IDs of tool calls are made where the provider gives none.
        """
        self._choice = choice
        self._answer_id = answer_id
        self._parts = 0
        self._kind = ""
        self._part = -1
        self._calls: list[_Call] = []
        self._calls_by_index: dict[int, _Call] = {}
        self._thoughts = _Thoughts()
        self._refused = False

    @property
    def nameless_calls(self) -> int:
        """Tool calls of which no name has come."""
        return sum(call.part < 0 for call in self._calls)

    def read(self, delta: Delta, logprobs: tuple[TokenLogprob, ...] | None = None) -> list[Event]:
        """Tell what `delta` adds."""
        events: list[Event] = []
        if delta.reasoning_details or delta.reasoning_content or delta.reasoning:
            self._read_reasoning(delta, events)
        if delta.content or delta.annotations or delta.audio is not None:
            self._read_content(delta, events)
        if delta.refusal:
            self._refused = True
            events.append(RefusalDelta(text=delta.refusal, choice=self._choice, part=self._open("refusal")))
        for piece in delta.tool_calls or ():
            self._read_call(piece, events)
        if delta.function_call is not None:
            self._read_call(ToolCallPiece(index=-1, function=delta.function_call), events)
        return events if logprobs is None else self._with_logprobs(events, logprobs)

    def finish(self, word: str, stop_sequence: str | None) -> Finished:
        """Tell that the choice is complete, and why."""
        reason = FINISH_REASONS.get(word, FinishReason.STOP)
        if reason is FinishReason.STOP:
            # OpenAI says `stop` after a call that was asked for by name, others after any call.
            if self._calls:
                reason = FinishReason.TOOL_CALLS
            elif stop_sequence is not None:
                reason = FinishReason.STOP_SEQUENCE
            elif self._refused:
                reason = FinishReason.REFUSAL
        sequence = stop_sequence if reason is FinishReason.STOP_SEQUENCE else None
        return Finished(reason=reason, choice=self._choice, stop_sequence=sequence)

    def _open(self, kind: str) -> int:
        """Return the part of this kind that is being said, or begin one."""
        return self._part if self._kind == kind else self._begin(kind)

    def _begin(self, kind: str) -> int:
        self._kind = kind
        self._part = self._parts
        self._parts += 1
        return self._part

    def _with_logprobs(self, events: list[Event], logprobs: tuple[TokenLogprob, ...]) -> list[Event]:
        for number, event in enumerate(events):
            if isinstance(event, TextDelta):
                events[number] = msgspec.structs.replace(event, logprobs=logprobs)
                return events
        # A token may be less than a character; its probability is told all the same.
        return events or [TextDelta(text="", choice=self._choice, part=self._open("text"), logprobs=logprobs)]

    def _read_content(self, delta: Delta, events: list[Event]) -> None:
        content = delta.content
        if isinstance(content, list):
            for piece in content:
                self._read_piece(piece, events)
        else:
            text = content or (delta.audio.transcript if delta.audio else None)
            citations = tuple(one for one in delta.annotations or () if one.get("type") == "url_citation")
            if text or citations:
                part = self._open("text")
                events.append(TextDelta(text=text or "", choice=self._choice, part=part, citations=citations))

    def _read_piece(self, piece: TextPiece, events: list[Event]) -> None:
        if piece.text:
            events.append(TextDelta(text=piece.text, choice=self._choice, part=self._open("text")))
        thinking = piece.thinking or ""
        if not isinstance(thinking, str):
            thinking = "".join(one.text or "" for one in thinking)
        if thinking:
            self._think(ReasoningDetail(text=thinking), events)

    def _read_reasoning(self, delta: Delta, events: list[Event]) -> None:
        before = len(events)
        for detail in delta.reasoning_details or ():
            self._think(detail, events)
        text = delta.reasoning_content or delta.reasoning
        if len(events) == before and text:
            self._think(ReasoningDetail(text=text), events)

    def _think(self, detail: ReasoningDetail, events: list[Event]) -> None:
        thought = reasoning_part(detail)
        if thought is None:
            return
        thoughts = self._thoughts
        part = thoughts.part_of_signature(detail.index) if not thought.text and thought.signature else None
        if part is None:
            goes_on = self._kind == "reasoning" and thought.redacted is None and thoughts.goes_on(detail.index)
            part = self._part if goes_on else self._begin("reasoning")
            thoughts.note(part, detail.index)
        if thought.redacted is not None or thought.signature is not None:
            thoughts.close(part)
        events.append(
            ReasoningDelta(
                text=thought.text,
                signature=thought.signature,
                redacted=thought.redacted,
                choice=self._choice,
                part=part,
            )
        )

    def _read_call(self, piece: ToolCallPiece, events: list[Event]) -> None:
        function = piece.function or FunctionPiece()
        call = self._call_of(piece, function)
        arguments = function.arguments or ""
        if not isinstance(arguments, str):
            arguments = msgspec.json.encode(arguments).decode()
        if call.part < 0 and not function.name:
            call.waiting += arguments
            return
        if call.part < 0:
            call.part = self._begin("tool_call")
            events.append(
                ToolCallStarted(id=call.id, name=function.name or "", choice=self._choice, part=call.part),
            )
            arguments = call.waiting + arguments
        if arguments:
            events.append(ToolCallDelta(arguments=arguments, choice=self._choice, part=call.part))

    def _call_of(self, piece: ToolCallPiece, function: FunctionPiece) -> _Call:
        """Find the call that a piece belongs to, or begin one.

        Gemini's compatible endpoint gives index 0 to every parallel call, and others give none: a new ID with a name,
        or a second name, is a new call.
        """
        if piece.index is not None:
            known = self._calls_by_index.get(piece.index)
            renewed = known is not None and piece.id and function.name and piece.id != known.id
        elif piece.id:
            known = next((call for call in self._calls if call.id == piece.id), None)
            renewed = False
        else:
            known = self._calls[-1] if self._calls else None
            renewed = known is not None and function.name and known.part >= 0
        if known is None or renewed:
            return self._begin_call(piece)
        if piece.id and known.part < 0:
            known.id = piece.id
        return known

    def _begin_call(self, piece: ToolCallPiece) -> _Call:
        made_up = f"call_{_NOT_IN_IDS.sub('_', self._answer_id)}_{self._choice}_{len(self._calls)}"
        call = _Call(piece.id or made_up)
        self._calls.append(call)
        if piece.index is not None:
            self._calls_by_index[piece.index] = call
        return call


class _Thoughts:
    """Which part each piece of reasoning belongs to."""

    __slots__ = ("_closed", "_index", "_parts")

    def __init__(self) -> None:
        self._parts: dict[int | None, int] = {}
        """By the provider's index; under None the last part of all."""
        self._closed: set[int] = set()
        self._index: int | None = None

    def note(self, part: int, index: int | None) -> None:
        """Remember the part that is being thought."""
        self._parts[index] = self._parts[None] = part
        self._index = index

    def goes_on(self, index: int | None) -> bool:
        """Tell whether more text at `index` belongs to the last part."""
        if self._parts.get(None) in self._closed:
            return False
        return index is None or self._index is None or index == self._index

    def part_of_signature(self, index: int | None) -> int | None:
        """Return the part that a signature alone belongs to; it may come after other things were said."""
        part = self._parts.get(index, self._parts.get(None))
        return None if part in self._closed else part

    def close(self, part: int) -> None:
        """Note that a part has its signature, or is whole as it is."""
        self._closed.add(part)
