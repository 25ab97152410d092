"""Events, written for a client as the events of a response, each with its number.

https://platform.openai.com/docs/api-reference/responses-streaming

Inside, parts of an answer may interleave. Text, a refusal and a thought end when the next part begins, and go on in a
new item should more of them come; a tool call is kept open while its arguments are not whole. This API has no `n`: of
several choices the first is written.
"""

from __future__ import annotations

import time
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
from narthex.types.requests import ChatRequest
from narthex.types.usage import Usage
from narthex.wire.failures import public_code
from narthex.wire.openai_responses.endings import written_ending
from narthex.wire.openai_responses.schema import Json
from narthex.wire.openai_responses.stream_items import CallItem, Content, Item, MessageItem, ReasoningItem, Step
from narthex.wire.openai_responses.usage import written_usage
from narthex.wire.openai_responses.written import item_status, response, response_id, written_logprobs

_dumps = msgspec.json.Encoder().encode
_FRAME = b'event: %b\ndata: {"type":"%b","sequence_number":%d%b\n\n'
_DELTA = (
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":%d,%b,'
    b'"delta":%b,"logprobs":[]}\n\n'
)

Delta = TextDelta | RefusalDelta | ReasoningDelta | ToolCallStarted | ToolCallDelta


class ResponsesEncoder:
    """Writes one streamed answer; see `StreamEncoder`."""

    def __init__(self, request: ChatRequest | None = None, *, answer_id: str | None = None) -> None:
        """Start before the first event.

        Args:
            request: What was asked, which a response repeats.
            answer_id: The ID of the response, where it was given before there was an answer.
        """
        self._request = request
        self._id = answer_id
        self._sequence = 0
        self._response: Json = {}
        self._items: list[Item] = []
        self._open: dict[int, Item] = {}
        self._text: tuple[int, Content, bytes] | None = None
        """The text that is being said: its part, and its place, written."""
        self._usage: Usage | None = None
        self._finished: Finished | None = None

    @property
    def response(self) -> Json:
        """The response as it stands; whole after `Ended`."""
        reason = FinishReason.STOP if self._finished is None else self._finished.reason
        last = len(self._items) - 1
        output = [item.written(item_status(reason, last=number == last)) for number, item in enumerate(self._items)]
        told: Json = {} if self._finished is None or self._finished.told is None else {"narthex": self._finished.told}
        usage = None if self._usage is None else written_usage(self._usage)
        return self._response | {"output": output, "usage": usage} | told

    @property
    def next_number(self) -> int:
        """The number that the next event will have."""
        return self._sequence

    def encode(self, event: Event) -> bytes:
        """Return the frames for `event`."""
        if isinstance(event, TextDelta):
            return self._say(event)
        match event:
            case Started():
                return self._start(event)
            case RefusalDelta() | ReasoningDelta() | ToolCallStarted() | ToolCallDelta():
                return b"" if event.choice else self._frames(self._steps(event))
            case Finished():
                return b"" if event.choice else self._finish(event)
            case UsageReported():
                self._usage = event.usage
                return b""
            case Failed():
                return self._fail(event.message, event.code or "server_error", {"code": event.code})
            case Ended():
                return self._end(event.at or int(time.time()))
            case _:
                assert_never(event)

    def error(self, error: NarthexError, request_id: str) -> bytes:
        """Return the frames that end the stream with an error instead of an end."""
        told: Json = {"type": error.type, "param": error.param, "code": public_code(error), "request_id": request_id}
        return self._fail(error.message, public_code(error), told)

    def _start(self, event: Started) -> bytes:
        self._id = self._id or response_id(event.id)
        created_at = event.created_at or int(time.time())
        self._response = response(self._id, event.model, created_at, self._request)
        return self._frames([(name, {"response": self._response}) for name in ("created", "in_progress")])

    def _say(self, event: TextDelta) -> bytes:
        if event.choice:
            return b""
        text = self._text
        if text is not None and text[0] == event.part and event.logprobs is None and not event.citations:
            # What nearly every event is.
            text[1].add(event.text)
            return self._delta(text[2], event.text)
        return self._frames(self._steps(event))

    def _delta(self, place: bytes, text: str) -> bytes:
        number = self._sequence
        self._sequence = number + 1
        return _DELTA % (number, place, _dumps(text))

    def _steps(self, event: Delta) -> list[Step]:
        match event:
            case TextDelta():
                return self._said(event)
            case RefusalDelta():
                content, steps = self._content(event.part, refused=True)
                content.add(event.text)
                return [*steps, ("refusal.delta", content.place | {"delta": event.text})]
            case ReasoningDelta():
                return self._thought(event)
            case ToolCallStarted():
                item_id = f"fc_{self._stem()}"
                item = CallItem(item_id, len(self._items), call_id=event.id, name=event.name)
                return self._begin(event.part, item)
            case ToolCallDelta():
                called = self._open.get(event.part)
                return called.add(event.arguments) if isinstance(called, CallItem) else []
            case _:
                assert_never(event)

    def _said(self, event: TextDelta) -> list[Step]:
        if not event.text and not event.logprobs and not event.citations:
            return []
        content, steps = self._content(event.part, refused=False)
        content.add(event.text)
        if event.text or event.logprobs:
            told = written_logprobs(event.logprobs or ())
            steps.append(("output_text.delta", content.place | {"delta": event.text, "logprobs": told}))
        content.note(event.logprobs or (), ())
        for citation in event.citations:
            if citation.get("type") == "url_citation":
                content.note((), (citation,))
                steps.append(content.cited(citation))
        self._text = (event.part, content, _dumps(content.place)[1:-1])
        return steps

    def _thought(self, event: ReasoningDelta) -> list[Step]:
        item = self._open.get(event.part)
        steps: list[Step] = []
        if not isinstance(item, ReasoningItem):
            item = ReasoningItem(f"rs_{self._stem()}", len(self._items))
            steps = self._begin(event.part, item)
        steps += item.add(event.text)
        sealed = event.signature if event.signature is not None else event.redacted
        if sealed is not None:
            item.seal(sealed)
        return steps

    def _content(self, part: int, *, refused: bool) -> tuple[Content, list[Step]]:
        """Return the content that a part is, in the message that is open, or in a new one."""
        self._text = None
        message = next((item for item in self._open.values() if isinstance(item, MessageItem)), None)
        steps: list[Step] = []
        if message is None:
            message = MessageItem(f"msg_{self._stem()}", len(self._items))
            steps = self._begin(part, message)
        content, more = message.content(part, refused=refused)
        return content, steps + more

    def _begin(self, part: int, item: Item) -> list[Step]:
        """Return the steps that complete what can be completed, and announce the next item."""
        self._text = None
        steps: list[Step] = []
        for number, other in list(self._open.items()):
            if other.may_close:
                del self._open[number]
                steps += other.end("completed")
        self._items.append(item)
        self._open[part] = item
        return steps + item.begin()

    def _finish(self, event: Finished) -> bytes:
        self._finished = event
        steps: list[Step] = []
        for item in self._open.values():
            steps += item.end(item_status(event.reason, last=item is self._items[-1]))
        self._open.clear()
        self._text = None
        return self._frames(steps)

    def _end(self, at: int) -> bytes:
        reason = FinishReason.STOP if self._finished is None else self._finished.reason
        ending = written_ending(reason)
        self._response |= ending | {"completed_at": at if ending["status"] == "completed" else None}
        return self._frames([(str(ending["status"]), {"response": self.response})])

    def _fail(self, message: str, code: str, told: Json) -> bytes:
        """Write the failed response, and an error that makes clients raise: a failed response alone does not."""
        frames = b""
        if self._response:
            self._response |= {"status": "failed", "error": {"code": code, "message": message}}
            frames = self._frames([("failed", {"response": self.response})])
        number = self._sequence
        self._sequence += 1
        body: Json = {"code": code, "message": message, "param": None, "error": {"message": message} | told}
        return frames + _FRAME % (b"error", b"error", number, b"," + _dumps(body)[1:])

    def _frames(self, steps: list[Step]) -> bytes:
        frames = b""
        for name, members in steps:
            kind = b"response." + name.encode()
            frames += _FRAME % (kind, kind, self._sequence, b"," + _dumps(members)[1:])
            self._sequence += 1
        return frames

    def _stem(self) -> str:
        return f"{(self._id or 'resp_').removeprefix('resp_')}_{len(self._items)}"
