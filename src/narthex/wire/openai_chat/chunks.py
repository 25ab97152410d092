"""What both kinds of answers are made of, whole or in chunks, as providers really send them.

https://platform.openai.com/docs/api-reference/chat/object and .../chat-streaming

Fields that a provider may garble without harm to the answer are kept raw and read on their own, so that a strange
`usage` costs the usage and not the text.
"""

from __future__ import annotations

from typing import TypeGuard

import msgspec

from narthex.types.answers import FinishReason, TokenLogprob
from narthex.types.events import Failed
from narthex.types.usage import Usage
from narthex.wire.openai_chat.schema import ReasoningDetail
from narthex.wire.sse import SseEvent

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What reading JSON from outside may raise: not JSON, not this shape, not UTF-8, nested without end."""

_DONE = b"[DONE]"
_MAX_DONE_BYTES = 16

RawMember = msgspec.Raw | msgspec.UnsetType
"""A member kept as it came, to be read on its own."""
_NULL = msgspec.Raw(b"null")


class FunctionPiece(msgspec.Struct):
    """A piece of a call: the name, more arguments, or both."""

    name: str | None = None
    arguments: str | dict[str, object] | None = None


class ToolCallPiece(msgspec.Struct):
    """A piece of a tool call; `index` says of which, where the provider keeps to the rules."""

    index: int | None = None
    id: str | None = None
    function: FunctionPiece | None = None


class TextPiece(msgspec.Struct):
    """A part of an answer's content; Mistral sends lists of them."""

    type: str = "text"
    text: str | None = None
    thinking: str | list[TextPiece] | None = None


class AudioPiece(msgspec.Struct):
    """A spoken answer; only its words are of use to other dialects."""

    transcript: str | None = None


class Delta(msgspec.Struct):
    """What a choice says, whole or in part."""

    content: str | list[TextPiece] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[ReasoningDetail] | None = None
    tool_calls: list[ToolCallPiece] | None = None
    function_call: FunctionPiece | None = None
    audio: AudioPiece | None = None
    annotations: list[dict[str, object]] | None = None


class ChoiceBody(msgspec.Struct):
    """One of the `n` answers; `delta` in a chunk, `message` in a whole answer."""

    index: int | None = 0
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None
    stop_reason: RawMember = msgspec.UNSET
    """vLLM: the stop sequence that ended it."""
    logprobs: RawMember = msgspec.UNSET


class AnswerBody(msgspec.Struct):
    """A chunk or a whole answer."""

    id: str | int | None = None
    object: str | None = None
    created: float | str | None = None
    model: str | None = None
    choices: list[ChoiceBody] | None = None
    usage: RawMember = msgspec.UNSET
    x_groq: RawMember = msgspec.UNSET
    error: RawMember = msgspec.UNSET
    system_fingerprint: str | None = None
    service_tier: str | None = None
    provider: str | None = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


_NO_DETAILS = _PromptDetails()


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class UsageBody(msgspec.Struct):
    """Tokens, with the extra counts of one vendor or another."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    """DeepSeek's name for tokens read from the cache."""
    cached_tokens: int | None = None
    """Moonshot's."""
    cache_creation_input_tokens: int | None = None
    """LiteLLM's name for tokens written to the cache."""


class _GroqBody(msgspec.Struct):
    usage: UsageBody | None = None


class _LogprobBody(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[_LogprobBody] | None = None


class _LogprobsBody(msgspec.Struct):
    content: list[_LogprobBody] | None = None


class _ErrorBody(msgspec.Struct):
    message: str | None = None
    code: str | int | None = None
    type: str | None = None


FINISH_REASONS = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
    "max_tokens": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "sensitive": FinishReason.CONTENT_FILTER,
}
"""Words of OpenAI first, then of servers that only nearly speak its dialect; any other word means `stop`."""

FAILED_REASONS = frozenset({"error", "network_error", "abort", "cancelled", "insufficient_system_resource"})
"""Words with which OpenRouter, Zhipu, vLLM and DeepSeek say that the answer is not whole."""

_answers = msgspec.json.Decoder(AnswerBody)
_usages = msgspec.json.Decoder(UsageBody)
_groqs = msgspec.json.Decoder(_GroqBody)
_logprobs = msgspec.json.Decoder(_LogprobsBody)
_errors = msgspec.json.Decoder(_ErrorBody | str)
_strings = msgspec.json.Decoder(str)
_anything = msgspec.json.Decoder()


def read_answer(data: bytes) -> AnswerBody | None:
    """Read a chunk or a whole answer, or return None if it is neither."""
    try:
        return _answers.decode(data)
    except UNREADABLE:
        return None


