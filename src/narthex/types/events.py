"""What is answered, as it comes: the events of a stream.

A complete stream is `Started`, then any number of deltas, then one `Finished` per choice, then at most one
`UsageReported`, then `Ended`. A stream without `Ended` is not a whole answer, whatever came before.

`choice` is the index among `n` answers. `part` numbers the parts of one choice from 0 in the order they begin;
all deltas with the same `(choice, part)` belong to one part, and parts may interleave (parallel tool calls).
"""

from __future__ import annotations

import msgspec

from narthex.types.answers import FinishReason, TokenLogprob
from narthex.types.dialects import Dialect
from narthex.types.usage import Usage


class Started(msgspec.Struct, frozen=True, kw_only=True, tag="started"):
    """The answer begins."""

    id: str
    model: str
    """The model that answers, in the provider's words."""
    created_at: int
    """Unix time in seconds."""
    input_usage: Usage | None = None
    """What the provider already tells about the input (Anthropic does); the final usage comes later."""
    extra: dict[str, object] = msgspec.field(default_factory=dict)
    """Top-level fields of the source dialect without a place here."""
    extra_dialect: Dialect | None = None
    """Whose fields `extra` holds; every other dialect leaves them out."""


class TextDelta(msgspec.Struct, frozen=True, kw_only=True, tag="text"):
    """More text."""

    text: str
    choice: int = 0
    part: int = 0
    logprobs: tuple[TokenLogprob, ...] | None = None
    citations: tuple[dict[str, object], ...] = ()
    """Further sources of this part, as in `Text.citations`."""


class RefusalDelta(msgspec.Struct, frozen=True, kw_only=True, tag="refusal"):
    """More of the model's refusal."""

    text: str
    choice: int = 0
    part: int = 0


class ReasoningDelta(msgspec.Struct, frozen=True, kw_only=True, tag="reasoning"):
    """More of the model's thinking; `signature` or `redacted` come whole, once, at the end of the part."""

    text: str = ""
    signature: str | None = None
    redacted: str | None = None
    choice: int = 0
    part: int = 0


class ToolCallStarted(msgspec.Struct, frozen=True, kw_only=True, tag="tool_call"):
    """The model begins to ask for a tool."""

    id: str
    name: str
    choice: int = 0
    part: int = 0


class ToolCallDelta(msgspec.Struct, frozen=True, kw_only=True, tag="tool_call_delta"):
    """More of the JSON text of a tool call's arguments."""

    arguments: str
    choice: int = 0
    part: int = 0


class Finished(msgspec.Struct, frozen=True, kw_only=True, tag="finished"):
    """One choice is complete."""

    reason: FinishReason
    choice: int = 0
    stop_sequence: str | None = None
    told: dict[str, object] | None = None
    """What the gateway adds to say how the answer came about; written as `narthex` in the frame of the end."""


class UsageReported(msgspec.Struct, frozen=True, kw_only=True, tag="usage"):
    """What the whole answer consumed."""

    usage: Usage


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """The provider reports inside the stream that it failed; nothing follows."""

    message: str
    code: str | None = None
    kind: str | None = None
    """The error type in the provider's words."""


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag="ended"):
    """The answer is whole: every choice finished and the provider said so."""

    at: int = 0
    """When it ended, Unix time in seconds, for dialects that tell; 0 for the moment in which it is written."""


Event = (
    Started
    | TextDelta
    | RefusalDelta
    | ReasoningDelta
    | ToolCallStarted
    | ToolCallDelta
    | Finished
    | UsageReported
    | Failed
    | Ended
)
"""Everything a stream can carry. Matches over it end in `assert_never`."""


def is_content(event: Event) -> bool:
    """Tell whether a model says something by this event: its beginning, its usage and empty pieces do not count."""
    match event:
        case Started() | UsageReported() | Failed():
            return False
        case TextDelta() | RefusalDelta():
            return bool(event.text)
        case ReasoningDelta():
            return bool(event.text or event.signature or event.redacted)
        case ToolCallStarted() | ToolCallDelta() | Finished() | Ended():
            return True
