"""The response object and its items."""

from __future__ import annotations

from openai.types.responses import Response

from narthex.types.answers import FinishReason, TokenLogprob
from narthex.types.messages import Message, Text
from narthex.wire.openai_responses.written import (
    instructions_of,
    item_status,
    response,
    response_id,
    written_logprobs,
)


def test_a_response_of_which_the_request_is_not_known_is_one_all_the_same() -> None:
    """The vendor's own type takes it, strictly."""
    Response.model_validate(response("resp_1", "m", 7, None, status="queued"))


def test_ids_are_safe_and_the_same_each_time() -> None:
    """One of this dialect is kept; anything else, whatever is in it, becomes one."""
    assert response_id("resp_abc") == "resp_abc"
    strange = response_id('resp_"/../x')
    assert strange == response_id('resp_"/../x') != response_id("other")
    assert strange.removeprefix("resp_").isalnum()


def test_instructions_are_the_system_message_that_stands_first() -> None:
    """A later one is part of the conversation."""
    system, user = (Message(role=role, parts=(Text(text="x"),)) for role in ("system", "user"))
    assert instructions_of([system, user]) == "x"
    assert instructions_of([user, system]) is None
    assert instructions_of([]) is None


def test_tokens_without_bytes_are_told_with_those_of_their_text() -> None:
    """Clients put bytes together to find out what was said."""
    assert written_logprobs([TokenLogprob(token="é", logprob=-1.0)])[0]["bytes"] == [0xC3, 0xA9]


def test_only_the_last_item_was_cut_by_the_limit() -> None:
    """Those before it are complete."""
    assert item_status(FinishReason.LENGTH, last=True) == "incomplete"
    assert item_status(FinishReason.LENGTH, last=False) == "completed"
    assert item_status(FinishReason.STOP, last=True) == "completed"
