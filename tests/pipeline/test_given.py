"""What is given becomes an answer in the caller's form, or is refused."""

from __future__ import annotations

import json

import pytest

from narthex.errors import InternalError
from narthex.pipeline.answers import Given
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.given import NAME, TARGET, Nobody, UnfitAnswer, give
from narthex.providers.contract import Call, Timeouts
from narthex.types.dialects import Dialect, Operation
from narthex.types.events import Ended, Finished, Started, TextDelta, UsageReported
from narthex.types.messages import Message, Text, ToolCall
from narthex.types.usage import Usage
from tests.pipeline.doubles import CHAT, MESSAGE, exchange

TOLD: dict[str, object] = {"fallback": "static"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def _given(call: Exchange, given: Given) -> Exchange:
    call.read_head()
    give(call, given, told=TOLD)
    assert call.answer is not None
    assert call.answer.closed
    assert call.answer.error is None
    assert call.usage == Usage()
    assert call.model_answered == NAME
    return call


@pytest.mark.parametrize("dialect", [Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES])
def test_a_text_becomes_a_whole_answer(dialect: Dialect) -> None:
    """In the caller's dialect, under a name that is no model's, and with nothing used."""
    call = _given(exchange(MESSAGE, dialect=dialect), "Later.")
    assert call.answer is not None
    body = json.loads(call.answer.body)
    assert body["model"] == NAME
    assert "Later." in call.answer.body.decode()
    assert sum(value for value in body["usage"].values() if isinstance(value, int)) == 0


def test_a_text_becomes_a_stream_that_says_what_it_is() -> None:
    """The end of the stream tells that no model answered."""
    call = _given(exchange({**CHAT, "stream": True}), "Later.")
    assert call.answer is not None
    events = call.answer.reader().take()
    assert [type(event) for event in events] == [Started, TextDelta, Finished, UsageReported, Ended]
    assert isinstance(events[2], Finished)
    assert events[2].told == TOLD


def test_a_message_may_call_tools_and_comes_as_often_as_asked() -> None:
    """A message with a tool call finishes as one; several answers asked for are several alike."""
    message = Message(role="user", parts=(ToolCall(id="1", name="wait", arguments="{}"),))
    call = _given(exchange({**CHAT, "n": 2}), message)
    assert call.answer is not None
    choices = json.loads(call.answer.body)["choices"]
    assert [choice["finish_reason"] for choice in choices] == ["tool_calls"] * 2
    assert choices[1]["message"]["role"] == "assistant"


@pytest.mark.parametrize(
    ("form", "text", "fits"),
    [
        ({"type": "text"}, "Later.", True),
        ({"type": "json_object"}, "Later.", False),
        ({"type": "json_object"}, '{"b": 1}', True),
        ({"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}, '{"b": 1}', False),
        ({"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}, '{"a": 1}', True),
    ],
)
def test_a_text_must_have_the_form_that_was_asked_for(form: dict[str, object], text: str, *, fits: bool) -> None:
    """Whoever asked for JSON gets JSON of that schema, or the error."""
    call = exchange({**CHAT, "response_format": form})
    if fits:
        _given(call, text)
        return
    with pytest.raises(UnfitAnswer):
        give(call, text, told=TOLD)
    assert call.answer is None


def test_vectors_become_embeddings() -> None:
    """One vector for each input, in order."""
    body = {"model": "up/e", "input": ["a", "b"]}
    call = exchange(body, dialect=Dialect.OPENAI_EMBEDDINGS, operation=Operation.EMBED)
    answer = _given(call, [[0, 1.5], (2.0, 3.0)]).answer
    assert answer is not None
    assert [one["embedding"] for one in json.loads(answer.body)["data"]] == [[0.0, 1.5], [2.0, 3.0]]


@pytest.mark.parametrize(
    "given",
    [
        "text",
        7,
        [],
        [[1.0]],
        [[1.0], [1.0, 2.0]],
        [[], []],
        [1.0, 2.0],
        [["a"], ["b"]],
        [[float("nan")], [1.0]],
        [[1.0, 2.0], [3.0, 4.0]],
    ],
    ids=str,
)
def test_vectors_that_do_not_fit_are_refused(given: Given) -> None:
    """Too few, of different or of another length than asked for, no numbers, or not finite."""
    body = {"model": "up/e", "input": ["a", "b"], "dimensions": 1}
    call = exchange(body, dialect=Dialect.OPENAI_EMBEDDINGS, operation=Operation.EMBED)
    with pytest.raises(UnfitAnswer):
        give(call, given, told=TOLD)


def test_a_number_becomes_a_count() -> None:
    """A count of tokens is answered by a whole number, and by nothing else."""
    call = exchange(MESSAGE, dialect=Dialect.ANTHROPIC_COUNT_TOKENS, operation=Operation.COUNT_TOKENS)
    answer = _given(call, 7).answer
    assert answer is not None
    assert json.loads(answer.body) == {"input_tokens": 7}
    for wrong in (-1, True, "7"):
        with pytest.raises(UnfitAnswer):
            give(call, wrong, told=TOLD)


@pytest.mark.parametrize("given", [7, [[1.0]], b"bytes"])
def test_a_chat_is_answered_by_words(given: Given) -> None:
    """Numbers and vectors are no answer to a chat."""
    with pytest.raises(UnfitAnswer):
        give(exchange(CHAT), given, told=TOLD)


async def test_nobody_can_be_asked() -> None:
    """What stands for the provider of a registered answer serves nothing, and is always well."""
    nobody = Nobody()
    assert await nobody.list_models() == ()
    assert nobody.health().status == "ok"
    await nobody.aclose()
    with pytest.raises(InternalError):
        await nobody.send(Call(Operation.CHAT, "m", Dialect.NATIVE, b"", False, Timeouts()))
    assert (TARGET.name, TARGET.header) == (NAME, b"x-narthex-model: narthex/fallback\r\n")


def test_text_parts_are_checked_together() -> None:
    """A message whose text is in several parts is held to the form as one text."""
    message = Message(role="assistant", parts=(Text(text='{"a":'), Text(text=" 1}")))
    _given(exchange({**CHAT, "response_format": {"type": "json_object"}}), message)
