"""What a gateway's native API answers, as values."""

from __future__ import annotations

from typing import Literal, TypedDict

import msgspec

from narthex.types.messages import Message
from narthex.types.requests import ReasoningSettings, ResponseFormat, Tool, ToolChoice


class GenerationUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one generation; parts are included in their totals."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    total_tokens: int = 0
    estimated: bool = False
    """Whether the gateway counted them itself."""


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer to a prompt."""

    id: str
    created_at: int
    """Unix time in seconds."""
    model: str
    """The model that answered, as `provider/model`."""
    format: Literal["text", "xml", "json"]
    text: str
    """What the model wrote."""
    output: object
    """The text; or the parsed JSON value; or well-formed XML."""
    finish_reason: str
    repaired: bool = False
    """Whether `output` had to be mended to be well-formed."""
    usage: GenerationUsage | None = None


class GenerationEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a streamed generation: more text, or the end."""

    text: str = ""
    """More of the answer; empty at the end."""
    generation: Generation | None = None
    """The whole answer; on the last event only."""

    @property
    def done(self) -> bool:
        """Whether this is the last event, and the answer whole."""
        return self.generation is not None


class ModelHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How a model or provider is."""

    status: str = "unknown"
    """`ok`, `loading`, `idle`, `degraded`, `down` or `unknown`."""
    detail: str | None = None
    checked_at: float | None = None
    """Unix time in seconds."""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model that a gateway serves; None means unknown."""

    name: str
    """`provider/model`."""
    id: str
    """The provider's own name for it."""
    provider: str
    capabilities: tuple[str, ...] = ()
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    dimensions: int | None = None
    aliases: tuple[str, ...] = ()
    description: str | None = None
    health: ModelHealth = ModelHealth()


class RequestCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Model calls since the start."""

    active: int = 0
    total: int = 0
    failed: int = 0


class TokenCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens since the start."""

    input: int = 0
    output: int = 0


class KeyStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One of several keys of a provider."""

    id: str
    """`key-1` is the first in the configuration."""
    state: str
    """`usable`, `cooling`, `retired` or `probing`."""
    usable_in_s: float = 0.0
    """0 if it may be used now."""


class ProviderStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A provider of a gateway."""

    name: str
    kind: str
    base_url: str | None = None
    models: int = 0
    health: ModelHealth = ModelHealth()
    keys: tuple[KeyStatus, ...] = ()
    """Of a provider with several keys; empty for others."""


class EmbeddedStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The model inside a gateway."""

    installed: bool = False
    loaded: bool = False
    model: str | None = None
    progress: float | None = None
    """Of loading, from 0 to 1."""
    detail: str | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How a gateway is."""

    version: str
    status: str
    """`ok`, `degraded` or `stopping`."""
    started_at: float | None = None
    """Unix time in seconds."""
    uptime_s: float | None = None
    pid: int | None = None
    python: str | None = None
    platform: str | None = None
    address: str | None = None
    auth_required: bool = False
    default_model: str | None = None
    data_dir: str | None = None
    memory_bytes: int | None = None
    requests: RequestCounts = RequestCounts()
    tokens: TokenCounts = TokenCounts()
    providers: tuple[ProviderStatus, ...] = ()
    embedded: EmbeddedStatus | None = None


class Liveness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a gateway runs."""

    status: str
    version: str


class GenerateOptions(TypedDict, total=False):
    """What can be said beside the prompt."""

    model: str | None
    """`provider/model` or an alias; by default the gateway's default model."""
    system: str | None
    """How the model shall behave."""
    format: Literal["text", "xml", "json"]
    """The form of the answer."""
    schema: dict[str, object] | None
    """JSON schema that the answer must fit; with format `json`."""
    root: str | None
    """Name of the outermost element; with format `xml`."""
    max_output_tokens: int | None
    temperature: float | None
    seed: int | None
    stop: list[str] | None
    """Texts before which the answer ends."""


class ChatOptions(TypedDict, total=False):
    """What can be said beside the messages; see `ChatRequest`."""

    max_output_tokens: int | None
    temperature: float | None
    top_p: float | None
    stop: tuple[str, ...]
    seed: int | None
    n: int | None
    presence_penalty: float | None
    frequency_penalty: float | None
    logit_bias: dict[str, float] | None
    logprobs: bool | None
    top_logprobs: int | None
    tools: tuple[Tool, ...]
    tool_choice: ToolChoice | None
    parallel_tool_calls: bool | None
    response_format: ResponseFormat | None
    reasoning: ReasoningSettings | None
    user: str | None
    metadata: dict[str, str] | None


class ClientOptions(TypedDict, total=False):
    """How a client reaches its gateway."""

    api_key: str | None
    """By default `NARTHEX_API_KEY`."""
    timeout_s: float
    """Longest wait for the next piece of an answer, in seconds."""
    connect_timeout_s: float
    """Longest wait for a connection, TLS included, in seconds."""
    ca_file: str | None
    """Authorities to trust, PEM, instead of the system's."""
    headers: dict[str, str]
    """Sent with every request."""


Messages = str | Message | list[Message] | tuple[Message, ...]
"""A conversation, oldest message first; a text is one message of the user."""
