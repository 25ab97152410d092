"""What a request asks, and the digest of everything else in it."""

from __future__ import annotations

import msgspec
import pytest

from narthex.cache.semantic.questions import category_of, question_of
from narthex.types.messages import Audio, CacheMarker, Image, Message, Part, Text, ToolCall, ToolResult
from narthex.types.requests import ChatRequest, ReasoningSettings, ResponseFormat, Tool, ToolChoice
from tests.cache.semantic.asking import request, said

TOOL = Tool(name="send_mail")


def scope(asked: ChatRequest, *, tenant: str = "acme", model: str = "m") -> bytes:
    """Return the digest of a request that is served."""
    question = question_of(asked, tenant, model)
    assert question is not None
    return question.scope


BASE = request("How do I reset my router?", system="You help.")


def test_only_the_last_message_is_outside_of_the_digest() -> None:
    """How it is typed, or what it asks, changes nothing of the scope."""
    assert scope(BASE) == scope(request("Hi, how can I reset it? thanks", system="You help."))
    marked = Message(role="system", parts=(Text(text="You help.", cache=CacheMarker(ttl="1h")),))
    assert scope(BASE) == scope(msgspec.structs.replace(BASE, messages=(marked, BASE.messages[-1])))
    assert scope(BASE) == scope(msgspec.structs.replace(BASE, stream=True, include_usage=True, user="u", metadata={}))


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.3},
        {"top_p": 0.3},
        {"top_k": 3},
        {"max_output_tokens": 10},
        {"stop": ("x",)},
        {"seed": 1},
        {"presence_penalty": 0.1},
        {"frequency_penalty": 0.1},
        {"logit_bias": {"1": 1.0}},
        {"response_format": ResponseFormat(kind="json_object")},
        {"reasoning": ReasoningSettings(effort="high")},
        {"extra": {"verbosity": "low"}},
    ],
)
def test_what_shapes_the_answer_is_in_the_digest(change: dict[str, object]) -> None:
    """Each of it alone makes another scope."""
    assert scope(msgspec.structs.replace(BASE, **change)) != scope(BASE)


def test_tenant_model_prompt_and_language_are_in_the_digest() -> None:
    """And no two of them can be taken for one by where they are cut."""
    assert scope(BASE, tenant="other") != scope(BASE)
    assert scope(BASE, model="other") != scope(BASE)
    assert scope(BASE, tenant="ac", model="mem") != scope(BASE, tenant="acm", model="em")
    assert scope(request("How do I reset my router?", system="You help")) != scope(BASE)
    assert scope(request("How do I reset my router?")) != scope(BASE)
    assert scope(request("Wie kann ich das zurücksetzen?", system="You help.")) != scope(BASE)


def test_the_conversation_so_far_is_in_the_digest() -> None:
    """Who said what, in which order: the same last words mean something else after other ones."""
    one = request("I have a gym membership.", "Cancel or freeze it?", "cancel it")
    other = request("I have a streaming plan.", "Cancel or change it?", "cancel it")
    assert scope(one) != scope(other)
    joined = request("I have a gym membership.Cancel or freeze it?", "", "cancel it")
    assert scope(one) != scope(joined)
    flipped = ChatRequest(model="m", messages=(said("assistant", "a b c d"), said("user", "cancel it")))
    assert scope(flipped) != scope(
        ChatRequest(model="m", messages=(said("user", "a b c d"), said("user", "cancel it")))
    )


@pytest.mark.parametrize(
    "text",
    [
        "What's the weather like in Rome?",
        "What is the latest version of it?",
        "Who is the president right now?",
        "What's my name?",
        "Where is my order?",
        "Write to bob@example.com about it",
        "Is card 4111 1111 1111 1111 valid?",
        "Summarise the text above",
        "ok",
        "",
        "why " * 400,
    ],
)
def test_what_only_holds_now_or_for_one_is_never_served(text: str) -> None:
    """Nor what is too short to mean anything by itself, or too long to be embedded whole."""
    assert question_of(request(text), "acme", "m") is None


@pytest.mark.parametrize(
    "part",
    [
        Image(url="https://x/y.png"),
        Audio(data="", format="wav"),
        ToolCall(id="1", name="send_mail", arguments="{}"),
        ToolResult(tool_call_id="1"),
    ],
)
def test_what_is_more_than_text_is_never_served(part: Part) -> None:
    """Wherever in the conversation it stands."""
    last = said("user", "How do I reset it?")
    within = Message(role="user", parts=(Text(text="How do I reset it?"), part))
    assert question_of(ChatRequest(model="m", messages=(within,)), "acme", "m") is None
    assert question_of(ChatRequest(model="m", messages=(within, last)), "acme", "m") is None


def test_tools_are_served_only_where_they_change_nothing() -> None:
    """Or where they may not be used."""
    asked = msgspec.structs.replace(BASE, tools=(TOOL,))
    assert question_of(asked, "acme", "m") is None
    assert question_of(asked, "acme", "m", safe_tools={"send_mail"}) is not None
    unused = msgspec.structs.replace(asked, tool_choice=ToolChoice(mode="none"))
    assert question_of(unused, "acme", "m") is not None
    assert scope(unused) != scope(BASE)


def test_several_answers_and_log_probabilities_are_never_served() -> None:
    """Nor a conversation that the model speaks last in."""
    assert question_of(msgspec.structs.replace(BASE, n=2), "acme", "m") is None
    assert question_of(msgspec.structs.replace(BASE, logprobs=True), "acme", "m") is None
    assert question_of(request("How do I reset it?", "So:"), "acme", "m") is None
    assert question_of(ChatRequest(model="m", messages=()), "acme", "m") is None


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("How do I sort a list in Python?", "code"),
        ("How do I plant tomatoes?", "howto"),
        ("Who wrote it?", "fact"),
        ("Can I bring a dog?", "choice"),
        ("Write a haiku", "order"),
        ("And then?", "other"),
    ],
)
def test_categories(text: str, category: str) -> None:
    """By form."""
    assert category_of(text) == category
