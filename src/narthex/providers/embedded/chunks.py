"""The engine's answer, as events: llama.cpp's chunks, which are OpenAI's with fields of its own between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import assert_never, cast

from narthex.providers.embedded.native import Document
from narthex.providers.embedded.tool_reader import Argued, Called, Said, Spoken, ToolReader
from narthex.types.answers import FinishReason, TokenLogprob
from narthex.types.events import (
    Ended,
    Event,
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from narthex.types.usage import Usage

_REASONS = {"length": FinishReason.LENGTH, "stop": FinishReason.STOP, "tool_calls": FinishReason.TOOL_CALLS}


class ChunkReader:
    """Reads one answer."""

    def __init__(self, *, model: str, choices: int, is_emulated: bool) -> None:
        self._model = model
        self._is_emulated = is_emulated
        self._left = choices
        self._choices: dict[int, _Choice] = {}
        self._id = ""
        self.has_usage = False

    def read(self, chunk: Mapping[str, object]) -> list[Event]:
        """Return the events of one chunk; none for the progress of reading the prompt."""
        choices = cast("list[Document]", chunk.get("choices") or [])
        usage = chunk.get("usage")
        if "prompt_progress" in chunk:
            return []
        events: list[Event] = []
        if not self._id:
            self._id = str(chunk["id"])
            created_at = int(cast("int", chunk["created"]))
            events.append(Started(id=self._id, model=self._model, created_at=created_at))
        for choice in choices:
            events += self._read_choice(choice)
        if isinstance(usage, dict):
            self.has_usage = True
            events.append(UsageReported(usage=_usage(usage)))
        return events

    def close(self) -> list[Event]:
        """Return the end, if every choice has come to its own; nothing otherwise."""
        return [Ended()] if self._left == 0 and self._id else []

    def _read_choice(self, document: Document) -> Iterator[Event]:
        index = cast("int", document["index"])
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice(index, f"{self._id[-12:]}-{index}", is_emulated=self._is_emulated)
        delta = cast("Document", document.get("delta") or {})
        yield from choice.delta(delta, _logprobs(document.get("logprobs")))
        reason = document.get("finish_reason")
        if isinstance(reason, str):
            self._left -= 1
            yield from choice.finish(_REASONS.get(reason, FinishReason.STOP))


class _Choice:
    """One of the answers."""

    def __init__(self, index: int, tag: str, *, is_emulated: bool) -> None:
        self._index = index
        self._tag = tag
        self._reader = ToolReader() if is_emulated else None
        self._parts = 0
        self._kind = ""

    def delta(self, delta: Document, logprobs: tuple[TokenLogprob, ...] | None) -> Iterator[Event]:
        thought, text = delta.get("reasoning_content"), delta.get("content")
        if isinstance(thought, str) and thought:
            yield ReasoningDelta(text=thought, choice=self._index, part=self._part("reasoning"))
        if not isinstance(text, str) or not text:
            return
        if self._reader is not None:
            # Probabilities belong to tokens of the JSON around the reply, which the caller never sees.
            yield from self._told(self._reader.feed(text))
        else:
            yield TextDelta(text=text, choice=self._index, part=self._part("text"), logprobs=logprobs)

    def finish(self, reason: FinishReason) -> Iterator[Event]:
        if self._reader is not None:
            yield from self._told(self._reader.close())
            if self._reader.calls and reason is FinishReason.STOP:
                reason = FinishReason.TOOL_CALLS
        yield Finished(reason=reason, choice=self._index)

    def _told(self, spoken: list[Spoken]) -> Iterator[Event]:
        for one in spoken:
            match one:
                case Said():
                    yield TextDelta(text=one.text, choice=self._index, part=self._part("text"))
                case Called():
                    self._kind = ""
                    part = self._part("call")
                    call_id = f"call_{self._tag}-{part}"
                    yield ToolCallStarted(id=call_id, name=one.name, choice=self._index, part=part)
                case Argued():
                    yield ToolCallDelta(arguments=one.text, choice=self._index, part=self._part("call"))
                case _:
                    assert_never(one)

    def _part(self, kind: str) -> int:
        """Return the number of the part that this belongs to: a new one where the kind changes."""
        if kind != self._kind:
            self._kind = kind
            self._parts += 1
        return self._parts - 1


def _usage(document: Mapping[str, object]) -> Usage:
    details = cast("Mapping[str, int]", document.get("prompt_tokens_details") or {})
    return Usage(
        input_tokens=cast("int", document["prompt_tokens"]),
        output_tokens=cast("int", document["completion_tokens"]),
        cache_read_tokens=details.get("cached_tokens", 0),
    )


def _logprobs(document: object) -> tuple[TokenLogprob, ...] | None:
    if not isinstance(document, dict) or not isinstance(document.get("content"), list):
        return None
    return tuple(_logprob(one) for one in document["content"])


def _logprob(document: Mapping[str, object]) -> TokenLogprob:
    raw = document.get("bytes")
    return TokenLogprob(
        token=str(document["token"]),
        logprob=cast("float", document["logprob"]),
        token_bytes=tuple(raw) if isinstance(raw, list) else None,
        top=tuple(_logprob(one) for one in cast("list[Document]", document.get("top_logprobs") or [])),
    )
