"""What is answered."""

from __future__ import annotations

import json

import jsonschema_rs
import pytest

from narthex.errors import Failure, ProviderRejected
from narthex.types.answers import FinishReason
from narthex.types.messages import Message, Reasoning, Refusal, Text, ToolResult
from narthex.types.requests import ReasoningSettings, ResponseFormat, ToolChoice
from tests.providers.scripted.calls import CLOCK, WEATHER, answer, asked, calls_of, text_of, user


async def test_the_same_request_has_the_same_answer() -> None:
    """Streamed or whole, today or tomorrow: one request, one answer; another seed, another answer."""
    first = await answer({}, asked("Hello"))
    assert first == await answer({}, asked("Hello", stream=True, include_usage=True))
    assert text_of(first.choices[0]) != text_of((await answer({"seed": 1}, asked("Hello"))).choices[0])
    assert text_of(first.choices[0]) != text_of((await answer({}, asked("Hello", seed=1))).choices[0])
    assert text_of(first.choices[0]) != text_of((await answer({}, asked("Hello!"))).choices[0])


async def test_the_answer_has_the_length_asked_for() -> None:
    """Without a reply the text has `reply_tokens` tokens, and the usage says so."""
    found = await answer({"reply_tokens": 17}, asked())
    assert found.usage is not None
    assert (found.usage.output_tokens, found.usage.estimated) == (17, False)
    assert found.choices[0].finish_reason is FinishReason.STOP


async def test_templates_know_the_request() -> None:
    """A reply may repeat the prompt, the system's words and the model."""
    messages = (Message(role="system", parts=(Text(text="Be brief."),)), user("Hi"))
    found = await answer({"reply": "{model}|{system}|{prompt}"}, asked(messages=messages))
    assert text_of(found.choices[0]) == "scripted|Be brief.|Hi"


async def test_the_first_rule_that_fits_answers() -> None:
    """Rules are tried in order, by text, expression, model and tool result."""
    script = {
        "reply": "none",
        "replies": [
            {"when": {"contains": "WEATHER", "model": "other"}, "reply": "wrong model"},
            {"when": "weather", "reply": "rain"},
            {"when": {"regex": r"^\d+$"}, "reply": "number"},
            {"when": {"after_tool": True}, "reply": "thanks"},
        ],
    }
    result = Message(role="tool", parts=(ToolResult(tool_call_id="c", parts=(Text(text="x"),)),))
    for request, expected in [
        (asked("the Weather?"), "rain"),
        (asked("12"), "number"),
        (asked("hm"), "none"),
        (asked(messages=(user("hm"), result)), "thanks"),
    ]:
        assert text_of((await answer(script, request)).choices[0]) == expected


async def test_a_rule_may_refuse() -> None:
    """A refusal is a refusal, with its own finish reason."""
    choice = (await answer({"replies": [{"refusal": "I will not {prompt}."}]}, asked("go"))).choices[0]
    assert choice.message.parts == (Refusal(text="I will not go."),)
    assert choice.finish_reason is FinishReason.REFUSAL


@pytest.mark.parametrize(
    ("text", "fields", "script", "names"),
    [
        ("What does get_weather say?", {}, {}, ["get_weather"]),
        ("get weather and clock", {}, {}, ["get_weather", "clock"]),
        ("get weather and clock", {"parallel_tool_calls": False}, {}, ["get_weather"]),
        ("please use a tool", {}, {}, ["get_weather"]),
        ("Hello", {}, {}, []),
        ("Hello", {}, {"tools": "always"}, ["get_weather"]),
        ("clock", {}, {"tools": "never"}, []),
        ("clock", {"tool_choice": ToolChoice(mode="none")}, {}, []),
        ("Hello", {"tool_choice": ToolChoice(mode="required")}, {}, ["get_weather"]),
        ("clock", {"tool_choice": ToolChoice(mode="required")}, {"tools": "never"}, ["clock"]),
        ("Hello", {"tool_choice": ToolChoice(mode="named", name="clock")}, {}, ["clock"]),
        ("Hello", {}, {"replies": [{"tool_call": {}}]}, ["get_weather"]),
        ("Hello", {}, {"replies": [{"tool_call": {"name": "unheard_of"}}]}, ["unheard_of"]),
        ("clock", {}, {"replies": [{"reply": "no tool"}]}, []),
    ],
)
async def test_tools_are_called_when_asked(
    text: str, fields: dict[str, object], script: dict[str, object], names: list[str]
) -> None:
    """Tools are called as prompt, tool choice and script say, with arguments that fit their schema."""
    choice = (await answer(script, asked(text, tools=(WEATHER, CLOCK), **fields))).choices[0]
    calls = calls_of(choice)
    assert [call.name for call in calls] == names
    assert len({call.id for call in calls}) == len(calls)
    assert choice.finish_reason is (FinishReason.TOOL_CALLS if names else FinishReason.STOP)
    for call in calls:
        if call.name == WEATHER.name:
            assert jsonschema_rs.is_valid(WEATHER.parameters, json.loads(call.arguments))


async def test_scripted_arguments_are_sent_as_written() -> None:
    """Arguments come from the script where it has them: a table as JSON, a text as it stands."""
    script = {"replies": [{"reply": "wait", "tool_call": [{"arguments": {"a": "é"}}, {"arguments": "{oops"}]}]}
    choice = (await answer(script, asked(tools=(WEATHER,)))).choices[0]
    assert [call.arguments for call in calls_of(choice)] == ['{"a": "é"}', "{oops"]
    assert text_of(choice) == "wait"


