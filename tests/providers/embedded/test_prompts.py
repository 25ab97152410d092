"""A request in the words the engine takes."""

from __future__ import annotations

import json
from typing import cast

import msgspec
import pytest

from narthex.errors import ContextTooLong, InvalidRequest, UnsupportedContent
from narthex.providers.embedded.prompts import Habits, Prompt, prompt_of, written_messages
from narthex.types.messages import (
    Audio,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from narthex.types.requests import ChatRequest, ReasoningSettings, ResponseFormat, Tool


def _said(role: Role, *parts: Part | str, name: str | None = None) -> Message:
    given = tuple(Text(text=part) if isinstance(part, str) else part for part in parts)
    return Message(role=role, parts=given, name=name)


def _prompt(*messages: Message, **fields: object) -> Prompt:
    request = ChatRequest(model="m", messages=messages or (_said("user", "hi"),))
    return prompt_of(
        msgspec.structs.replace(request, **fields),
        habits=Habits(temperature=0.2, top_p=0.9, max_output_tokens=100),
        context_tokens=256,
        most_choices=4,
    )


def _written(*messages: Message) -> list[tuple[object, object]]:
    return [(one["role"], one["content"]) for one in written_messages(messages)]


def test_the_engine_is_asked_to_stream_with_usage() -> None:
    """Whole answers are streams too: only so can they be stopped."""
    document = _prompt().document
    assert document["stream"] is True
    assert document["stream_options"] == {"include_usage": True}
    assert document["return_progress"] is True


def test_a_model_has_its_habits_and_the_caller_the_last_word() -> None:
    """What the caller leaves out is the model's own choice."""
    habits = _prompt().document
    assert (habits["temperature"], habits["top_p"], habits["max_tokens"]) == (0.2, 0.9, 100)
    asked = _prompt(temperature=0.0, top_p=1.0, max_output_tokens=5).document
    assert (asked["temperature"], asked["top_p"], asked["max_tokens"]) == (0.0, 1.0, 5)


def test_tuning_reaches_the_engine() -> None:
    """Each field in the engine's own form; those of no meaning here do not."""
    prompt = _prompt(
        stop=("a", "b"),
        n=2,
        logprobs=True,
        top_logprobs=3,
        seed=-1,
        top_k=5,
        presence_penalty=0.5,
        frequency_penalty=-0.5,
        logit_bias={"12": -100.0},
        reasoning=ReasoningSettings(enabled=False),
        user="someone",
        extra={"grammar": "root ::= x"},
    )
    document = prompt.document
    assert prompt.choices == 2
    assert document["stop"] == ["a", "b"]
    assert (document["n"], document["top_k"]) == (2, 5)
    assert (document["logprobs"], document["top_logprobs"]) == (True, 3)
    assert document["seed"] == (1 << 32) - 2
    assert (document["presence_penalty"], document["frequency_penalty"]) == (0.5, -0.5)
    assert document["logit_bias"] == [[12, -100.0]]
    assert document["chat_template_kwargs"] == {"enable_thinking": False}
    assert not {"grammar", "user", "extra"} & document.keys()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"n": 5}, "n"),
        ({"n": 0}, "n"),
        ({"max_output_tokens": -1}, "max_tokens"),
        ({"stop": ("x", "")}, "stop"),
        ({"stop": ("x",) * 17}, "stop"),
        ({"logit_bias": {"word": 1.0}}, "logit_bias"),
        ({"messages": ()}, "messages"),
        ({"temperature": float("nan")}, "temperature"),
    ],
)
def test_what_is_out_of_range_is_named(fields: dict[str, object], param: str) -> None:
    """The message says what was expected, and `param` where."""
    with pytest.raises(InvalidRequest, match=param) as caught:
        _prompt(**fields)
    assert caught.value.param == param


def test_roles_become_three_and_neighbours_one() -> None:
    """What every template can take: system, user and assistant, never twice in a row."""
    assert _written(
        _said("system", "Be brief."),
        _said("developer", "Be kind."),
        _said("user", "One", "two", name="Ann"),
        _said("user", "three"),
        _said("assistant", "Four", Refusal(text="no")),
    ) == [
        ("system", "Be brief.\n\nBe kind."),
        ("user", "Ann: One\ntwo\n\nthree"),
        ("assistant", "Four\nno"),
    ]


def test_calls_and_results_are_told_in_text() -> None:
    """Calls in the form that the model is held to, results by the name of their tool."""
    written = _written(
        _said("assistant", Reasoning(text="hm"), "Let me look.", ToolCall(id="c1", name="look", arguments='{"a": 1}')),
        _said("tool", ToolResult(tool_call_id="c1", parts=(Text(text="found"),))),
        _said("tool", ToolResult(tool_call_id="c2", parts=(Text(text="lost"),), is_error=True)),
        _said("assistant", ToolCall(id="c3", name="look", arguments="not json")),
    )
    assert written[0] == ("assistant", 'Let me look.\n{"tool_calls": [{"name": "look", "arguments": {"a": 1}}]}')
    assert written[1] == ("user", "Result of look:\nfound\n\nError from the tool:\nlost")
    assert json.loads(str(written[2][1])) == {"tool_calls": [{"name": "look", "arguments": "not json"}]}


def test_text_files_are_read_and_others_refused() -> None:
    """What is text reaches the model; a picture, a sound or a PDF is refused, and `param` says where."""
    assert _written(_said("user", File(text="page", filename="a.txt"))) == [("user", "a.txt:\npage")]
    assert _written(_said("user", File(text="page"))) == [("user", "page")]
    for part in (
        Image(url="https://example.com/a.png"),
        Audio(data="AAAA", format="wav"),
        File(data="AAAA", media_type="application/pdf"),
        ToolResult(tool_call_id="1", parts=(Image(file_id="1"),)),
    ):
        with pytest.raises(UnsupportedContent, match="only text") as caught:
            _written(_said("user", "hi"), _said("user", part))
        assert caught.value.param == "messages.1.content"


def test_schemas_are_enforced() -> None:
    """A schema may refer to itself; JSON without one is any object; text is free."""
    form = ResponseFormat(kind="json_schema", schema={"type": "object", "properties": {"child": {"$ref": "#"}}})
    wished = cast("dict[str, dict[str, object]]", _prompt(response_format=form).document["response_format"])
    assert wished["json_schema"]["schema"] == {
        "$ref": "#/$defs/answer",
        "$defs": {"answer": {"type": "object", "properties": {"child": {"$ref": "#/$defs/answer"}}}},
    }
    assert _prompt(response_format=ResponseFormat(kind="json_object")).document["response_format"] == {
        "type": "json_object"
    }
    assert "response_format" not in _prompt(response_format=ResponseFormat(kind="text")).document


def test_tools_are_told_after_what_the_caller_says() -> None:
    """The caller's own system message comes first, in one message with the tools."""
    tool = Tool(name="look")
    for messages in ((_said("system", "Be brief."), _said("user", "hi")), (_said("user", "hi"),)):
        prompt = _prompt(*messages, tools=(tool,))
        written = cast("list[dict[str, str]]", prompt.document["messages"])
        assert prompt.is_emulated
        assert [one["role"] for one in written] == ["system", "user"]
        assert '"look"' in written[0]["content"]
        assert written[0]["content"].startswith("Be brief." if len(messages) == 2 else "You can call")


def test_what_can_never_fit_is_not_even_read() -> None:
    """Megabytes for a window of 256 tokens are refused before the engine counts them."""
    with pytest.raises(ContextTooLong, match="256 tokens"):
        _prompt(_said("user", "x" * 40_000))
