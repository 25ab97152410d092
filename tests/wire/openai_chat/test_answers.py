"""Whole answers: read, written and looked over, and never taken for whole without their end."""

from __future__ import annotations

import json
from typing import cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion

from narthex.types.answers import ChatAnswer, Choice, FinishReason, TokenLogprob
from narthex.types.dialects import Dialect
from narthex.types.messages import Message, Part, Reasoning, Refusal, Text, ToolCall
from narthex.types.usage import Usage
from narthex.wire.contract import MalformedBody, WholeScan
from narthex.wire.openai_chat.answers import decode_answer, encode_answer, scan_answer
from tests.wire.openai_chat.strategies import SOURCE, answers

WHOLE = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "gpt-4o-2024",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "hi", "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "total_tokens": 30,
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 5},
    },
    "system_fingerprint": "fp_1",
    "service_tier": "default",
}


def body(**members: object) -> bytes:
    """Write a whole answer with other members."""
    return json.dumps(WHOLE | members).encode()


def choice(message: dict[str, object], finish: object = "stop", **members: object) -> dict[str, object]:
    """Write a choice."""
    return {"index": 0, "message": {"role": "assistant"} | message, "finish_reason": finish} | members


def only(message: dict[str, object], finish: object = "stop", **members: object) -> Choice:
    """Read the only choice of an answer."""
    [read] = decode_answer(body(choices=[choice(message, finish, **members)])).choices
    return read


def answer(*parts: Part, reason: FinishReason = FinishReason.STOP, **members: object) -> ChatAnswer:
    """Make an answer of one choice."""
    message = Message(role="assistant", parts=parts)
    made = ChatAnswer(
        id="a", model="m", created_at=7, choices=(Choice(index=0, message=message, finish_reason=reason),)
    )
    return msgspec.structs.replace(made, **members)


def written(given_answer: ChatAnswer) -> dict[str, object]:
    """Write an answer, check it against OpenAI's own types, and read it as plain JSON."""
    encoded = encode_answer(given_answer)
    ChatCompletion.model_validate_json(encoded)
    return cast("dict[str, object]", msgspec.json.decode(encoded))


@given(answers)
def test_reading_writing_and_reading_again_gives_the_same(given_body: dict[str, object]) -> None:
    """What was understood once is written so that it is understood alike, in OpenAI's own shape."""
    first = decode_answer(json.dumps(given_body).encode())
    again = encode_answer(first)
    ChatCompletion.model_validate_json(again)
    assert decode_answer(again) == first


@given(answers)
def test_looking_over_agrees_with_reading(given_body: dict[str, object]) -> None:
    """An answer that passes through tells the same model and usage as one that is read."""
    raw = json.dumps(given_body).encode()
    read = decode_answer(raw)
    assert scan_answer(raw) == WholeScan(model=read.model, usage=read.usage)


@given(st.binary(max_size=60) | st.recursive(st.none() | st.integers() | st.text(max_size=6), st.lists).map(json.dumps))
def test_any_bytes_are_an_answer_or_malformed(given_body: bytes | str) -> None:
    """Nothing but `MalformedBody` comes of nonsense."""
    raw = given_body if isinstance(given_body, bytes) else given_body.encode()
    for look in (decode_answer, scan_answer):
        with pytest.raises(MalformedBody):
            look(raw)


@given(answers, st.data())
def test_a_strange_member_is_read_or_malformed(given_body: dict[str, object], data: st.DataObject) -> None:
    """A member of the wrong type never crashes, and never makes the two ways of looking disagree."""
    name = data.draw(st.sampled_from(sorted(given_body)))
    given_body[name] = data.draw(st.sampled_from([7, "x", [], {}, [{}], [{"message": {}}], True, None, 1e400]))
    raw = json.dumps(given_body).encode()
    outcomes = []
    for look in (decode_answer, scan_answer):
        try:
            outcomes.append(look(raw).usage)
        except MalformedBody:
            outcomes.append(None)
    if name not in {"choices", "id", "created", "object", "system_fingerprint", "service_tier"}:
        assert outcomes[0] == outcomes[1]


