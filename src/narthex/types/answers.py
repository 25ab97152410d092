"""What is answered, whole."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from narthex.types.dialects import Dialect
from narthex.types.messages import Message
from narthex.types.usage import Usage


class FinishReason(StrEnum):
    """Why an answer ended."""

    STOP = "stop"
    """The model was done."""
    STOP_SEQUENCE = "stop_sequence"
    """It wrote one of the caller's stop sequences."""
    LENGTH = "length"
    """It ran into the caller's or its own limit of tokens."""
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    PAUSE = "pause"
    """The provider paused a long turn; send the answer back to continue."""


class TokenLogprob(msgspec.Struct, frozen=True, kw_only=True):
    """One token with its log probability, and the likeliest others at its place."""

    token: str
    logprob: float
    token_bytes: tuple[int, ...] | None = None
    top: tuple[TokenLogprob, ...] = ()


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One of the answers asked for by `n`."""

    index: int
    message: Message
    """Role `assistant`; parts in the order they were written."""
    finish_reason: FinishReason
    stop_sequence: str | None = None
    """The sequence that ended it, with `FinishReason.STOP_SEQUENCE` where the provider tells."""
    logprobs: tuple[TokenLogprob, ...] | None = None


class ChatAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole chat answer."""

    id: str
    model: str
    """The model that answered, in the provider's words."""
    created_at: int
    """Unix time in seconds."""
    choices: tuple[Choice, ...]
    usage: Usage | None = None
    extra: dict[str, object] = msgspec.field(default_factory=dict)
    """Top-level fields of the source dialect without a place here (`system_fingerprint`, `service_tier`)."""
    extra_dialect: Dialect | None = None
    """Whose fields `extra` holds; every other dialect leaves them out."""


class EmbeddingAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Vectors, in the order of the inputs."""

    model: str
    vectors: tuple[tuple[float, ...], ...]
    """Shape `(n_inputs, dimensions)`."""
    usage: Usage | None = None
