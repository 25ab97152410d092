"""What is asked of a model."""

from __future__ import annotations

from typing import Literal

import msgspec

from narthex.types.dialects import Dialect
from narthex.types.messages import CacheMarker, Message


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function that the model may ask to be run."""

    name: str
    description: str | None = None
    parameters: dict[str, object] = msgspec.field(default_factory=dict)
    """JSON schema of the arguments."""
    strict: bool | None = None
    cache: CacheMarker | None = None


class ToolChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Whether and which tool must be used."""

    mode: Literal["auto", "none", "required", "named"]
    name: str | None = None
    """The tool's name, with mode `named` only."""


class ResponseFormat(msgspec.Struct, frozen=True, kw_only=True):
    """The form the answer's text must have."""

    kind: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    description: str | None = None
    schema: dict[str, object] | None = None
    """JSON schema, with kind `json_schema` only."""
    strict: bool | None = None


class ReasoningSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How much the model may think before it answers; at most one of `effort` and `budget_tokens` is given."""

    enabled: bool = True
    effort: str | None = None
    """`none`, `minimal`, `low`, `medium`, `high` or a word of the provider's."""
    budget_tokens: int | None = None
    adaptive: bool = False
    """The model chooses itself how much."""


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call for a chat answer; None everywhere means "not given"."""

    model: str
    messages: tuple[Message, ...]
    """Oldest first, at least one; system messages stand where they were said."""
    stream: bool = False
    include_usage: bool = False
    """Whether the caller wants usage inside the stream."""
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    n: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning: ReasoningSettings | None = None
    user: str | None = None
    """The end user on whose behalf this is asked."""
    metadata: dict[str, str] | None = None
    service_tier: str | None = None
    extra: dict[str, object] = msgspec.field(default_factory=dict)
    """Fields of the source dialect without a place here, by their own name; only that dialect gets them back."""
    extra_dialect: Dialect | None = None
    """Whose fields `extra` holds; every other dialect leaves them out."""


class EmbeddingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call for vectors."""

    model: str
    inputs: tuple[str | tuple[int, ...], ...]
    """Texts, or token IDs; at least one."""
    dimensions: int | None = None
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = None
    extra: dict[str, object] = msgspec.field(default_factory=dict)
