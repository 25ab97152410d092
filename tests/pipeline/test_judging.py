"""Tests of what a judge is asked, and what its verdict is worth."""

from __future__ import annotations

import json

import pytest

from narthex.pipeline.judging import MAX_ANSWER_CHARACTERS, Verdict, question, read_verdict, said_by
from narthex.types.answers import ChatAnswer, Choice, FinishReason
from narthex.types.messages import Message, Part, Reasoning, Text, ToolCall
from narthex.types.requests import ChatRequest

ASKED = ChatRequest(model="m", messages=(Message(role="user", parts=(Text(text="Which way?"),)),))


def answer_of(*parts: Part) -> ChatAnswer:
    """Return an answer with these parts."""
    message = Message(role="assistant", parts=parts)
    choice = Choice(index=0, message=message, finish_reason=FinishReason.STOP)
    return ChatAnswer(id="a", model="m", created_at=1, choices=(choice,))


def test_the_question() -> None:
    """The judge gets the conversation and the answers as data, and must name one of them by a schema."""
    answers = [
        answer_of(Reasoning(text="hm"), Text(text="Left.")),
        answer_of(ToolCall(id="c", name="f", arguments="{}")),
    ]
    asked = question(ASKED, answers, judge="j/z", criteria="The shorter.")
    system, user = ("".join(part.text for part in one.parts if isinstance(part, Text)) for one in asked.messages)
    assert "The shorter." in system
    data = json.loads(user)
    assert data["conversation"] == "user: Which way?"
    assert [one["answer"] for one in data["answers"]] == ["Left.", "[calls f with {}]"]
    assert asked.response_format is not None
    assert asked.response_format.schema is not None
    assert asked.response_format.schema["properties"] == {"best": {"type": "integer", "enum": [0, 1]}}
    assert asked.model == "j/z"


def test_long_answers_are_cut_for_the_judge() -> None:
    """What it reads has a bound."""
    asked = question(ASKED, [answer_of(Text(text="x" * 99_999))] * 2, judge="j/z", criteria=None)
    text = "".join(part.text for part in asked.messages[1].parts if isinstance(part, Text))
    assert len(text) < 2 * MAX_ANSWER_CHARACTERS + 1_000


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ('{"best": 1}', Verdict(1, "verdict")),
        ('{"best": "1"}', Verdict(1, "repaired")),
        ('I think: {"best": 1', Verdict(1, "repaired")),
        ('{"best": 2}', Verdict(0, "fallback")),
        ('{"best": -1}', Verdict(0, "fallback")),
        ('{"best": true}', Verdict(0, "fallback")),
        ('{"best": 1.0}', Verdict(0, "fallback")),
        ("[1]", Verdict(0, "fallback")),
        ("the first", Verdict(0, "fallback")),
        ("", Verdict(0, "fallback")),
        (None, Verdict(0, "fallback")),
    ],
)
def test_verdicts(text: str | None, verdict: Verdict) -> None:
    """An index within the answers is taken; everything else is worth the first answer, and told to be."""
    assert read_verdict(text, 2) == verdict


def test_what_an_answer_says() -> None:
    """Only its text counts."""
    assert said_by(answer_of(Reasoning(text="hm"), Text(text="{}"))) == "{}"
