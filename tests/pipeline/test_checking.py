"""Answers pass a check, or it is said why not."""

from __future__ import annotations

import pytest

from narthex.pipeline.checking import SEARCHED_CHARACTERS, Checker
from narthex.routing.cascades import AnswerCheck, ToolCalls
from narthex.types.answers import ChatAnswer, Choice, FinishReason
from narthex.types.messages import Message, Part, Reasoning, Refusal, Text, ToolCall
from narthex.types.requests import ChatRequest, ResponseFormat, Tool

SCHEMA: dict[str, object] = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
REQUEST = ChatRequest(model="m", messages=())


def _answer(*parts: Part, reason: FinishReason = FinishReason.STOP) -> ChatAnswer:
    choice = Choice(index=0, message=Message(role="assistant", parts=parts), finish_reason=reason)
    return ChatAnswer(id="1", model="m", created_at=1, choices=(choice,))


def _said(text: str, reason: FinishReason = FinishReason.STOP) -> ChatAnswer:
    return _answer(Text(text=text), reason=reason)


@pytest.mark.parametrize(
    ("check", "text", "why"),
    [
        (AnswerCheck(is_json=True), '{"a": 1}', None),
        (AnswerCheck(is_json=True), ' "a" ', None),
        (AnswerCheck(is_json=True), "```json\n{}\n```", "not_json"),
        (AnswerCheck(is_json=True), "", "not_json"),
        (AnswerCheck(json_schema=SCHEMA), '{"a": 1}', None),
        (AnswerCheck(json_schema=SCHEMA), '{"a": "x"}', "off_schema"),
        (AnswerCheck(json_schema=SCHEMA), "{", "not_json"),
        (AnswerCheck(must_match="^yes|no$"), "I say no", None),
        (AnswerCheck(must_match="^yes|no$"), "nor", "unmatched"),
        (AnswerCheck(must_match="x"), " " * SEARCHED_CHARACTERS + "x", "unmatched"),
        (AnswerCheck(must_not_match="(?i)^I(’|')m sorry"), "i'm sorry, no.", "unwanted"),
        (AnswerCheck(must_not_match="(?i)^I(’|')m sorry"), "Well, I'm sorry.", None),
        (AnswerCheck(min_characters=3), "ab", "too_short"),
        (AnswerCheck(min_characters=3), "abc", None),
        (AnswerCheck(max_characters=3), "abc", None),
        (AnswerCheck(max_characters=3), "abcd", "too_long"),
        (AnswerCheck(min_characters=2, must_match="b", is_json=True), '"b"', None),
    ],
)
def test_a_text_is_held_against_every_part_of_the_check(check: AnswerCheck, text: str, why: str | None) -> None:
    """JSON, a schema, regular expressions and lengths, each and together."""
    assert Checker(check).unfit(_said(text), REQUEST) == why


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        (FinishReason.STOP, None),
        (FinishReason.STOP_SEQUENCE, None),
        (FinishReason.LENGTH, "unfinished"),
        (FinishReason.PAUSE, "unfinished"),
        (FinishReason.CONTENT_FILTER, "refused"),
        (FinishReason.REFUSAL, "refused"),
    ],
)
def test_an_answer_must_have_come_to_its_end(reason: FinishReason, why: str | None) -> None:
    """One that was cut, filtered or refused does not pass, unless that is not asked for."""
    assert Checker(AnswerCheck()).unfit(_said("x", reason), REQUEST) == why
    assert Checker(AnswerCheck(finished=False)).unfit(_said("x", reason), REQUEST) is None


def test_a_refusal_in_the_models_words_is_one() -> None:
    """Also where the provider says that the answer came to its end."""
    assert Checker(AnswerCheck()).unfit(_answer(Refusal(text="No.")), REQUEST) == "refused"


def test_thoughts_are_not_checked() -> None:
    """What counts is what is said, all texts together."""
    answer = _answer(Reasoning(text="hm"), Text(text='{"a"'), Text(text=": 1}"))
    assert Checker(AnswerCheck(json_schema=SCHEMA)).unfit(answer, REQUEST) is None


@pytest.mark.parametrize(
    ("form", "text", "why"),
    [
        (None, "text", None),
        (ResponseFormat(kind="text"), "text", None),
        (ResponseFormat(kind="json_object"), "text", "not_json"),
        (ResponseFormat(kind="json_object"), "{}", None),
        (ResponseFormat(kind="json_schema", schema=SCHEMA), '{"a": 1}', None),
        (ResponseFormat(kind="json_schema", schema=SCHEMA), "{}", "off_schema"),
        (ResponseFormat(kind="json_schema", schema={"type": "nonsense"}), "{}", None),
    ],
)
def test_the_request_may_say_what_form_is_needed(form: ResponseFormat | None, text: str, why: str | None) -> None:
    """Its own schema counts; where it has none, or one that is none, nothing is held against the answer."""
    request = ChatRequest(model="m", messages=(), response_format=form)
    checker = Checker(AnswerCheck(request_schema=True))
    assert checker.unfit(_said(text), request) == why
    assert checker.unfit(_said(text), None) is None


@pytest.mark.parametrize(
    ("rule", "arguments", "name", "why"),
    [
        ("pass", "not JSON", "t", None),
        ("fail", '{"a": 1}', "t", "tool_call"),
        ("valid", '{"a": 1}', "t", None),
        ("valid", '{"a": "x"}', "t", "tool_call"),
        ("valid", "not JSON", "t", "tool_call"),
        ("valid", '{"a": 1}', "unknown", "tool_call"),
        ("valid", "", "free", None),
    ],
)
def test_tool_calls_pass_as_configured(rule: ToolCalls, arguments: str, name: str, why: str | None) -> None:
    """As they are, if they fit their tool, or never; the text beside them is not checked."""
    request = ChatRequest(model="m", messages=(), tools=(Tool(name="t", parameters=SCHEMA), Tool(name="free")))
    answer = _answer(
        Text(text="no JSON"), ToolCall(id="1", name=name, arguments=arguments), reason=FinishReason.TOOL_CALLS
    )
    checker = Checker(AnswerCheck(is_json=True, tool_calls=rule))
    assert checker.unfit(answer, request) == why
    if rule == "valid":
        assert checker.unfit(answer, None) == ("tool_call" if arguments == "not JSON" else None)


def test_every_choice_must_pass() -> None:
    """One of several answers that does not pass is enough."""
    one, two = _said("{}").choices[0], _said("no").choices[0]
    answer = ChatAnswer(id="1", model="m", created_at=1, choices=(one, two))
    assert Checker(AnswerCheck(is_json=True)).unfit(answer, REQUEST) == "not_json"
