"""Values of the inner vocabulary, made up: what both a client and a provider of this wire can say."""

from __future__ import annotations

import base64
import json

from hypothesis import strategies as st

from narthex.types.answers import ChatAnswer, Choice, FinishReason
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
from narthex.types.messages import CacheMarker, File, Image, Message, Part, Reasoning, Role, Text, ToolCall, ToolResult
from narthex.types.requests import ChatRequest, ReasoningSettings, ResponseFormat, Tool, ToolChoice
from narthex.types.usage import Usage

letters = st.characters(codec="utf-8")
words = st.text(letters, min_size=1, max_size=30).filter(lambda text: bool(text.strip()))
names = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,12}", fullmatch=True)
ids = st.from_regex(r"(toolu|call)_[a-zA-Z0-9]{4,10}", fullmatch=True)
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(letters, max_size=8)
objects: st.SearchStrategy[dict[str, object]] = st.dictionaries(
    names, scalars | st.lists(scalars, max_size=3), max_size=4
)
arguments = objects.map(json.dumps) | objects.map(lambda value: json.dumps(value, ensure_ascii=False, indent=1))
addresses = st.builds("https://{}".format, names)
markers = st.none() | st.builds(CacheMarker, ttl=st.sampled_from([None, "5m", "1h"]))
base64_text = st.binary(max_size=12).map(lambda data: base64.b64encode(data).decode())

texts = st.builds(Text, text=words, cache=markers)
images = st.one_of(
    st.builds(Image, url=addresses, cache=markers),
    st.builds(Image, file_id=words, cache=markers),
    st.builds(Image, data=base64_text, media_type=st.sampled_from(["image/png", "image/webp"]), cache=markers),
)
files = st.one_of(
    st.builds(File, url=addresses, filename=st.none() | words, cache=markers),
    st.builds(File, file_id=words, filename=st.none() | words, cache=markers),
    st.builds(File, text=words, media_type=st.just("text/plain"), filename=st.none() | words, cache=markers),
    st.builds(File, data=base64_text, media_type=st.just("application/pdf"), filename=st.none() | words, cache=markers),
)
thoughts = st.builds(Reasoning, text=words, signature=words) | st.builds(Reasoning, redacted=words)
calls = st.builds(ToolCall, id=ids, name=names, arguments=arguments, cache=markers)


def results(call_ids: list[str]) -> st.SearchStrategy[Message]:
    """A `tool` message with a result for each call."""
    inner = st.lists(texts | images | files, max_size=2).map(tuple)
    each = [
        st.builds(ToolResult, tool_call_id=st.just(one), parts=inner, is_error=st.booleans(), cache=markers)
        for one in call_ids
    ]
    return st.tuples(*each).map(lambda parts: Message(role="tool", parts=parts))


def said(role: Role, parts: st.SearchStrategy[Part], *, min_size: int = 1) -> st.SearchStrategy[Message]:
    """A message of parts."""
    some = st.lists(parts, min_size=min_size, max_size=3).map(tuple)
    return st.builds(Message, role=st.just(role), parts=some)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    """A conversation as this wire has them: the system first, then sides that take turns, results behind calls."""
    messages: list[Message] = draw(st.lists(said("system", texts), max_size=1))
    user = said("user", texts | images | files)
    messages.append(draw(user))
    for _ in range(draw(st.integers(0, 2))):
        turn = draw(said("assistant", texts | thoughts | calls))
        messages.append(turn)
        call_ids = [part.id for part in turn.parts if isinstance(part, ToolCall)]
        if call_ids:
            messages.append(draw(results(call_ids)))
        if not call_ids or draw(st.booleans()):
            messages.append(draw(user))
    return tuple(messages)


def _schema(properties: dict[str, object]) -> dict[str, object]:
    return {"type": "object", "properties": properties}


schemas = objects.map(_schema)
tools = st.builds(
    Tool, name=names, description=st.none() | words, parameters=schemas, strict=st.none() | st.booleans(), cache=markers
)
choices = st.sampled_from([ToolChoice(mode="auto"), ToolChoice(mode="required"), ToolChoice(mode="named", name="find")])


@st.composite
def requests(draw: st.DrawFn) -> ChatRequest:
    """A request that this wire carries whole."""
    offered = tuple(draw(st.lists(tools, max_size=2)))
    choice = draw(st.none() | choices) if offered else None
    thinking = st.sampled_from([None, ReasoningSettings(enabled=False), ReasoningSettings(budget_tokens=1024)])
    return ChatRequest(
        model="claude-sonnet-4-6",
        messages=draw(conversations()),
        stream=draw(st.booleans()),
        include_usage=True,
        max_output_tokens=draw(st.integers(2048, 64_000)),
        stop=tuple(draw(st.lists(words, max_size=2))),
        tools=offered,
        tool_choice=choice,
        parallel_tool_calls=None if choice is None else draw(st.none() | st.booleans()),
        response_format=draw(st.none() | st.builds(ResponseFormat, kind=st.just("json_schema"), schema=schemas)),
        reasoning=draw(thinking) if choice is None or choice.mode == "auto" else None,
        user=draw(st.none() | words),
        service_tier=draw(st.sampled_from([None, "auto", "default"])),
    )