async def test_a_tool_result_ends_the_turn() -> None:
    """After a tool's result comes a text, not the same tool again."""
    result = Message(role="tool", parts=(ToolResult(tool_call_id="c", parts=(Text(text="21 degrees"),)),))
    choice = (await answer({"tools": "always"}, asked(messages=(user("clock"), result), tools=(CLOCK,)))).choices[0]
    assert text_of(choice) == "The tool answered: 21 degrees"


async def test_json_answers_fit_their_schema() -> None:
    """A JSON schema is fulfilled; without one a JSON object is an object."""
    form = ResponseFormat(kind="json_schema", name="w", schema=WEATHER.parameters)
    found = json.loads(text_of((await answer({"reply": "not JSON"}, asked(response_format=form))).choices[0]))
    assert jsonschema_rs.is_valid(WEATHER.parameters, found)
    plain = ResponseFormat(kind="json_object")
    assert isinstance(json.loads(text_of((await answer({}, asked(response_format=plain))).choices[0])), dict)


async def test_a_schema_without_value_is_an_error() -> None:
    """A schema that cannot be fulfilled is refused, with the remedy."""
    form = ResponseFormat(kind="json_schema", schema={"type": "integer", "minimum": 2, "maximum": 1})
    with pytest.raises(ProviderRejected, match="cannot make a value") as caught:
        await answer({}, asked(response_format=form))
    assert (caught.value.failure, caught.value.param) == (Failure.UNSUPPORTED_FEATURE, "response_format")


@pytest.mark.parametrize(
    ("script", "settings", "expected"),
    [
        ({}, None, False),
        ({}, ReasoningSettings(effort="none"), False),
        ({}, ReasoningSettings(enabled=False), False),
        ({}, ReasoningSettings(effort="low"), True),
        ({"reasoning": True}, None, True),
        ({"replies": [{"reasoning": "As asked: {prompt}"}]}, None, True),
        ({"reasoning": "Let me see."}, None, True),
    ],
)
async def test_reasoning_comes_first_and_is_counted(
    script: dict[str, object], settings: ReasoningSettings | None, expected: bool
) -> None:
    """Thinking is written when asked for or scripted, is signed, and counts among the output tokens."""
    found = await answer(script, asked(reasoning=settings))
    first = found.choices[0].message.parts[0]
    assert found.usage is not None
    assert (found.usage.reasoning_tokens > 0) == expected
    assert isinstance(first, Reasoning) == expected
    if isinstance(first, Reasoning):
        assert first.signature
        assert found.usage.output_tokens > found.usage.reasoning_tokens


async def test_thinking_keeps_to_its_budget() -> None:
    """The budget for thinking bounds it."""
    found = await answer({}, asked(reasoning=ReasoningSettings(budget_tokens=5)))
    assert found.usage is not None
    assert found.usage.reasoning_tokens == 5


async def test_stop_sequences_end_the_text() -> None:
    """The earliest stop sequence cuts the text and is named."""
    choice = (await answer({"reply": "one two three"}, asked(stop=("three", "two")))).choices[0]
    assert text_of(choice) == "one "
    assert (choice.finish_reason, choice.stop_sequence) == (FinishReason.STOP_SEQUENCE, "two")


@pytest.mark.parametrize("tokens", [1, 2, 5, 48, 100])
async def test_limits_of_output_hold(tokens: int) -> None:
    """No answer is longer than allowed, thinking included; one that is cut says so."""
    found = await answer({"reasoning": True, "reply_tokens": 24}, asked(max_output_tokens=tokens))
    assert found.usage is not None
    assert found.usage.output_tokens == min(tokens, 48)
    assert found.choices[0].finish_reason is (FinishReason.STOP if tokens >= 48 else FinishReason.LENGTH)


async def test_a_tool_call_is_cut_like_any_text() -> None:
    """A limit inside a tool call leaves half its arguments, as models do."""
    request = asked("get_weather", tools=(WEATHER,), max_output_tokens=5)
    choice = (await answer({}, request)).choices[0]
    assert choice.finish_reason is FinishReason.LENGTH
    with pytest.raises(json.JSONDecodeError):
        json.loads(calls_of(choice)[0].arguments)


@pytest.mark.parametrize("rule", [{"refusal": "I will not do that."}, {"reasoning": "Let me think about it."}])
async def test_every_text_is_cut(rule: dict[str, object]) -> None:
    """Refusals and thinking are cut like answers, and what is cut carries no proof that it is whole."""
    choice = (await answer({"replies": [rule]}, asked(max_output_tokens=2))).choices[0]
    (part,) = choice.message.parts
    assert isinstance(part, Refusal | Reasoning)
    assert part.text in {"I will", "Let me"}
    assert choice.finish_reason is FinishReason.LENGTH
    assert getattr(part, "signature", None) is None


async def test_directives_dictate_the_answer() -> None:
    """Where they are allowed, directives have the first word."""
    script: dict[str, object] = {"directives": True, "replies": [{"reply": "rule"}]}
    assert text_of((await answer(script, asked("[[reply dictated]]"))).choices[0]) == "dictated"
    found = await answer({"directives": True, "reply": "x"}, asked("[[tokens 7]]"))
    assert found.usage is not None
    assert found.usage.output_tokens == 7
    choice = (await answer({"directives": True}, asked("[[call_tool clock]]", tools=(WEATHER, CLOCK)))).choices[0]
    assert [call.name for call in calls_of(choice)] == ["clock"]


async def test_several_answers_differ() -> None:
    """Each of `n` answers is another one, and all are counted."""
    found = await answer({}, asked(n=3))
    assert len({text_of(choice) for choice in found.choices}) == 3
    assert found.usage is not None
    assert found.usage.output_tokens == 3 * 48


async def test_usage_can_be_withheld() -> None:
    """A script may keep the usage to itself."""
    assert (await answer({"usage": False}, asked())).usage is None
