"""What is one question, and what are two: over surfaces, spellings and orders."""

from __future__ import annotations

import json
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.cache.keys import KEY_BYTES, Unkeyable, canonical, foreign_fields, key_of, refers_elsewhere
from narthex.types.dialects import Dialect
from narthex.types.messages import CacheMarker, Image, Message, Text, ToolResult
from narthex.types.requests import ChatRequest, EmbeddingRequest, ResponseFormat, Tool, ToolChoice
from narthex.wire.registry import CHAT_WIRES

ASKED = ChatRequest(model="m", messages=(Message(role="user", parts=(Text(text="Hi"),)),), temperature=0.0)
OPENAI: dict[str, object] = {
    "model": "m",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
}
ANTHROPIC: dict[str, object] = {"model": "m", "system": "Be brief.", "messages": [{"role": "user", "content": "Hi"}]}
RESPONSES: dict[str, object] = {
    "model": "m",
    "input": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
}
LIMITS = {
    Dialect.OPENAI_CHAT: {"max_completion_tokens": 50},
    Dialect.ANTHROPIC_MESSAGES: {"max_tokens": 50},
    Dialect.OPENAI_RESPONSES: {"max_output_tokens": 50},
}


def with_(**changes: object) -> ChatRequest:
    """Return the question, changed."""
    return msgspec.structs.replace(ASKED, **changes)


def of_surface(dialect: Dialect, body: dict[str, object]) -> bytes:
    """Return the form of a question that came in a dialect."""
    return canonical(
        CHAT_WIRES[dialect].decode_request(json.dumps(body | LIMITS[dialect] | {"temperature": 0}).encode())
    )


def test_a_question_is_the_same_on_every_surface() -> None:
    """Asked in one dialect, an answer serves those who ask in another."""
    forms = {
        of_surface(Dialect.OPENAI_CHAT, OPENAI),
        of_surface(Dialect.ANTHROPIC_MESSAGES, ANTHROPIC),
        of_surface(Dialect.OPENAI_RESPONSES, RESPONSES),
    }
    assert len(forms) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"stream": True, "include_usage": True},
        {"user": "somebody", "metadata": {"a": "b"}, "service_tier": "flex"},
        {"n": 1},
        {"logprobs": False},
        {"presence_penalty": 0.0, "frequency_penalty": -0.0},
        {"temperature": -0.0},
        {"logit_bias": {}},
        {"response_format": ResponseFormat(kind="text")},
        {"extra": {"prompt_cache_key": "k"}, "extra_dialect": Dialect.OPENAI_CHAT},
        {"messages": (Message(role="user", parts=(Text(text="Hi", cache=CacheMarker(ttl="1h")),)),)},
    ],
)
def test_what_leaves_the_answer_as_it_is_leaves_the_key(changes: dict[str, object]) -> None:
    """How an answer is delivered, who asked, and what only says the usual: none of it makes another question."""
    assert canonical(with_(**changes)) == canonical(ASKED)


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 0.1},
        {"temperature": None},
        {"top_p": 0.5},
        {"seed": 1},
        {"n": 2},
        {"stop": ("x",)},
        {"max_output_tokens": 7},
        {"logit_bias": {"1": 2.0}},
        {"response_format": ResponseFormat(kind="json_object")},
        {"tools": (Tool(name="f"),)},
        {"tool_choice": ToolChoice(mode="none")},
        {"extra": {"web_search_options": {}}, "extra_dialect": Dialect.OPENAI_CHAT},
        {"messages": (Message(role="user", parts=(Text(text="Hi "),)),)},
        {"messages": (Message(role="system", parts=(Text(text="Hi"),)),)},
        {"messages": (Message(role="user", name="Eve", parts=(Text(text="Hi"),)),)},
        {"messages": (Message(role="user", parts=(Text(text="H"), Text(text="i"))),)},
    ],
)
def test_whatever_may_change_the_answer_changes_the_key(changes: dict[str, object]) -> None:
    """In doubt two questions are two."""
    assert canonical(with_(**changes)) != canonical(ASKED)


def test_fields_of_one_dialect_are_no_other_dialects() -> None:
    """A field that only one dialect knows means nothing in another."""
    extra = {"verbosity": "low"}
    one, other = (with_(extra=extra, extra_dialect=one) for one in (Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES))
    assert canonical(one) != canonical(other)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(schema=st.dictionaries(st.text(max_size=8), JSON, max_size=5), seed=st.integers())
