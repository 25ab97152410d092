"""The shapes of Anthropic's messages wire, as far as they are read here.

https://docs.anthropic.com/en/api/messages

Requests are read strictly, block by block, so that a mistake is named by its place. Answers are read loosely, into one
struct for all blocks and one for all events of a stream, so that what is new to us does not break what we know.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Json = dict[str, object]
"""A JSON object about to be written."""


class CacheControl(msgspec.Struct, frozen=True, gc=False):
    """A breakpoint of the prompt cache."""

    type: Literal["ephemeral"] = "ephemeral"
    ttl: Literal["5m", "1h"] | None = None


class Base64Source(msgspec.Struct, tag_field="type", tag="base64"):
    """Content in the request itself."""

    media_type: str
    data: str


class UrlSource(msgspec.Struct, tag_field="type", tag="url"):
    """Content that the provider fetches."""

    url: str


class FileSource(msgspec.Struct, tag_field="type", tag="file"):
    """Content that was uploaded to the provider before."""

    file_id: str


class TextSource(msgspec.Struct, tag_field="type", tag="text"):
    """A document that is plain text."""

    data: str
    media_type: str = "text/plain"


class TextBlock(msgspec.Struct, tag_field="type", tag="text"):
    """Text, with where it is from."""

    text: str
    citations: list[dict[str, object]] | None = None
    cache_control: CacheControl | None = None


class ImageBlock(msgspec.Struct, tag_field="type", tag="image"):
    """A picture."""

    source: Base64Source | UrlSource | FileSource
    cache_control: CacheControl | None = None


class ContentSource(msgspec.Struct, tag_field="type", tag="content"):
    """A document that is made of blocks."""

    content: str | list[TextBlock | ImageBlock]


class DocumentBlock(msgspec.Struct, tag_field="type", tag="document"):
    """A document."""

    source: Base64Source | UrlSource | FileSource | TextSource | ContentSource
    title: str | None = None
    context: str | None = None
    citations: dict[str, object] | None = None
    cache_control: CacheControl | None = None


class ToolUseBlock(msgspec.Struct, tag_field="type", tag="tool_use"):
    """The model asked for a tool."""

    id: str
    name: str
    input: msgspec.Raw
    cache_control: CacheControl | None = None


class ToolResultBlock(msgspec.Struct, tag_field="type", tag="tool_result"):
    """What a tool gave back."""

    tool_use_id: str
    content: str | list[TextBlock | ImageBlock | DocumentBlock] | None = None
    is_error: bool | None = None
    cache_control: CacheControl | None = None


class ThinkingBlock(msgspec.Struct, tag_field="type", tag="thinking"):
    """The model's readable thinking, with the provider's proof that it is unchanged."""

    thinking: str
    signature: str


class RedactedThinkingBlock(msgspec.Struct, tag_field="type", tag="redacted_thinking"):
    """Thinking that only the provider can read."""

    data: str


Block = TextBlock | ImageBlock | DocumentBlock | ToolUseBlock | ToolResultBlock | ThinkingBlock | RedactedThinkingBlock
BLOCK_TYPES = frozenset({"text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking"})
RESULT_TYPES = frozenset({"text", "image", "document"})


class WireMessage(msgspec.Struct):
    """One turn."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class WireTool(msgspec.Struct):
    """A tool: the caller's own if it has no type or the type `custom`, else one that the provider defines."""

    name: str | None = None
    type: str | None = None
    description: str | None = None
    input_schema: dict[str, object] | None = None
    strict: bool | None = None
    cache_control: CacheControl | None = None
    allowed_callers: object = None
    defer_loading: object = None
    eager_input_streaming: object = None
    input_examples: object = None


TOOL_OPTIONS = ("allowed_callers", "defer_loading", "eager_input_streaming", "input_examples")
"""Settings of a tool that have no word inside; `extra` keeps them as `tools.<option>`, by the tool's name."""


class WireToolChoice(msgspec.Struct):
    """Whether and which tool must be used."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(msgspec.Struct):
    """How the model may think."""

    type: str
    budget_tokens: int | None = None
    display: str | None = None


class OutputFormat(msgspec.Struct):
    """The form the answer's text must have."""

    type: Literal["json_schema"]
    schema: dict[str, object]


class OutputConfig(msgspec.Struct):
    """How the answer is written."""

    effort: str | None = None
    format: OutputFormat | None = None


class WireRequest(msgspec.Struct):
    """A request for a message, or for the count of its tokens."""

    model: str
    messages: list[WireMessage]
    max_tokens: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """0 fills the prompt cache and writes nothing."""
    system: str | list[TextBlock] | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    tools: list[WireTool] | None = None
    tool_choice: WireToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    metadata: dict[str, object] | None = None
    service_tier: str | None = None


class LooseBlock(msgspec.Struct):
    """A block of any type, read only to name one that is not known."""

    type: str = ""
    content: msgspec.Raw = msgspec.Raw(b"")


class LooseMessage(msgspec.Struct):
    """A turn, read only to name a block that is not known."""

    content: str | list[LooseBlock] = ""


class LooseRequest(msgspec.Struct):
    """A request, read only to name a block that is not known."""

    messages: list[LooseMessage] = []


class OutputDetails(msgspec.Struct, gc=False):
    """What the output tokens went to."""

    thinking_tokens: int | None = None


class CacheCreation(msgspec.Struct, gc=False):
    """Of the tokens that were written to the cache: for how long they are kept there."""

    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class WireUsage(msgspec.Struct, gc=False):
    """Tokens as this wire counts them: `input_tokens` are those neither read from nor written to the cache."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None


class AnswerBlock(msgspec.Struct):
    """A block of an answer, of whatever type."""

    type: str
    text: str | None = None
    citations: list[dict[str, object]] | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw(b"{}")


class WireAnswer(msgspec.Struct):
    """A whole answer, or the head of one in `message_start`."""

    type: str
    id: str = ""
    model: str = ""
    content: list[AnswerBlock] = []
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: WireUsage | None = None


class AnswerHead(msgspec.Struct):
    """Of a whole answer, what a scan needs."""

    type: str
    model: str | None = None
    stop_reason: str | None = None
    usage: WireUsage | None = None


class Delta(msgspec.Struct):
    """What an event adds, to a block or to the message."""

    type: str = ""
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: dict[str, object] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None


class ErrorDetails(msgspec.Struct):
    """What lies behind an error."""

    error_code: str | None = None


class ErrorBody(msgspec.Struct):
    """What went wrong."""

    type: str | None = None
    message: str | None = None
    details: ErrorDetails | None = None


class ErrorAnswer(msgspec.Struct):
    """The body of an error answer, and the data of an error event."""

    error: ErrorBody


class StreamEvent(msgspec.Struct):
    """An event of a stream, of whatever type."""

    type: str
    message: WireAnswer | None = None
    index: int = 0
    content_block: AnswerBlock | None = None
    delta: Delta | None = None
    usage: WireUsage | None = None
    error: ErrorBody | None = None


EVENT_TYPES = frozenset(
    {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "ping",
        "error",
    }
)