def test_reads_an_answer_in_full() -> None:
    """Identity, usage and what only this dialect says."""
    read = decode_answer(body())
    assert (read.id, read.model, read.created_at) == ("chatcmpl-1", "gpt-4o-2024", 1700000000)
    assert read.usage == Usage(input_tokens=10, output_tokens=20, cache_read_tokens=4, reasoning_tokens=5)
    assert read.extra == {"system_fingerprint": "fp_1", "service_tier": "default"}
    assert read.extra_dialect is Dialect.OPENAI_CHAT
    assert read.choices[0].message.parts == (Text(text="hi"),)


def test_reads_every_kind_of_part() -> None:
    """Thinking, text, and calls stand in the order in which a model makes them."""
    calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}] * 2
    read = only({"content": "text", "reasoning": "hm", "tool_calls": calls}, "tool_calls")
    call = ToolCall(id="c1", name="f", arguments='{"a":1}')
    assert read.message.parts == (Reasoning(text="hm"), Text(text="text"), call, call)
    assert read.finish_reason is FinishReason.TOOL_CALLS


def test_reads_a_refusal() -> None:
    """A refusal is a part of its own, and the reason of the end."""
    read = only({"content": None, "refusal": "I will not"})
    assert read.message.parts == (Refusal(text="I will not"),)
    assert read.finish_reason is FinishReason.REFUSAL


def test_reads_mistrals_lists_and_spoken_answers() -> None:
    """Content in pieces and the words of a spoken answer are text."""
    pieces = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}]
    assert only({"content": pieces}).message.parts == (Reasoning(text="hm"), Text(text="a"))
    spoken: dict[str, object] = {
        "content": None,
        "audio": {"id": "x", "data": "aGk=", "transcript": "hello", "expires_at": 1},
    }
    assert only(spoken).message.parts == (Text(text="hello"),)


def test_reads_log_probabilities() -> None:
    """Tokens keep their probability, their bytes and the likeliest others."""
    token = {"token": "hi", "logprob": -0.5, "bytes": [104, 105]}
    other = {"token": "yo", "logprob": -2.0, "bytes": None}
    given_logprobs = {"content": [token | {"top_logprobs": [token, other]}], "refusal": None}
    read = only({"content": "hi"}, logprobs=given_logprobs)
    hi = TokenLogprob(token="hi", logprob=-0.5, token_bytes=(104, 105))
    assert read.logprobs == (msgspec.structs.replace(hi, top=(hi, TokenLogprob(token="yo", logprob=-2.0))),)


def test_reads_which_sequence_stopped_it() -> None:
    """A server like vLLM tells; the ID of a token that stopped it is no sequence."""
    read = only({"content": "a"}, stop_reason="END")
    assert (read.finish_reason, read.stop_sequence) == (FinishReason.STOP_SEQUENCE, "END")
    assert only({"content": "a"}, stop_reason=128001).finish_reason is FinishReason.STOP


def test_choices_that_all_have_number_0_are_told_apart() -> None:
    """Some servers forget to count."""
    read = decode_answer(body(choices=[choice({"content": "a"}), choice({"content": "b"})]))
    assert [one.index for one in read.choices] == [0, 1]
    assert [one.message.parts for one in read.choices] == [(Text(text="a"),), (Text(text="b"),)]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        body(choices=[]),
        body(choices=None),
        body(choices=[choice({"content": "a"}, None)]),
        body(choices=[choice({"content": "a"}, "")]),
        body(choices=[choice({"content": "a"}, "error")]),
        body(choices=[choice({"content": "a"}), choice({"content": "b"}, None)]),
        b'{"error":{"message":"no credits","code":402}}',
    ],
)
def test_what_has_no_end_is_no_answer(raw: bytes) -> None:
    """Nonsense, an error with a good status, or a choice without a reason for its end."""
    with pytest.raises(MalformedBody):
        decode_answer(raw)
    with pytest.raises(MalformedBody):
        scan_answer(raw)


