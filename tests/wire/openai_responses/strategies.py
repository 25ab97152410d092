"""Conversations and answers that the responses API carries, made up."""

from __future__ import annotations

import msgspec
from hypothesis import strategies as st

from narthex.types.answers import ChatAnswer, Choice, FinishReason
from narthex.types.dialects import Dialect
from narthex.types.events import Event, Finished, Started, TextDelta
from narthex.types.messages import File, Image, Message, Part, Reasoning, Refusal, Text, ToolCall
from narthex.types.requests import ChatRequest, ReasoningSettings
from tests.wire.anthropic_messages import strategies as made

words = made.words
texts = st.builds(Text, text=words)
thoughts = st.builds(Reasoning, text=words, signature=words) | st.builds(Reasoning, redacted=words)
endings = st.sampled_from([FinishReason.STOP, FinishReason.LENGTH, FinishReason.CONTENT_FILTER, FinishReason.PAUSE])


def _named(file: File) -> Part:
    """Say of a document what this API asks of one: a name where its content is given."""
    if file.text is not None:
        return Text(text=file.text)
    named = file.filename if file.data is None or file.filename else "document"
    media_type = file.media_type if file.data is not None else None
    return msgspec.structs.replace(file, filename=named if file.data is not None else None, media_type=media_type)


def _unmarked(message: Message) -> Message:
    """Take out what this API has no place for: marks to cache, failed tools, and bare text as a document."""
    parts: list[Part] = []
    for part in message.parts:
        kept = msgspec.structs.replace(part, cache=None) if hasattr(part, "cache") else part
        if hasattr(kept, "is_error"):
            kept = msgspec.structs.replace(kept, is_error=False, parts=(Text(text="done"),))
        if isinstance(kept, Image):
            kept = msgspec.structs.replace(kept, detail=kept.detail or "auto")
        if isinstance(kept, File):
            kept = _named(kept)
        parts.append(kept)
    return msgspec.structs.replace(message, parts=tuple(parts), name=None)


@st.composite
def requests(draw: st.DrawFn) -> ChatRequest:
    """A request that this API carries whole, from a client of it."""
    request = draw(made.requests())
    messages = [_unmarked(message) for message in request.messages]
    wanted = request.response_format
    return msgspec.structs.replace(
        request,
        messages=tuple(messages),
        stop=(),
        include_usage=request.stream,
        tools=tuple(msgspec.structs.replace(tool, cache=None) for tool in request.tools),
        response_format=wanted and msgspec.structs.replace(wanted, name="answer"),
        reasoning=draw(st.none() | st.builds(ReasoningSettings, effort=st.sampled_from(["low", "high"]))),
        extra_dialect=Dialect.OPENAI_RESPONSES,
    )


@st.composite
def answers(draw: st.DrawFn) -> ChatAnswer:
    """A whole answer."""
    parts: tuple[Part, ...] = tuple(
        draw(st.lists(st.one_of(texts, thoughts, made.answer_calls, st.builds(Refusal, text=words)), max_size=5))
    )
    reason = draw(endings)
    if reason is FinishReason.STOP:
        if any(isinstance(part, ToolCall) for part in parts):
            reason = FinishReason.TOOL_CALLS
        elif any(isinstance(part, Refusal) for part in parts):
            reason = FinishReason.REFUSAL
    choice = Choice(index=0, message=Message(role="assistant", parts=parts), finish_reason=reason)
    return ChatAnswer(id="resp_made", model="m", created_at=7, choices=(choice,), usage=draw(made.usages()))


@st.composite
def streamed(draw: st.DrawFn, *, interleaved: bool = False) -> tuple[ChatAnswer, list[Event]]:
    """An answer, whole and as its events, without what this API cannot carry."""
    answer, events = draw(made.streamed(interleaved=interleaved))
    parts = answer.choices[0].message.parts
    called = any(isinstance(part, ToolCall) for part in parts)
    reason = draw(endings)
    if reason is FinishReason.STOP and called:
        reason = FinishReason.TOOL_CALLS
    bare = tuple(msgspec.structs.replace(part, citations=()) if isinstance(part, Text) else part for part in parts)
    choice = Choice(index=0, message=Message(role="assistant", parts=bare), finish_reason=reason)
    answer = msgspec.structs.replace(answer, id="resp_made", created_at=7, choices=(choice,))
    told: list[Event] = []
    for event in events:
        match event:
            case Started():
                told.append(Started(id="resp_made", model=answer.model, created_at=7))
            case TextDelta(citations=citations) if citations:
                continue
            case Finished():
                told.append(Finished(reason=reason))
            case _:
                told.append(event)
    return answer, told


def plain(answer: ChatAnswer) -> ChatAnswer:
    """Leave out where an answer came from."""
    return msgspec.structs.replace(answer, extra={}, extra_dialect=None)
