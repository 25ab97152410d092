"""The shapes of the responses API that are read: requests as clients send them, answers as providers do.

https://platform.openai.com/docs/api-reference/responses

Wider than the page where clients are: an item without `type` is a message, `arguments` may be an object.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

Json = dict[str, object]
"""A JSON object on its way out."""

Positive = Annotated[int, msgspec.Meta(ge=1)]


class ContentBody(msgspec.Struct):
    """One part of what an item says; `type` says which of the other fields counts."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    input_audio: AudioBody | None = None
    annotations: list[Json] | None = None
    logprobs: list[LogprobBody] | None = None


class AudioBody(msgspec.Struct):
    """A sound in base64."""

    data: str
    format: str


class LogprobBody(msgspec.Struct):
    """One token with its log probability, and the likeliest others at its place."""

    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[LogprobBody] | None = None


class ItemBody(msgspec.Struct):
    """One item of a conversation, asked or answered; `type` says which of the other fields counts."""

    type: str = "message"
    id: str | None = None
    role: str | None = None
    content: str | list[ContentBody] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | Json | None = None
    output: str | list[ContentBody] | None = None
    summary: list[ContentBody] | None = None
    encrypted_content: str | None = None
    status: str | None = None


class ToolBody(msgspec.Struct):
    """A tool that may be called; functions stand beside the provider's own tools."""

    type: str
    name: str | None = None
    description: str | None = None
    parameters: Json | None = None
    strict: bool | None = None


class ToolChoiceBody(msgspec.Struct):
    """The tool that must be called."""

    type: str
    name: str | None = None


class FormatBody(msgspec.Struct):
    """The form that the text must have."""

    type: str
    name: str | None = None
    description: str | None = None
    schema: Json | None = None
    strict: bool | None = None


class TextBody(msgspec.Struct):
    """How the text shall be."""

    format: FormatBody | None = None
    verbosity: str | None = None


class ReasoningBody(msgspec.Struct):
    """How much the model may think."""

    effort: str | None = None
    summary: str | None = None


class RequestBody(msgspec.Struct):
    """A request; what is not named here goes to `ChatRequest.extra`."""

    model: str | None = None
    input: str | list[ItemBody] = ""
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: Positive | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    include: list[str] | None = None
    tools: list[ToolBody] | None = None
    tool_choice: str | ToolChoiceBody | None = None
    parallel_tool_calls: bool | None = None
    text: TextBody | None = None
    reasoning: ReasoningBody | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    service_tier: str | None = None


class UsageDetails(msgspec.Struct):
    """Parts of the tokens read or written."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class UsageBody(msgspec.Struct):
    """Tokens as this wire counts them."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: UsageDetails | None = None
    output_tokens_details: UsageDetails | None = None


class ErrorBody(msgspec.Struct):
    """Why there is no answer."""

    message: str | None = None
    code: str | int | None = None
    type: str | None = None


class IncompleteBody(msgspec.Struct):
    """Why an answer ended before the model was done."""

    reason: str | None = None


class AnswerBody(msgspec.Struct):
    """A whole answer, or the state of one in an event."""

    id: str = ""
    object: str | None = None
    model: str = ""
    created_at: float | None = None
    status: str | None = None
    output: list[ItemBody] = []
    error: ErrorBody | None = None
    incomplete_details: IncompleteBody | None = None
    usage: UsageBody | None = None


class AnswerHead(msgspec.Struct):
    """Of a whole answer that passes through: what must be known."""

    object: str | None = None
    model: str | None = None
    status: str | None = None
    usage: UsageBody | None = None


class EventBody(msgspec.Struct):
    """One event of a stream; `type` says which of the other fields counts."""

    type: str
    response: AnswerBody | None = None
    item: ItemBody | None = None
    item_id: str | None = None
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    delta: str | None = None
    annotation: Json | None = None
    logprobs: list[LogprobBody] | None = None
    message: str | None = None
    code: str | int | None = None
    error: ErrorBody | None = None