def test_an_error_with_a_good_status_is_quoted() -> None:
    """The provider's words help whoever must mend it."""
    with pytest.raises(MalformedBody, match="no credits"):
        scan_answer(b'{"error":{"message":"no credits","code":402}}')


def test_a_call_without_a_name_is_no_answer() -> None:
    """A call that nobody can make is not passed on as one."""
    with pytest.raises(MalformedBody, match="without a name"):
        only({"tool_calls": [{"id": "c", "function": {"arguments": "{}"}}]}, "tool_calls")


def test_strange_usage_costs_the_usage_only() -> None:
    """An answer is whole even if its tokens are nonsense."""
    raw = body(usage={"prompt_tokens": "many"})
    assert decode_answer(raw).usage is None
    assert scan_answer(raw) == WholeScan(model="gpt-4o-2024", usage=None)


def test_writes_openais_shape_exactly() -> None:
    """Members, order and nulls are OpenAI's."""
    usage = Usage(input_tokens=3, output_tokens=4, cache_read_tokens=1, cache_write_tokens=2, reasoning_tokens=1)
    assert encode_answer(answer(Text(text="hi"), usage=usage)) == (
        b'{"id":"a","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":'
        b'{"role":"assistant","content":"hi","refusal":null},"logprobs":null,"finish_reason":"stop"}],'
        b'"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,'
        b'"prompt_tokens_details":{"cached_tokens":1,"cache_write_tokens":2},'
        b'"completion_tokens_details":{"reasoning_tokens":1}}}'
    )


def test_signed_thinking_is_written_to_be_sent_back() -> None:
    """Readable as one text, and complete in the details, redacted parts included."""
    body_written = written(answer(Reasoning(text="hm", signature="s"), Reasoning(redacted="r"), Text(text="a")))
    assert cast("list[dict[str, object]]", body_written["choices"])[0]["message"] == {
        "role": "assistant",
        "content": "a",
        "refusal": None,
        "reasoning_content": "hm",
        "reasoning_details": [
            {"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0},
            {"type": "reasoning.encrypted", "data": "r", "index": 1},
        ],
    }


def test_other_dialects_extras_stay_out() -> None:
    """Only what this dialect said itself is written at the top."""
    assert "container" not in written(answer(extra={"container": 1}, extra_dialect=Dialect.ANTHROPIC_MESSAGES))
    assert written(answer(extra={"service_tier": "flex"}, extra_dialect=Dialect.OPENAI_CHAT))["service_tier"] == "flex"
    foreign = Text(text="a", citations=({"type": "char_location"},))
    own = Text(text="a", citations=(SOURCE,))
    assert b"annotations" not in encode_answer(answer(foreign))
    assert b"annotations" in encode_answer(answer(own))


@pytest.mark.parametrize(
    ("parts", "content", "finish"),
    [
        ((), "", "stop"),
        ((Text(text="a"), Text(text="b")), "ab", "stop"),
        ((ToolCall(id="c", name="f", arguments="{}"),), None, "tool_calls"),
        ((Refusal(text="no"),), None, "stop"),
    ],
)
def test_content_is_null_only_where_something_else_was_said(
    parts: tuple[Part, ...], content: str | None, finish: str
) -> None:
    """Texts are joined; a call or a refusal stands without content, as OpenAI writes it."""
    reasons = {"tool_calls": FinishReason.TOOL_CALLS}
    reason = FinishReason.REFUSAL if parts and isinstance(parts[0], Refusal) else reasons.get(finish, FinishReason.STOP)
    [one] = cast("list[dict[str, object]]", written(answer(*parts, reason=reason))["choices"])
    assert cast("dict[str, object]", one["message"])["content"] == content
    assert one["finish_reason"] == finish
