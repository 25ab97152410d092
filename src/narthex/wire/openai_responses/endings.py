"""How answers end: the status of a response, and why it may be incomplete."""

from __future__ import annotations

from narthex.types.answers import FinishReason
from narthex.wire.contract import MalformedBody
from narthex.wire.openai_responses.schema import AnswerBody, Json

_INCOMPLETE = {
    FinishReason.LENGTH: "max_output_tokens",
    FinishReason.CONTENT_FILTER: "content_filter",
    FinishReason.PAUSE: "max_messages",
}
_REASONS = {word: reason for reason, word in _INCOMPLETE.items()}


def finish_reason(answer: AnswerBody, *, called: bool, refused: bool) -> FinishReason:
    """Return why an answer ended.

    Args:
        answer: The response as it stands at its end.
        called: Whether it asks for a tool.
        refused: Whether the model declined in its own words.

    Raises:
        MalformedBody: It has not ended.
    """
    if answer.status == "incomplete":
        details = answer.incomplete_details
        return _REASONS.get((details.reason if details else None) or "", FinishReason.LENGTH)
    if answer.status != "completed":
        raise MalformedBody(f"the response is {answer.status or 'without a status'}: it is not whole")
    if called:
        return FinishReason.TOOL_CALLS
    return FinishReason.REFUSAL if refused else FinishReason.STOP


def written_ending(reason: FinishReason) -> Json:
    """Write the status of an answer that ended so."""
    word = _INCOMPLETE.get(reason)
    if word is None:
        return {"status": "completed", "incomplete_details": None}
    return {"status": "incomplete", "incomplete_details": {"reason": word}}
