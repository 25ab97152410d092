"""The input tokens of a whole request."""

from __future__ import annotations

import asyncio

import pytest

from narthex.tokens.counting import count_chat, count_chat_async
from narthex.types.messages import (
    Audio,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from narthex.types.requests import ChatRequest, ResponseFormat, Tool


def _said(role: str, text: str, name: str | None = None) -> Message:
    assert role in ("system", "user")
    return Message(role="system" if role == "system" else "user", parts=(Text(text=text),), name=name)


COOKBOOK = ChatRequest(
    model="gpt-4o",
    messages=(
        _said(
            "system",
            "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.",
        ),
        _said("system", "New synergies will help drive top-line growth.", "example_user"),
        _said("system", "Things working well together will increase revenue.", "example_assistant"),
        _said(
            "system",
            "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
            "example_user",
        ),
        _said("system", "Let's talk later when we're less busy about how to do better.", "example_assistant"),
        _said("user", "This late pivot means we don't have time to boil the ocean for the client deliverable."),
    ),
)


@pytest.mark.parametrize(
    ("model", "tokens"),
    [("gpt-3.5-turbo", 129), ("gpt-4", 129), ("gpt-4o", 124), ("openai/gpt-4o-mini", 124)],
)
def test_counts_a_chat_as_openai_bills_it(model: str, tokens: int) -> None:
    """The conversation of OpenAI's cookbook has the prompt tokens that its API reported for it."""
    count = count_chat(COOKBOOK, model)
    assert (count.tokens, count.exact) == (tokens, True)


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "gemini-2.5-pro", "gpt-5", "smollm2"])
def test_other_models_are_estimates(model: str) -> None:
    """What no vendor documents is counted by o200k, and marked."""
    count = count_chat(COOKBOOK, model)
    assert (count.tokens, count.exact) == (124, False)


@pytest.mark.parametrize(
    "part",
    [
        Image(url="https://example.com/a.png"),
        Audio(data="AAAA", format="wav"),
        File(text="a page"),
        File(data="AAAA", media_type="application/pdf"),
        ToolCall(id="1", name="look", arguments="{}"),
        ToolResult(tool_call_id="1", parts=(Text(text="found"),)),
        Reasoning(text="thinking"),
        Refusal(text="no"),
    ],
    ids=lambda part: type(part).__name__,
)
def test_what_is_not_text_makes_an_estimate(part: Part) -> None:
    """Every other kind of part adds tokens, and takes the exactness away."""
    plain = ChatRequest(model="m", messages=(Message(role="user", parts=()),))
    with_part = ChatRequest(model="m", messages=(Message(role="user", parts=(part,)),))
    count = count_chat(with_part, "gpt-4o")
    assert count.tokens > count_chat(plain, "gpt-4o").tokens
    assert not count.exact


def test_tools_and_schemas_are_estimates() -> None:
    """What is written into the prompt in an undocumented way counts by its JSON, and is marked."""
    tool = Tool(name="look", description="Look it up", parameters={"type": "object"})
    form = ResponseFormat(kind="json_schema", name="a", schema={"type": "object"})
    plain = ChatRequest(model="m", messages=COOKBOOK.messages)
    for request in (
        ChatRequest(model="m", messages=COOKBOOK.messages, tools=(tool,)),
        ChatRequest(model="m", messages=COOKBOOK.messages, response_format=form),
    ):
        count = count_chat(request, "gpt-4o")
        assert count.tokens > count_chat(plain, "gpt-4o").tokens
        assert not count.exact


async def test_long_texts_leave_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short texts are counted at once; long ones and images in a thread; the numbers are the same."""
    sent: list[object] = []
    to_thread = asyncio.to_thread

    async def noted(*given: object) -> object:
        sent.append(given)
        return await to_thread(*given)  # type: ignore[arg-type]  # the very arguments it was called with

    count_chat(COOKBOOK, "gpt-4o")
    monkeypatch.setattr(asyncio, "to_thread", noted)
    short = ChatRequest(model="m", messages=(_said("user", "hi"),))
    long = ChatRequest(model="m", messages=(_said("user", "hi " * 1_000),))
    seen = ChatRequest(model="m", messages=(Message(role="user", parts=(Image(url="https://example.com"),)),))
    assert await count_chat_async(short, "gpt-4o") == count_chat(short, "gpt-4o")
    assert len(sent) == 0
    for request in (long, seen):
        assert await count_chat_async(request, "gpt-4o") == count_chat(request, "gpt-4o")
    assert len(sent) == 2
