"""Marks for the provider's cache: few, where they can stand, and nothing else changed."""

from __future__ import annotations

import json

import pytest

from narthex.wire.anthropic_messages.breakpoints import Layout, is_marked, layout, least_tokens, mark
from narthex.wire.places import Unplaced

MARK = {"type": "ephemeral"}
TOOL = {"name": "look", "input_schema": {"type": "object"}}
THOUGHT = {"type": "thinking", "thinking": "Hm: 1.50", "signature": "c2ln/+=="}
TALK: list[dict[str, object]] = [
    {"role": "user", "content": 'say "system": 1'},
    {"role": "assistant", "content": [THOUGHT, {"type": "text", "text": "yes"}]},
    {"role": "user", "content": [{"type": "text", "text": "more"}]},
]
BODY = {"model": "m", "max_tokens": 5, "tools": [TOOL], "system": "Be brief.", "messages": TALK}


def marked(
    body: object, *, turns: tuple[int, ...] = (), ttl: str = "5m", head: tuple[bool, bool] = (True, True)
) -> dict[str, object]:
    """Return a body with marks, read again."""
    text = json.dumps(body, indent=1).encode()
    found: dict[str, object] = json.loads(
        mark(text, layout(text), turns=turns, ttl="1h" if ttl == "1h" else "5m", head=head)
    )
    return found


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("claude-opus-4-5-20251101", 4_096),
        ("claude-haiku-4-5", 4_096),
        ("claude-opus-4-1-20250805", 1_024),
        ("claude-opus-4-20250514", 1_024),
        ("claude-sonnet-4-6", 1_024),
        ("claude-opus-4-7", 2_048),
        ("claude-opus-5", 512),
        ("claude-3-5-haiku-20241022", 2_048),
        ("claude-3-haiku-20240307", 2_048),
        ("anthropic/claude-haiku-4.5", 4_096),
        ("someone-else", 1_024),
    ],
)
def test_models_keep_prefixes_from_different_sizes_on(model: str, tokens: int) -> None:
    """Each family and version has its least size; what is unknown has the usual one."""
    assert least_tokens(model) == tokens


def test_marks_stand_behind_tools_system_and_turns() -> None:
    """A plain text becomes a block with a mark; a block gets one; nothing else is another value."""
    found = marked(BODY, turns=(0, 1))
    assert found["tools"] == [{**TOOL, "cache_control": MARK}]
    assert found["system"] == [{"type": "text", "text": "Be brief.", "cache_control": MARK}]
    first, thought, _ = TALK
    assert found["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": first["content"], "cache_control": MARK}]},
        thought,
        {"role": "user", "content": [{"type": "text", "text": "more", "cache_control": MARK}]},
    ]
    assert {**found, "tools": 0, "system": 0, "messages": 0} == {**BODY, "tools": 0, "system": 0, "messages": 0}
    assert marked(BODY, ttl="1h")["tools"] == [{**TOOL, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]


def test_bytes_between_the_marks_are_those_of_the_caller() -> None:
    """Taken out again, the marks leave the very bytes: numbers, spaces and signatures as they were written."""
    body = (
        b'{ "max_tokens" :5.0, "system":[{"type":"text","text":"\\u00e9"} ] ,'
        b'"messages":[{"role":"user","content":[ {"type":"text","text":"a"}]}]}\n'
    )
    sent = mark(body, layout(body), turns=(0,), ttl="5m", head=(True, True))
    assert sent.count(b"cache_control") == 2
    assert sent.replace(b',"cache_control":{"type":"ephemeral"}', b"") == body


@pytest.mark.parametrize(
    "changed",
    [
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}], "system": None},
        {"tools": [{**TOOL, "defer_loading": True}], "system": ""},
        {"tools": [], "system": []},
        {"tools": [], "system": [{"type": "text", "text": " "}]},
    ],
)
def test_what_cannot_bear_a_mark_gets_none(changed: dict[str, object]) -> None:
    """Tools of the provider's own or loaded later, and empty texts, which it refuses with a mark, stay as they are."""
    body = {key: value for key, value in {**BODY, **changed}.items() if value is not None}
    assert marked(body) == body
    thinking = {**BODY, "messages": [{"role": "user", "content": [THOUGHT]}, {"role": "user", "content": []}]}
    assert marked(thinking, turns=(0, 1), head=(False, False)) == thinking


def test_the_callers_marks_are_seen_however_they_are_written() -> None:
    """A mark is seen as a key, also one with escapes; not in a text that speaks of it."""
    assert is_marked(b'{"cache_control":{}}')
    assert is_marked(b'{"cach\\u0065_control":{}}')
    assert not is_marked(json.dumps({"text": 'the key "cache_control", \u00e9'}).encode())


def test_results_of_tools_at_the_end_are_told() -> None:
    """A layout tells the user's turns, and whether the last of all brings results."""
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "1"}]}

    def of(messages: object) -> Layout:
        return layout(json.dumps({"messages": messages}).encode())

    assert of([*TALK, result]).ends_with_results
    assert len(of([*TALK, result]).turns) == 3
    assert not of([*TALK, result, {"role": "assistant", "content": "{"}]).ends_with_results
    assert not of(TALK).ends_with_results


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"messages":[1]}', b'{"messages":[{"role":1}]}', b'{"messages":{}}'])
def test_what_is_no_request_has_no_layout(body: bytes) -> None:
    """What the provider may refuse is left to it."""
    with pytest.raises(Unplaced):
        layout(body)
