"""Why an answer ended, in the wire's words and in ours."""

from __future__ import annotations

from collections.abc import Iterable

from narthex.types.answers import FinishReason
from narthex.types.messages import Part, Refusal

_FINISH_REASONS = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP_SEQUENCE,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "pause_turn": FinishReason.PAUSE,
    "refusal": FinishReason.REFUSAL,
}
_STOP_REASONS = {
    FinishReason.STOP: "end_turn",
    FinishReason.STOP_SEQUENCE: "stop_sequence",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.CONTENT_FILTER: "refusal",
    FinishReason.REFUSAL: "refusal",
    FinishReason.PAUSE: "pause_turn",
}


def finish_reason(stop_reason: str) -> FinishReason:
    """Return our word; a reason that is new to us still says that the model stopped."""
    return _FINISH_REASONS.get(stop_reason, FinishReason.STOP)


def stop_reason(reason: FinishReason, *, refused: bool) -> str:
    """Return the wire's word.

    Args:
        reason: Why the answer ended.
        refused: Whether it holds a refusal. The wire has no block for one: its text is text, and the reason tells.
    """
    if refused and reason is FinishReason.STOP:
        return "refusal"
    return _STOP_REASONS[reason]


def holds_refusal(parts: Iterable[Part]) -> bool:
    """Tell whether the model declines in one of `parts`."""
    return any(isinstance(part, Refusal) for part in parts)
