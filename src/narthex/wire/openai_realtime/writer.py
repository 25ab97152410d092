"""A model's answer, told as the events of a response.

https://platform.openai.com/docs/api-reference/realtime-server-events/response
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

import msgspec

from narthex.errors import NarthexError
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
from narthex.types.messages import Reasoning
from narthex.types.usage import Usage
from narthex.wire.openai_realtime.conversation import Conversation
from narthex.wire.openai_realtime.items import Item
from narthex.wire.openai_realtime.session import Session
from narthex.wire.openai_responses.schema import ContentBody, ItemBody, Json

Emit = Callable[[Json], None]
"""Tells the client an event."""

_INCOMPLETE = {FinishReason.LENGTH: "max_output_tokens", FinishReason.CONTENT_FILTER: "content_filter"}


class _Output:
    """One item in the making: a text, or the call of a function."""

    def __init__(self, index: int, item: Item) -> None:
        self.index = index
        self.item = item
        self.before: str | None = None
        self.pieces: list[str] = []


class ResponseWriter:
    """One response, told as it comes.

    Attributes:
        id: Of the response.
    """

    def __init__(
        self,
        session: Session,
        emit: Emit,
        *,
        new_id: Callable[[str], str],
        conversation: Conversation | None,
        conversation_id: str,
        metadata: dict[str, str] | None,
    ) -> None:
        """Begin to tell.

        Args:
            session: What holds for the response.
            emit: Tells the client an event.
            new_id: Makes an ID with a prefix.
            conversation: Where its items go; None if they go nowhere.
            conversation_id: Of that conversation.
            metadata: Of the client.
        """
        self.id = new_id("resp")
        self._session = session
        self._emit = emit
        self._new_id = new_id
        self._conversation = conversation
        self._conversation_id = conversation_id if conversation is not None else None
        self._metadata = metadata
        self._outputs: dict[int, _Output] = {}
        self._thoughts: list[ReasoningDelta] = []
        self._reason = FinishReason.STOP
        self._usage: Usage | None = None
        emit({"type": "response.created", "response": self._shown("in_progress")})

    def add(self, event: Event) -> None:
        """Tell an event of the model; there is one answer only, as one only is asked for."""
        match event:
            case TextDelta() | RefusalDelta():
                self._text(event.part, event.text)
            case ToolCallStarted():
                self._call(event)
            case ToolCallDelta():
                self._arguments(self._outputs[event.part], event.arguments)
            case ReasoningDelta():
                self._thoughts.append(event)
            case Finished():
                self._reason = event.reason
            case UsageReported():
                self._usage = event.usage
            case Started() | Failed() | Ended():
                pass
            case _:
                assert_never(event)

    def end(self, error: NarthexError | None, usage: Usage | None) -> None:
        """Tell the end of an answer: a whole one, or with `error` one that failed."""
        self._usage = usage or self._usage
        if error is not None:
            told = {"type": error.type, "code": error.code, "message": error.message}
            self._close("failed", {"type": "failed", "error": told})
        elif self._reason in _INCOMPLETE:
            self._close("incomplete", {"type": "incomplete", "reason": _INCOMPLETE[self._reason]})
        else:
            self._close("completed", {"type": "completed"})

    def cancelled(self, usage: Usage | None) -> None:
        """Tell that the client ended it."""
        self._usage = usage or self._usage
        self._close("cancelled", {"type": "cancelled", "reason": "client_cancelled"})

    # -- items -----------------------------------------------------------------------------------------------------

    def _text(self, part: int, text: str) -> None:
        if not text:
            return
        output = self._outputs.get(part)
        if output is None:
            content = [ContentBody(type="output_text", text="")]
            output = self._open(part, ItemBody(type="message", role="assistant", content=content))
            self._emit({**self._place(output, "response.content_part.added"), "part": {"type": "text", "text": ""}})
        output.pieces.append(text)
        self._emit({**self._place(output, "response.output_text.delta"), "delta": text})

    def _call(self, event: ToolCallStarted) -> None:
        self._open(event.part, ItemBody(type="function_call", call_id=event.id, name=event.name, arguments=""))

    def _arguments(self, output: _Output, piece: str) -> None:
        if not piece:
            return
        output.pieces.append(piece)
        place = self._place(output, "response.function_call_arguments.delta")
        self._emit({**place, "call_id": output.item.body.call_id, "delta": piece})

    def _open(self, part: int, body: ItemBody) -> _Output:
        body.id, body.status = self._new_id("item"), "in_progress"
        output = _Output(len(self._outputs), Item(body=body, thoughts=self._thought()))
        self._outputs[part] = output
        self._item("response.output_item.added", output)
        if self._conversation is not None:
            output.before = self._conversation.append(output.item)
            self._conversation_item("conversation.item.added", output)
        return output

    def _thought(self) -> tuple[Reasoning, ...]:
        """Return what the model thought since the last item, as far as its provider wants it back."""
        deltas, self._thoughts = self._thoughts, []
        signature = next((one.signature for one in reversed(deltas) if one.signature is not None), None)
        redacted = next((one.redacted for one in reversed(deltas) if one.redacted is not None), None)
        if signature is None and redacted is None:
            return ()
        return (Reasoning(text="".join(one.text for one in deltas), signature=signature, redacted=redacted),)

    def _finish(self, output: _Output, status: str) -> None:
        text, body = "".join(output.pieces), output.item.body
        body.status = status
        if body.type == "message":
            body.content = [ContentBody(type="output_text", text=text)]
            self._emit({**self._place(output, "response.output_text.done"), "text": text})
            self._emit({**self._place(output, "response.content_part.done"), "part": {"type": "text", "text": text}})
        else:
            body.arguments = text
            place = self._place(output, "response.function_call_arguments.done")
            self._emit({**place, "call_id": body.call_id, "name": body.name, "arguments": text})
        if self._conversation is not None:
            self._conversation.weigh(output.item, len(msgspec.json.encode(output.item.shown())))
            self._conversation_item("conversation.item.done", output)
        self._item("response.output_item.done", output)

    def _close(self, status: str, details: Json) -> None:
        for output in self._outputs.values():
            self._finish(output, "completed" if status == "completed" else "incomplete")
        self._emit({"type": "response.done", "response": self._shown(status, details)})

    # -- what is told ----------------------------------------------------------------------------------------------

    def _place(self, output: _Output, kind: str) -> Json:
        place: Json = {
            "type": kind,
            "response_id": self.id,
            "item_id": output.item.id,
            "output_index": output.index,
        }
        if output.item.body.type == "message":
            place["content_index"] = 0
        return place

    def _item(self, kind: str, output: _Output) -> None:
        shown = _content_later(output.item)
        self._emit({"type": kind, "response_id": self.id, "output_index": output.index, "item": shown})

    def _conversation_item(self, kind: str, output: _Output) -> None:
        self._emit({"type": kind, "previous_item_id": output.before, "item": _content_later(output.item)})

    def _shown(self, status: str, details: Json | None = None) -> Json:
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": [output.item.shown() for output in self._outputs.values()],
            "conversation_id": self._conversation_id,
            "output_modalities": ["text"],
            "max_output_tokens": self._session.max_output_tokens,
            "metadata": self._metadata,
            "usage": None if self._usage is None or status == "in_progress" else _usage(self._usage),
        }


def _content_later(item: Item) -> Json:
    """Return an item as told, without parts that have only just begun."""
    shown = item.shown()
    if item.body.status == "in_progress" and item.body.type == "message":
        shown["content"] = []
    return shown


def _usage(usage: Usage) -> Json:
    return {
        "total_tokens": usage.total_tokens,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "input_token_details": {
            "text_tokens": usage.input_tokens,
            "audio_tokens": 0,
            "image_tokens": 0,
            "cached_tokens": usage.cache_read_tokens,
        },
        "output_token_details": {"text_tokens": usage.output_tokens, "audio_tokens": 0},
    }
