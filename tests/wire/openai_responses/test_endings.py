"""How answers end."""

from __future__ import annotations

import pytest

from narthex.types.answers import FinishReason
from narthex.wire.contract import MalformedBody
from narthex.wire.openai_responses.endings import finish_reason, written_ending
from narthex.wire.openai_responses.schema import AnswerBody, IncompleteBody


@pytest.mark.parametrize("reason", [FinishReason.LENGTH, FinishReason.CONTENT_FILTER, FinishReason.PAUSE])
def test_an_incomplete_answer_says_why(reason: FinishReason) -> None:
    """Written and read again, the reason is the same."""
    ending = written_ending(reason)
    details = ending["incomplete_details"]
    assert isinstance(details, dict)
    body = AnswerBody(status="incomplete", incomplete_details=IncompleteBody(reason=details["reason"]))
    assert finish_reason(body, called=False, refused=False) is reason


def test_what_a_complete_answer_holds_says_why_it_ended() -> None:
    """The wire has one word for all of them."""
    body = AnswerBody(status="completed")
    assert finish_reason(body, called=False, refused=False) is FinishReason.STOP
    assert finish_reason(body, called=True, refused=False) is FinishReason.TOOL_CALLS
    assert finish_reason(body, called=False, refused=True) is FinishReason.REFUSAL
    for reason in (FinishReason.STOP, FinishReason.STOP_SEQUENCE, FinishReason.TOOL_CALLS, FinishReason.REFUSAL):
        assert written_ending(reason) == {"status": "completed", "incomplete_details": None}


@pytest.mark.parametrize("status", [None, "in_progress", "queued", "failed", "cancelled"])
def test_an_answer_that_has_not_ended_has_no_reason(status: str | None) -> None:
    """It is not whole, whatever it holds."""
    with pytest.raises(MalformedBody):
        finish_reason(AnswerBody(status=status), called=False, refused=False)
