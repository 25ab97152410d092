"""The shape of a request for an OpenAI chat completion, as clients really send it.

https://platform.openai.com/docs/api-reference/chat/create

Wider than the page where clients are: `content` may be null, `image_url` a plain string, `arguments` an object.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

Positive = Annotated[int, msgspec.Meta(ge=1)]


class CacheControl(msgspec.Struct):
    """A mark to cache the prompt up to here, as OpenRouter and LiteLLM take it."""

    type: str = "ephemeral"
    ttl: str | None = None


class ImageUrl(msgspec.Struct):
    """Where a picture is: an address, or a `data:` URL with the picture itself."""

    url: str
    detail: str | None = None


class InputAudio(msgspec.Struct):
    """A sound in base64."""

    data: str
    format: str


class FileBody(msgspec.Struct):
    """A document: an uploaded one by ID, or its content as a `data:` URL."""

    file_id: str | None = None
    file_data: str | None = None
    filename: str | None = None


class PartBody(msgspec.Struct):
    """One part of a message; `type` says which of the other fields counts."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: ImageUrl | str | None = None
    input_audio: InputAudio | None = None
    file: FileBody | None = None
    cache_control: CacheControl | None = None


class FunctionCallBody(msgspec.Struct):
    """What is called, and with which arguments."""

    name: str
    arguments: str | dict[str, object] | None = None


class ToolCallBody(msgspec.Struct):
    """A tool call in an earlier answer."""

    id: str | None = None
    type: str | None = None
    function: FunctionCallBody | None = None
    cache_control: CacheControl | None = None


class ReasoningDetail(msgspec.Struct):
    """A piece of reasoning in OpenRouter's shape: https://openrouter.ai/docs/use-cases/reasoning-tokens."""

    type: str = ""
    text: str | None = None
    summary: str | None = None
    data: str | None = None
    signature: str | None = None
    index: int | None = None


class MessageBody(msgspec.Struct):
    """One message; `role` says which fields count."""

    role: str
    content: str | list[PartBody] | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCallBody] | None = None
    tool_call_id: str | None = None
    function_call: FunctionCallBody | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[ReasoningDetail] | None = None
    audio: dict[str, object] | None = None
    cache_control: CacheControl | None = None


class FunctionBody(msgspec.Struct):
    """A function that may be called."""

    name: str
    description: str | None = None
    parameters: dict[str, object] | None = None
    strict: bool | None = None


class ToolBody(msgspec.Struct):
    """A tool that may be called."""

    type: str = "function"
    function: FunctionBody | None = None
    cache_control: CacheControl | None = None


class NamedFunction(msgspec.Struct):
    """A function by its name."""

    name: str


class ToolChoiceBody(msgspec.Struct):
    """The tool that must be called."""

    type: str = "function"
    function: NamedFunction | None = None


class JsonSchemaBody(msgspec.Struct):
    """The JSON schema that the answer must fit."""

    name: str | None = None
    description: str | None = None
    schema: dict[str, object] | None = None
    strict: bool | None = None


class ResponseFormatBody(msgspec.Struct):
    """The form that the answer must have."""

    type: str
    json_schema: JsonSchemaBody | None = None


class ReasoningBody(msgspec.Struct):
    """OpenRouter's way to say how much the model may think."""

    effort: str | None = None
    max_tokens: int | None = None
    enabled: bool | None = None


class RequestBody(msgspec.Struct):
    """A request; what is not named here goes to `ChatRequest.extra`."""

    model: str
    messages: Annotated[list[MessageBody], msgspec.Meta(min_length=1)]
    stream: bool | None = None
    stream_options: dict[str, object] | None = None
    max_tokens: Positive | None = None
    max_completion_tokens: Positive | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    n: Positive | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: list[ToolBody] | None = None
    tool_choice: str | ToolChoiceBody | None = None
    functions: list[FunctionBody] | None = None
    function_call: str | NamedFunction | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormatBody | None = None
    reasoning_effort: str | None = None
    reasoning: ReasoningBody | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    service_tier: str | None = None


SAME_NAME = (
    "temperature",
    "top_p",
    "seed",
    "n",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
    "top_logprobs",
    "parallel_tool_calls",
    "user",
    "metadata",
    "service_tier",
)
"""Members that have the same name and meaning in `ChatRequest`."""
