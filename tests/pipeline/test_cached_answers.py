"""Answers made into entries, and entries made into answers."""

from __future__ import annotations

import pytest

from narthex.cache.tiers.memory import Held
from narthex.pipeline.cached_answers import Hit, Unfit, check, give, said_by
from narthex.testing.wires import openai_answer
from narthex.types.answers import ChatAnswer, Choice, FinishReason
from narthex.types.dialects import Dialect
from narthex.types.messages import Message, Part, Reasoning, Refusal, Text, ToolCall
from tests.cache.kept import entry
from tests.pipeline.doubles import MESSAGE, exchange

TOOL = ToolCall(id="c", name="f", arguments="{}")


def answer(*parts: Part, finish: FinishReason = FinishReason.STOP, choices: int = 1) -> ChatAnswer:
    """Return an answer that says these."""
    message = Message(role="assistant", parts=parts)
    made = tuple(Choice(index=index, message=message, finish_reason=finish) for index in range(choices))
    return ChatAnswer(id="a", model="m", created_at=1, choices=made)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (answer(Text(text="x"), finish=FinishReason.LENGTH), "length"),
        (answer(Text(text="x"), finish=FinishReason.CONTENT_FILTER), "content_filter"),
        (answer(Text(text="x"), finish=FinishReason.REFUSAL), "refusal"),
        (answer(Text(text="x"), finish=FinishReason.PAUSE), "pause"),
        (answer(Refusal(text="no")), "content"),
        (answer(Text(text="")), "empty"),
        (answer(Reasoning(text="hm")), "empty"),
        (answer(Text(text="x"), TOOL), "tool_calls"),
        (answer(Text(text="x"), choices=0), "empty"),
    ],
)
def test_what_is_not_kept(said: ChatAnswer, reason: str) -> None:
    """What was cut, filtered, declined or paused, says nothing, or has consequences."""
    with pytest.raises(Unfit, match=reason):
        check(said, tool_calls=False)


def test_what_is_kept() -> None:
    """Whole answers, with their reasoning, however many; calls of tools where that is wanted."""
    check(answer(Reasoning(text="hm"), Text(text="x"), choices=3), tool_calls=False)
    check(answer(Text(text="x"), finish=FinishReason.STOP_SEQUENCE), tool_calls=False)
    check(answer(TOOL, finish=FinishReason.TOOL_CALLS), tool_calls=True)


def test_a_body_is_given_as_it_was() -> None:
    """In its own dialect byte for byte, what the vocabulary has no word for included; in another it is translated."""
    body = openai_answer("Hi")[:-1] + b',"of_the_vendor":1}'
    held = Held(entry(form="body", dialect=Dialect.OPENAI_CHAT, data=body))
    same, other = exchange(MESSAGE), exchange(MESSAGE, dialect=Dialect.ANTHROPIC_MESSAGES)
    give(same, held, "hit")
    give(other, held, "stale")
    assert same.answer is not None
    assert same.answer.body == body
    assert other.answer is not None
    assert b'"text":"Hi"' in other.answer.body
    assert isinstance(same.hit, Hit)
    assert (same.hit.kind, same.hit.picousd) == ("hit", 700)
    assert other.hit is not None
    assert other.hit.kind == "stale"
    assert same.usage is not None
    assert same.usage.output_tokens == 5


@pytest.mark.parametrize(("form", "dialect"), [("answer", None), ("body", Dialect.OPENAI_CHAT)])
def test_what_is_damaged_is_no_answer(form: str, dialect: Dialect | None) -> None:
    """Bytes that make no sense are given to nobody."""
    with pytest.raises(Unfit):
        said_by(Held(entry(form=form, dialect=dialect, data=b"\xc1{")))


def test_it_is_read_once() -> None:
    """However many ask in another form."""
    held = Held(entry(form="body", dialect=Dialect.OPENAI_CHAT, data=openai_answer("Hi")))
    assert said_by(held) is said_by(held)