def test_the_order_of_members_is_no_part_of_a_question(schema: dict[str, object], seed: int) -> None:
    """The schema of a tool is the same however its members are ordered, and another once one of them changes."""
    shuffled = _shuffled(schema, random.Random(seed))
    assert canonical(_with_schema(schema)) == canonical(_with_schema(shuffled))
    assert canonical(_with_schema({**schema, "more": 1})) == canonical(_with_schema({**shuffled, "more": 1.0}))
    assert canonical(_with_schema({**schema, "more": 1})) != canonical(_with_schema({**schema, "more": 2}))
    assert canonical(_with_schema({**schema, "more": 1})) != canonical(_with_schema({**schema, "more": True}))


@given(st.lists(st.text(max_size=6), min_size=2, max_size=5), st.binary(max_size=8))
def test_no_two_lists_of_parts_make_one_key(parts: list[str], asked: bytes) -> None:
    """What stands beside the question is told apart wherever one part ends and the next begins."""
    scope, *beside = parts
    key = key_of(asked, scope=scope, target="t", operation="chat", beside=beside)
    assert len(key) == KEY_BYTES
    assert (
        key != key_of(asked, scope=scope + beside[0], target="t", operation="chat", beside=["", *beside[1:]])
        or not beside[0]
    )
    assert key != key_of(asked, scope=scope, target="t", operation="chat", beside=[*beside, ""])
    assert key != key_of(asked, scope=scope, target="u", operation="chat", beside=beside)


def test_many_questions_have_as_many_keys() -> None:
    """Of thousands of mutated requests no two share a key."""
    chance = random.Random(7)
    forms, keys = set(), set()
    for number in range(5_000):
        request = with_(
            messages=tuple(
                Message(
                    role=chance.choice(("user", "assistant")),
                    parts=(Text(text=f"{number % 97} {chance.random():.3f}"),),
                )
                for _ in range(chance.randint(1, 3))
            ),
            temperature=chance.choice((None, 0.0, 0.5)),
            max_output_tokens=chance.choice((None, 10, 100)),
        )
        form = canonical(request)
        forms.add(form)
        keys.add(key_of(form, scope="s", target="t", operation="chat"))
    assert len(keys) == len(forms)
    assert len(keys) > 4_900


def test_embeddings_have_keys_of_their_own() -> None:
    """Texts and token IDs are told apart; who asks is not."""
    texts = EmbeddingRequest(model="m", inputs=("a", "b"))
    assert canonical(texts) == canonical(msgspec.structs.replace(texts, user="x", model="n", encoding_format="float"))
    assert canonical(texts) != canonical(msgspec.structs.replace(texts, inputs=("b", "a")))
    assert canonical(texts) != canonical(msgspec.structs.replace(texts, dimensions=8))
    assert canonical(texts) != canonical(msgspec.structs.replace(texts, inputs=((97,), (98,))))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_has_no_form(value: float) -> None:
    """What JSON cannot say is not kept."""
    with pytest.raises(Unkeyable):
        canonical(_with_schema({"x": value}))


def test_what_is_nested_without_end_has_no_form() -> None:
    """Nobody brings the server down by nesting."""
    deep: dict[str, object] = {}
    for _ in range(5_000):
        deep = {"x": deep}
    with pytest.raises(Unkeyable):
        canonical(_with_schema(deep))


def test_what_is_elsewhere_is_seen() -> None:
    """An address or an ID may name something else tomorrow; what is carried along may not."""

    def holding(part: Image) -> ChatRequest:
        result = ToolResult(tool_call_id="c", parts=(part,))
        return with_(messages=(*ASKED.messages, Message(role="tool", parts=(result,))))

    assert refers_elsewhere(holding(Image(url="https://example.com/x.png")))
    assert refers_elsewhere(holding(Image(file_id="f")))
    assert not refers_elsewhere(holding(Image(data="QQ==", media_type="image/png")))
    assert not refers_elsewhere(ASKED)


def test_foreign_fields_are_those_that_may_matter() -> None:
    """What the server sees to itself is none of them."""
    request = with_(extra={"stream_options": {}, "store": True, "x": 1}, extra_dialect=Dialect.OPENAI_RESPONSES)
    assert foreign_fields(request) == {"x": 1}
    assert foreign_fields(msgspec.structs.replace(request, extra_dialect=Dialect.OPENAI_CHAT)) == {
        "store": True,
        "x": 1,
    }


def _with_schema(schema: dict[str, object]) -> ChatRequest:
    return with_(tools=(Tool(name="f", parameters=schema),))


def _shuffled(value: object, chance: random.Random) -> dict[str, object]:
    def turned(one: object) -> object:
        if isinstance(one, dict):
            items = list(one.items())
            chance.shuffle(items)
            return {name: turned(inner) for name, inner in items}
        if isinstance(one, list):
            return [turned(inner) for inner in one]
        return float(one) if isinstance(one, int) and not isinstance(one, bool) else one

    result = turned(value)
    assert isinstance(result, dict)
    return result
