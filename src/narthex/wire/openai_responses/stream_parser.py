"""A provider's stream, read into events."""

from __future__ import annotations

import msgspec

from narthex.types.dialects import Dialect
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
from narthex.wire.contract import MalformedBody, MalformedStream, TruncatedStream
from narthex.wire.openai_chat.chunks import UNREADABLE
from narthex.wire.openai_responses.content_decode import logprobs_of
from narthex.wire.openai_responses.endings import finish_reason
from narthex.wire.openai_responses.schema import AnswerBody, EventBody, ItemBody
from narthex.wire.openai_responses.usage import usage_of
from narthex.wire.sse import SseParser

_event = msgspec.json.Decoder(EventBody)
ENDS = frozenset({"response.completed", "response.incomplete"})
FAILS = frozenset({"response.failed", "error"})


def failed_of(event: EventBody) -> Failed:
    """Return what a provider says of its failure."""
    told = event.error or (event.response.error if event.response is not None else None)
    message = event.message or (told.message if told is not None else None)
    code = event.code if event.code is not None else (told.code if told is not None else None)
    return Failed(
        message=message or "the provider failed",
        code=None if code is None else str(code),
        kind=told.type if told is not None else None,
    )


class ResponsesParser:
    """Reads one streamed answer; see `StreamParser`."""

    def __init__(self) -> None:
        """Start before the first byte."""
        self.skipped = 0
        self._sse = SseParser()
        self._known = self._over = self._started = False
        self._parts: dict[tuple[str, int, int], int] = {}
        self._arguments: dict[int, bool] = {}
        """By output index of a tool call: whether any of its arguments came."""
        self._summaries: dict[int, int] = {}
        self._refused = False

    def feed(self, data: bytes) -> list[Event]:
        """Return the events completed by `data`.

        Raises:
            SseTooLarge: An event of the stream is larger than the limit.
        """
        events: list[Event] = []
        for sse in self._sse.feed(data):
            if self._over or not sse.data:
                continue
            try:
                event = _event.decode(sse.data)
                self._take(event, events)
            except (*UNREADABLE, MalformedBody):
                self.skipped += 1
        return events

    def close(self) -> list[Event]:
        """Take note that the connection has ended; an event that lacks only its blank line counts.

        Raises:
            MalformedStream: Nothing in the stream was an event of this dialect.
            TruncatedStream: The answer has no end.
        """
        events = self.feed(b"\n\n") if self._sse.rest else []
        if self._over:
            return events
        if not self._known:
            raise MalformedStream("no event of a response in the stream")
        raise TruncatedStream("the stream ended before the response was completed")

    def _take(self, event: EventBody, events: list[Event]) -> None:
        kind = event.type
        if kind in FAILS:
            self._over = True
            events.append(failed_of(event))
            return
        if not kind.startswith("response."):
            self.skipped += 1
            return
        self._known = True
        if event.response is not None and not self._started:
            self._start(event.response, events)
        if kind in ENDS:
            self._end(event, events)
        elif event.delta is not None:
            self._delta(event, event.delta, events)
        elif event.item is not None:
            self._item(event, event.item, events)
        elif kind == "response.output_text.annotation.added" and event.annotation is not None:
            events.append(TextDelta(text="", part=self._part("text", event), citations=(event.annotation,)))

    def _start(self, body: AnswerBody, events: list[Event]) -> None:
        self._started = True
        events.append(
            Started(
                id=body.id,
                model=body.model,
                created_at=int(body.created_at or 0),
                extra_dialect=Dialect.OPENAI_RESPONSES,
            )
        )

    def _delta(self, event: EventBody, delta: str, events: list[Event]) -> None:
        match event.type:
            case "response.output_text.delta":
                logprobs = logprobs_of(event.logprobs)
                events.append(TextDelta(text=delta, part=self._part("text", event), logprobs=logprobs))
            case "response.refusal.delta":
                self._refused = True
                events.append(RefusalDelta(text=delta, part=self._part("refusal", event)))
            case "response.reasoning_summary_text.delta":
                events.append(ReasoningDelta(text=self._apart(event) + delta, part=self._thought(event)))
            case "response.reasoning_text.delta":
                events.append(ReasoningDelta(text=delta, part=self._thought(event)))
            case "response.function_call_arguments.delta":
                if event.output_index in self._arguments:
                    self._arguments[event.output_index] = True
                    events.append(ToolCallDelta(arguments=delta, part=self._call(event)))
            case _:
                pass

    def _item(self, event: EventBody, item: ItemBody, events: list[Event]) -> None:
        index = event.output_index
        if item.type == "function_call":
            if index not in self._arguments and item.name:
                self._arguments[index] = False
                call_id = item.call_id or item.id or f"call_{index}"
                events.append(ToolCallStarted(id=call_id, name=item.name, part=self._call(event)))
            if event.type.endswith(".done") and self._arguments.get(index) is False and item.arguments:
                self._arguments[index] = True
                text = (
                    item.arguments if isinstance(item.arguments, str) else msgspec.json.encode(item.arguments).decode()
                )
                events.append(ToolCallDelta(arguments=text, part=self._call(event)))
        elif item.type == "reasoning" and event.type.endswith(".done") and item.encrypted_content is not None:
            said = ("thought", index, 0) in self._parts
            sealed = item.encrypted_content
            part = self._thought(event)
            events.append(
                ReasoningDelta(signature=sealed, part=part) if said else ReasoningDelta(redacted=sealed, part=part)
            )

    def _end(self, event: EventBody, events: list[Event]) -> None:
        body = event.response
        if body is None:
            raise MalformedBody("an end without its response")
        reason = finish_reason(body, called=bool(self._arguments), refused=self._refused)
        self._over = True
        events.append(Finished(reason=reason))
        usage = usage_of(body.usage)
        if usage is not None:
            events.append(UsageReported(usage=usage))
        events.append(Ended())

    def _apart(self, event: EventBody) -> str:
        """Return the blank line between two summaries of one thought."""
        last = self._summaries.setdefault(event.output_index, event.summary_index)
        self._summaries[event.output_index] = event.summary_index
        return "" if last == event.summary_index else "\n\n"

    def _part(self, kind: str, event: EventBody) -> int:
        return self._parts.setdefault((kind, event.output_index, event.content_index), len(self._parts))

    def _thought(self, event: EventBody) -> int:
        return self._parts.setdefault(("thought", event.output_index, 0), len(self._parts))

    def _call(self, event: EventBody) -> int:
        return self._parts.setdefault(("call", event.output_index, 0), len(self._parts))