def is_json(data: bytes) -> bool:
    """Tell whether the data of an event is JSON at all, whatever it says."""
    try:
        _anything.decode(data)
    except UNREADABLE:
        return False
    return True


def read_usage(answer: AnswerBody) -> Usage | None:
    """Read the tokens that a provider reports, if it does."""
    if answer.usage is msgspec.UNSET and answer.x_groq is msgspec.UNSET:
        return None
    try:
        if is_given(answer.usage):
            return usage_of(_usages.decode(answer.usage))
        if is_given(answer.x_groq):
            groq = _groqs.decode(answer.x_groq)
            return usage_of(groq.usage) if groq.usage is not None else None
    except UNREADABLE:
        pass
    return None


def is_given(member: RawMember) -> TypeGuard[msgspec.Raw]:
    """Tell whether a member is there and not null."""
    return isinstance(member, msgspec.Raw) and member != _NULL


def usage_of(body: UsageBody) -> Usage:
    """Sort a provider's counts into ours, where parts are included in their totals."""
    prompt = body.prompt_tokens_details or _NO_DETAILS
    completion = body.completion_tokens_details
    reasoning = 0 if completion is None else completion.reasoning_tokens or 0
    input_tokens = body.prompt_tokens or 0
    output_tokens = body.completion_tokens or 0
    if reasoning and body.total_tokens == input_tokens + output_tokens + reasoning:
        # xAI leaves reasoning out of completion_tokens; its own total tells.
        output_tokens += reasoning
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cache_read_tokens=prompt.cached_tokens or body.prompt_cache_hit_tokens or body.cached_tokens or 0,
        cache_write_tokens=prompt.cache_write_tokens or body.cache_creation_input_tokens or 0,
        reasoning_tokens=reasoning,
    )


def read_logprobs(choice: ChoiceBody) -> tuple[TokenLogprob, ...] | None:
    """Read the log probabilities of a choice's text, if there are any."""
    if not is_given(choice.logprobs):
        return None
    try:
        body = _logprobs.decode(choice.logprobs)
    except UNREADABLE:
        return None
    return tuple(_logprob(one) for one in body.content) if body.content else None


def read_stop_sequence(choice: ChoiceBody) -> str | None:
    """Read which stop sequence ended a choice, where the provider tells; vLLM may also give the ID of a token."""
    if not is_given(choice.stop_reason):
        return None
    try:
        return _strings.decode(choice.stop_reason)
    except UNREADABLE:
        return None


def is_done(data: bytes) -> bool:
    """Tell whether the data of an event says that nothing more comes."""
    return len(data) < _MAX_DONE_BYTES and data.strip() == _DONE


def finish_word(choice: ChoiceBody) -> str | None:
    """Return the provider's word for why a choice ended; an empty one, as some send in every chunk, is none."""
    return choice.finish_reason or None


def read_failure(answer: AnswerBody | None, event: SseEvent) -> Failed | None:
    """Read an error that a provider reports where a chunk should be, if it does; `answer` is the event's data, read.

    OpenAI and most others send `{"error": {...}}`, vLLM `{"object": "error", ...}`, some an event of type `error`.
    """
    if answer is not None and answer.error is not msgspec.UNSET and is_given(answer.error):
        return _failed(answer.error)
    if event.event == "error" or (answer is not None and answer.object == "error"):
        return _failed(event.data)
    if answer is None:
        return None
    for choice in answer.choices or ():
        if choice.finish_reason in FAILED_REASONS:
            return Failed(message=f"the answer ended with {choice.finish_reason!r}", code=choice.finish_reason)
    return None


def read_error_member(answer: AnswerBody) -> Failed | None:
    """Read the error that a provider sent with a good status instead of a whole answer, if it did."""
    return _failed(answer.error) if is_given(answer.error) else None


def _failed(raw: bytes | msgspec.Raw) -> Failed:
    try:
        body = _errors.decode(raw)
    except UNREADABLE:
        return Failed(message="the provider reported an error in a shape of its own")
    if isinstance(body, str):
        return Failed(message=body)
    code = None if body.code is None else str(body.code)
    return Failed(message=body.message or "the provider reported an error", code=code, kind=body.type)


def _logprob(body: _LogprobBody) -> TokenLogprob:
    return TokenLogprob(
        token=body.token,
        logprob=body.logprob,
        token_bytes=None if body.bytes is None else tuple(body.bytes),
        top=tuple(_logprob(one) for one in body.top_logprobs or ()),
    )
