"""What is set for a session: what is given changes, what is not stays, and what cannot be had is refused."""

from __future__ import annotations

import pytest

from narthex.errors import NarthexError, PermissionDenied
from narthex.wire.openai_realtime.session import Session
from narthex.wire.openai_realtime.shapes import ResponseBody, read_session

TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object"}}


def test_only_what_is_given_changes() -> None:
    """An update sets what it names; null and empty values clear."""
    first = Session(model="a/b").updated(
        read_session({"instructions": "Be.", "tools": [TOOL], "tool_choice": "required", "max_output_tokens": 9})
    )
    second = first.updated(read_session({"instructions": "", "tool_choice": None}))
    assert (second.instructions, second.tool_choice, second.max_output_tokens) == ("", "auto", 9)
    assert [tool.name for tool in second.functions] == ["weather"]
    assert second.updated(read_session({"tools": None})).functions == ()


def test_a_response_may_differ_from_its_session() -> None:
    """What is set for one response holds for it alone."""
    session = Session(model="a/b", instructions="Be.")
    wish = ResponseBody(instructions="Be brief.", max_output_tokens=3)
    assert session.for_response(wish).instructions == "Be brief."
    assert session.instructions == "Be."


def test_a_choice_is_told_only_where_there_are_tools() -> None:
    """Providers refuse a choice among no tools."""
    session = Session(model="a/b")
    assert session.choice is None
    named = session.updated(read_session({"tools": [TOOL], "tool_choice": {"type": "function", "name": "weather"}}))
    assert named.choice is not None
    assert named.choice.name == "weather"


def test_the_effort_of_thinking_is_passed_on() -> None:
    """A reasoning model hears how much it may think."""
    thinking = Session(model="a/b").updated(read_session({"reasoning": {"effort": "low"}})).thinking
    assert thinking is not None
    assert thinking.effort == "low"


def test_a_session_is_shown_as_it_was_set() -> None:
    """What a client is told is what it may send again."""
    session = Session(model="a/b").updated(
        read_session(
            {"tools": [TOOL], "tool_choice": {"type": "function", "name": "weather"}, "reasoning": {"effort": "low"}}
        )
    )
    shown = session.shown("sess_1")
    assert shown["tools"] == [TOOL]
    assert session.updated(read_session(shown)) == session


@pytest.mark.parametrize(
    "said",
    [
        {"type": "transcription"},
        {"output_modalities": ["text", "audio"]},
        {"audio": {"input": {}}},
        {"include": ["x"]},
        {"prompt": {"id": "p"}},
        {"tracing": "auto"},
        {"truncation": {"type": "retention_ratio", "retention_ratio": 0.5}},
        {"tools": [{"type": "function"}]},
        {"tool_choice": "always"},
    ],
)
def test_what_cannot_be_had_is_refused_by_name(said: dict[str, object]) -> None:
    """The field is named, and nothing of the update is taken."""
    with pytest.raises(NarthexError) as refused:
        Session(model="a/b").updated(read_session(said))
    assert refused.value.status == 400
    assert next(iter(said)) in (refused.value.param or "")


def test_a_session_keeps_its_model() -> None:
    """The model may be repeated, not changed."""
    session = Session(model="a/b")
    assert session.updated(read_session({"model": "a/b"})) == session
    with pytest.raises(PermissionDenied):
        session.updated(read_session({"model": "a/c"}))


def test_a_response_has_no_stored_prompt() -> None:
    """A reference to a prompt kept elsewhere is refused."""
    with pytest.raises(NarthexError, match="prompt"):
        Session(model="a/b").for_response(ResponseBody(prompt={"id": "p"}))
