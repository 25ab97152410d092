"""Messages and their parts: what is said, by whom, in which form."""

from __future__ import annotations

from typing import Literal

import msgspec

Role = Literal["system", "developer", "user", "assistant", "tool"]
"""Who speaks. `tool` messages hold only `ToolResult` parts; `developer` is OpenAI's later word for `system`."""


class CacheMarker(msgspec.Struct, frozen=True, kw_only=True):
    """A request to the provider to cache the prompt up to and including the marked part."""

    ttl: Literal["5m", "1h"] | None = None
    """How long to keep it; None is the provider's default."""


class Text(msgspec.Struct, frozen=True, kw_only=True, tag="text"):
    """Plain text."""

    text: str
    cache: CacheMarker | None = None
    citations: tuple[dict[str, object], ...] = ()
    """Where the text is from, in the shape of the dialect that said so; only that dialect gets them back."""


class Image(msgspec.Struct, frozen=True, kw_only=True, tag="image"):
    """A picture, by address or by content: exactly one of `url`, `data` and `file_id` is given."""

    url: str | None = None
    data: str | None = None
    """Base64 without a `data:` prefix."""
    media_type: str | None = None
    """MIME type; always given with `data`."""
    file_id: str | None = None
    detail: Literal["auto", "low", "high", "original"] | None = None
    cache: CacheMarker | None = None


class Audio(msgspec.Struct, frozen=True, kw_only=True, tag="audio"):
    """A sound, by content."""

    data: str
    """Base64."""
    format: str
    """`wav`, `mp3` and so on."""


class File(msgspec.Struct, frozen=True, kw_only=True, tag="file"):
    """A document: exactly one of `url`, `data`, `text` and `file_id` is given."""

    url: str | None = None
    data: str | None = None
    """Base64 without a `data:` prefix."""
    text: str | None = None
    file_id: str | None = None
    media_type: str | None = None
    filename: str | None = None
    cache: CacheMarker | None = None


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, tag="tool_call"):
    """The model asks for a tool to be run."""

    id: str
    name: str
    arguments: str
    """JSON text exactly as the model wrote it; it may be invalid."""
    cache: CacheMarker | None = None


class ToolResult(msgspec.Struct, frozen=True, kw_only=True, tag="tool_result"):
    """What a tool gave back."""

    tool_call_id: str
    parts: tuple[Text | Image | File, ...] = ()
    is_error: bool = False
    cache: CacheMarker | None = None


class Reasoning(msgspec.Struct, frozen=True, kw_only=True, tag="reasoning"):
    """The model's thinking: readable `text`, or `redacted` and only readable by its provider."""

    text: str = ""
    signature: str | None = None
    """The provider's proof that it wrote this; it must come back unchanged."""
    redacted: str | None = None


class Refusal(msgspec.Struct, frozen=True, kw_only=True, tag="refusal"):
    """The model declines, in its own words."""

    text: str


Part = Text | Image | Audio | File | ToolCall | ToolResult | Reasoning | Refusal
"""Everything a message can hold. Matches over it end in `assert_never`."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of a conversation."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None
    """The speaker's name among several of one role."""
