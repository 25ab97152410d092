"""A check that cannot hold is refused, with its place."""

from __future__ import annotations

import pytest

from narthex.routing.cascades import AnswerCheck, check_answer_check


@pytest.mark.parametrize(
    "check",
    [
        AnswerCheck(),
        AnswerCheck(must_match="^a+$", must_not_match="b", min_characters=3, max_characters=3),
        AnswerCheck(finished=False, json_schema={"type": "object"}),
        AnswerCheck(finished=False, tool_calls="fail"),
    ],
)
def test_what_holds_is_passed(check: AnswerCheck) -> None:
    """Anything that some answer can pass, and some other cannot."""
    assert list(check_answer_check(("check",), check)) == []


@pytest.mark.parametrize(
    ("check", "place", "said"),
    [
        (AnswerCheck(must_match="("), ("check", "must_match"), "not a regular expression"),
        (AnswerCheck(must_not_match="[z-a]"), ("check", "must_not_match"), "not a regular expression"),
        (AnswerCheck(min_characters=4, max_characters=3), ("check", "min_characters"), "more than"),
        (AnswerCheck(json_schema={"type": "nonsense"}), ("check", "json_schema"), "not a valid JSON schema"),
        (AnswerCheck(json_schema={"$ref": "http://127.0.0.1/x"}), ("check", "json_schema"), "not a valid JSON schema"),
        (AnswerCheck(finished=False), ("check",), "nothing is checked"),
    ],
)
def test_each_contradiction_has_its_place(check: AnswerCheck, place: tuple[str, ...], said: str) -> None:
    """Patterns and schemas that are none, lengths that exclude each other, and a check of nothing."""
    ((path, message),) = check_answer_check(("check",), check)
    assert path == place
    assert message.startswith(said)
