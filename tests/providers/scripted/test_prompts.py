"""What a script sees of a request."""

from __future__ import annotations

from narthex.providers.scripted.prompts import input_tokens, read_prompt
from narthex.types.messages import Audio, File, Image, Message, Reasoning, Refusal, Text, ToolCall, ToolResult
from narthex.types.requests import ChatRequest, Tool
from tests.providers.scripted.calls import asked, user


def test_the_prompt_is_the_last_message_of_the_user() -> None:
    """Rules look at what the user said last, templates also at the system's words."""
    request = ChatRequest(
        model="m",
        messages=(
            Message(role="system", parts=(Text(text="Be kind."),)),
            user("first"),
            Message(role="assistant", parts=(Text(text="yes"),)),
            Message(role="user", parts=(Text(text="a"), Image(url="https://example.com/i.png"), Text(text="b"))),
        ),
    )
    prompt = read_prompt("m", request)
    assert (prompt.text, prompt.system, prompt.tool_result) == ("a\nb", "Be kind.", None)


def test_a_tool_result_is_seen_where_it_is_the_last_word() -> None:
    """Results of tools are not the user's words, though one dialect sends them in the user's name."""
    result = ToolResult(tool_call_id="c", parts=(Text(text="21 degrees"),))
    for role in ("tool", "user"):
        request = asked(messages=(user("weather?"), Message(role=role, parts=(result,))))
        prompt = read_prompt("m", request)
        assert (prompt.text, prompt.tool_result) == ("weather?", "21 degrees")


def test_every_part_counts() -> None:
    """Each kind of part adds to the input tokens, and so do the tools offered."""
    parts = (
        Text(text="one two"),
        Image(url="https://example.com/i.png"),
        Audio(data="AAAA", format="wav"),
        File(text="words in a file"),
        ToolCall(id="c", name="clock", arguments="{}"),
        ToolResult(tool_call_id="c", parts=(Text(text="noon"),)),
        Reasoning(text="hm"),
        Refusal(text="no"),
    )
    counts = [input_tokens(asked(messages=(Message(role="user", parts=parts[:end]),))) for end in range(len(parts) + 1)]
    assert counts == sorted(set(counts))
    tool = Tool(name="clock", description="Tells the time.", parameters={"type": "object"})
    assert input_tokens(asked("x", tools=(tool,))) > input_tokens(asked("x"))