@st.composite
def usages(draw: st.DrawFn, *, for_long: bool = False) -> Usage:
    """Counts whose parts are within their totals; what is kept for an hour only this dialect has a word for."""
    fresh, read, written = draw(st.tuples(*[st.integers(0, 10**6)] * 3))
    output = draw(st.integers(0, 10**6))
    return Usage(
        input_tokens=fresh + read + written,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=draw(st.integers(0, written)) if for_long else 0,
        reasoning_tokens=draw(st.integers(0, output)),
    )


endings = st.sampled_from(
    [
        (FinishReason.STOP, None),
        (FinishReason.STOP_SEQUENCE, "END"),
        (FinishReason.LENGTH, None),
        (FinishReason.TOOL_CALLS, None),
        (FinishReason.REFUSAL, None),
        (FinishReason.PAUSE, None),
    ]
)
citation: dict[str, object] = {
    "type": "char_location",
    "cited_text": "so it is",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 8,
}
answer_texts = st.builds(Text, text=words, citations=st.sampled_from([(), (citation,)]))
answer_calls = st.builds(ToolCall, id=ids, name=names, arguments=arguments)


@st.composite
def answers(draw: st.DrawFn) -> ChatAnswer:
    """A whole answer of one choice."""
    reason, stop_sequence = draw(endings)
    parts = tuple(draw(st.lists(answer_texts | thoughts | answer_calls, max_size=4)))
    choice = Choice(
        index=0,
        message=Message(role="assistant", parts=parts),
        finish_reason=reason,
        stop_sequence=stop_sequence,
    )
    return ChatAnswer(id=draw(ids), model=draw(names), created_at=0, choices=(choice,), usage=draw(usages()))


def split_text(draw: st.DrawFn, text: str) -> list[str]:
    """Cut a text into pieces anywhere."""
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    ends = [*cuts, len(text)]
    return [text[start:end] for start, end in zip([0, *cuts], ends, strict=True)]


def pieces_of(data: bytes) -> st.SearchStrategy[list[bytes]]:
    """Cut a stream into pieces anywhere."""

    def cut(places: list[int]) -> list[bytes]:
        cuts = sorted(places)
        return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]

    return st.lists(st.integers(0, len(data)), max_size=12).map(cut)


def _deltas(draw: st.DrawFn, part: Part, number: int) -> list[Event]:
    match part:
        case Text():
            deltas: list[Event] = [TextDelta(text=piece, part=number) for piece in split_text(draw, part.text)]
            return [*deltas, *(TextDelta(text="", citations=(one,), part=number) for one in part.citations)]
        case Reasoning(redacted=None):
            pieces: list[Event] = [ReasoningDelta(text=piece, part=number) for piece in split_text(draw, part.text)]
            return [*pieces, ReasoningDelta(signature=part.signature, part=number)]
        case Reasoning():
            return [ReasoningDelta(redacted=part.redacted, part=number)]
        case ToolCall():
            fragments = [ToolCallDelta(arguments=piece, part=number) for piece in split_text(draw, part.arguments)]
            return [ToolCallStarted(id=part.id, name=part.name, part=number), *fragments]
        case _:
            raise AssertionError(part)


def _mix(draw: st.DrawFn, rows: list[list[Event]]) -> list[Event]:
    """Interleave the events of parallel tool calls: each row keeps its order, and rows begin in theirs."""
    mixed = [row[0] for row in rows]
    rest = [row[1:] for row in rows]
    while any(rest):
        row = draw(st.sampled_from([one for one in rest if one]))
        mixed.append(row.pop(0))
    return mixed


@st.composite
def streamed(draw: st.DrawFn, *, interleaved: bool = False) -> tuple[ChatAnswer, list[Event]]:
    """An answer, whole and as its events."""
    answer = draw(answers())
    choice = answer.choices[0]
    events: list[Event] = [Started(id=answer.id, model=answer.model, created_at=0)]
    row: list[list[Event]] = []
    for number, part in enumerate(choice.message.parts):
        deltas = _deltas(draw, part, number)
        if interleaved and isinstance(part, ToolCall):
            row.append(deltas)
            continue
        events += _mix(draw, row) if row else []
        row = []
        events += deltas
    events += _mix(draw, row) if row else []
    events.append(Finished(reason=choice.finish_reason, stop_sequence=choice.stop_sequence))
    if answer.usage is not None:
        events.append(UsageReported(usage=answer.usage))
    return answer, [*events, Ended()]
