"""One answer of several models, written for its caller: streamed, whole, or every event with its source around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol, cast

import msgspec

from narthex.pipeline.merged_answers import Marked, OneAnswer
from narthex.streams.merging import Said, Step
from narthex.streams.stream import Frame
from narthex.types.dialects import Dialect
from narthex.types.events import Ended, Finished
from narthex.types.folding import fold
from narthex.types.merging import MergeMode
from narthex.types.requests import ChatRequest
from narthex.types.usage import Usage
from narthex.wire.registry import CHAT_WIRES

BROKEN: Final = "error"
"""Why a choice ended whose model failed, in OpenAI's dialect: no word of its own says so."""

_dumps = msgspec.json.Encoder().encode
_OPENAI: Final = CHAT_WIRES[Dialect.OPENAI_CHAT]
_DONE: Final = b"data: [DONE]\n\n"


class Writer(Protocol):
    """Writes what goes on of several answers."""

    def write(self, steps: Iterable[Step]) -> list[Frame]:
        """Return the frames of steps."""
        ...

    def end(self, usage: Usage, told: Mapping[str, object]) -> list[Frame]:
        """Return the frames that end it; with what all of it consumed, and what is told."""
        ...


class EventWriter:
    """Writes events of the inner vocabulary."""

    def __init__(self, one: OneAnswer) -> None:
        self._one = one

    def write(self, steps: Iterable[Step]) -> list[Frame]:
        """Return the events of steps."""
        return [marked.event for step in steps for marked in self._one.take(step)]

    def end(self, usage: Usage, told: Mapping[str, object]) -> list[Frame]:
        """Return the events of the end."""
        return [marked.event for marked in self._one.end(usage, told)]


class FrameWriter:
    """Writes the frames of a dialect, each with its source in it."""

    def __init__(self, one: OneAnswer, dialect: Dialect, request: ChatRequest) -> None:
        self._one = one
        self._is_openai = dialect is Dialect.OPENAI_CHAT
        self._encode = CHAT_WIRES[dialect].encoder(request).encode

    def write(self, steps: Iterable[Step]) -> list[Frame]:
        """Return the frames of steps."""
        return self._written(marked for step in steps for marked in self._one.take(step))

    def end(self, usage: Usage, told: Mapping[str, object]) -> list[Frame]:
        """Return the frames of the end."""
        return self._written(self._one.end(usage, told))

    def _written(self, answer: Iterable[Marked]) -> list[Frame]:
        return [frames for marked in answer if (frames := self._frames(marked))]

    def _frames(self, marked: Marked) -> bytes:
        event, marks, broken = marked
        if isinstance(event, Finished):
            if not self._is_openai:
                # What is told comes with the end of the message, which these dialects write later.
                marks = None if marks is None else {"source": marks.get("source")}
            else:
                event = msgspec.structs.replace(event, told=None)
        frames = self._encode(event)
        if broken:
            frames = frames.replace(b'"finish_reason":"length"', b'"finish_reason":"%b"' % BROKEN.encode())
        if marks is None:
            return frames
        # No line of JSON ends so but at its end: line feeds in it are escaped.
        *opening, last, _ = frames.split(b"}\n\n") if frames else (b"", b"")
        source = _mark({"source": marks["source"]}) if "source" in marks else b"}\n\n"
        return b"".join(one + source for one in opening) + (last + _mark(marks) if frames else b"")


class WholeWriter:
    """Collects one answer, to be written whole."""

    def __init__(self, one: OneAnswer) -> None:
        self._one = one
        self._answer: list[Marked] = []
        self._told: Mapping[str, object] = {}

    def write(self, steps: Iterable[Step]) -> list[Frame]:
        """Keep what steps add."""
        self._answer += (marked for step in steps for marked in self._one.take(step))
        return []

    def end(self, usage: Usage, told: Mapping[str, object]) -> list[Frame]:
        """Keep the end."""
        self._answer += self._one.end(usage, told)
        self._told = told
        return []

    def body(self, dialect: Dialect, request: ChatRequest) -> bytes:
        """Return the body that tells the answer, once it has ended."""
        answer = fold(marked.event for marked in self._answer)
        body = CHAT_WIRES[dialect].encode_answer(answer, request)
        if dialect is Dialect.OPENAI_CHAT:
            body = self._with_choices(body)
        return body[:-1] + b',"narthex":' + _dumps(self._told) + b"}"

    def _with_choices(self, body: bytes) -> bytes:
        """Return the body with what is told of each choice."""
        ends = {one.event.choice: one for one in self._answer if isinstance(one.event, Finished)}
        document = cast("dict[str, list[dict[str, object]]]", msgspec.json.decode(body))
        for choice in document["choices"]:
            end = ends[cast("int", choice["index"])]
            if end.broken:
                choice["finish_reason"] = BROKEN
            choice["narthex"] = {name: value for name, value in (end.marks or {}).items() if name not in self._told}
        return _dumps(document)


class WrappingWriter:
    """Writes every source's chunks as they are, each within an event that tells where it is from."""

    def __init__(self, mode: MergeMode, requests: Sequence[ChatRequest], request_id: str) -> None:
        self._mode = mode
        self._requests = requests
        self._request_id = request_id
        self._encoders = [_OPENAI.encoder(msgspec.structs.replace(request, include_usage=True)) for request in requests]
        self._seq = 0

    def write(self, steps: Iterable[Step]) -> list[Frame]:
        """Return the frames of steps."""
        return [frame for step in steps for frame in self._wrapped(step)]

    def end(self, usage: Usage, told: Mapping[str, object]) -> list[Frame]:
        """Return the last event, which is of no source, and the closing mark."""
        said = {"object": "stream.merge.end", "usage": {**_usage(usage)}, **told}
        return [self._frame(None, None, _dumps(said)), _DONE]

    def _wrapped(self, step: Step) -> Iterable[bytes]:
        source = step.source
        if isinstance(step, Said):
            if isinstance(step.event, Ended):
                return
            frames = self._encoders[source].encode(step.event)
            for line in frames.split(b"\n\n"):
                if line:
                    yield self._frame(self._requests[source].model, source, line.removeprefix(b"data: "))
        elif step.error is not None:
            body = _OPENAI.encode_error(step.error, self._request_id)
            yield self._frame(self._requests[source].model, source, body)

    def _frame(self, name: str | None, index: int | None, event: bytes) -> bytes:
        self._seq += 1
        return b'data: {"source":%b,"index":%b,"seq":%d,"event":%b}\n\n' % (
            _dumps(name),
            _dumps(index),
            self._seq,
            event,
        )


def _mark(marks: Mapping[str, object]) -> bytes:
    return b',"narthex":' + _dumps(marks) + b"}\n\n"


def _usage(usage: Usage) -> dict[str, object]:
    return {**msgspec.structs.asdict(usage), "total_tokens": usage.total_tokens}
