"""Which calls may be made early, and how they are made again."""

from __future__ import annotations

import orjson
import pytest

from narthex.pipeline.predicted_calls import (
    Again,
    again,
    cheapest,
    is_of,
    may_be_made,
    principal,
    session_of,
    unstreamed,
)
from narthex.tenancy.keys import Caller
from narthex.types.accounts import Account
from narthex.types.dialects import Dialect, Operation
from tests.pipeline.recalled import ZERO, call
from tests.pipeline.test_prefetching import Bench

IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}


@pytest.mark.parametrize(
    ("changes", "may"),
    [
        ({}, True),
        ({"stream": True}, True),
        ({"temperature": 1}, False),
        ({"tools": [TOOL]}, False),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, False),
    ],
)
def test_what_might_change_something_is_not_made(changes: dict[str, object], *, may: bool) -> None:
    """Calls with tools, with what lies elsewhere, and those whose answer may be another one each time."""
    bench, made = Bench(), call({**ZERO, **changes})
    made.read_head()
    made.target = bench.house.catalog.resolve("up/m")
    terms = bench.caching.policy.terms(made)
    assert (terms is not None and may_be_made(made, terms)) is may


def test_a_stream_is_asked_for_as_a_whole() -> None:
    """The cache knows both as one; what a call says of the cache is said again, and nothing of who asked."""
    assert unstreamed(b'{"stream":true,"stream_options":{"include_usage":true},"a":1}') == b'{"stream":false,"a":1}'
    made = call({**ZERO, "stream": True}, x_narthex_cache="on", authorization="Bearer secret")
    made.streaming, made.target = True, Bench().house.catalog.resolve("up/m")
    found = again(made)
    assert (found.target, orjson.loads(found.body)["stream"]) == ("up/m", False)
    assert found.headers == {b"x-narthex-cache": b"on"}


def short(dialect: Dialect, **body: object) -> dict[str, object] | None:
    """Return what the cheapest call that has the same prompt read asks for."""
    headers = {b"x-narthex-cache": b"on; ttl=5", b"cache-control": b"no-store", b"anthropic-beta": b"b"}
    made = cheapest(Again(dialect, Operation.CHAT, orjson.dumps(body), headers, "up/m"), 1)
    if made is None:
        return None
    assert made.headers == {b"x-narthex-cache": b"off", b"anthropic-beta": b"b"}
    found: dict[str, object] = orjson.loads(made.body)
    return found


def test_the_cheapest_call_has_the_same_prompt_and_next_to_nothing_written() -> None:
    """In whatever words the length is told; not where a model thinks first, which leaving out would make another."""
    said = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "system": "Be brief."}
    assert short(Dialect.ANTHROPIC_MESSAGES, **said, max_tokens=9) == {**said, "max_tokens": 1}
    chat = short(Dialect.OPENAI_CHAT, **said, max_tokens=9, n=3, stream=True)
    assert chat == {**said, "max_completion_tokens": 1}
    assert short(Dialect.ANTHROPIC_MESSAGES, **said, max_tokens=9, thinking={"type": "enabled"}) is None
    assert short(Dialect.OPENAI_CHAT, **said, reasoning_effort="high") is None
    assert short(Dialect.OPENAI_RESPONSES, **said) is None


def test_principals_are_told_apart() -> None:
    """By their keys, within what they share; and calls of one by the conversation that they name."""
    first = Caller(name="a", account=Account(workspace_id="ws_a", key_id="key_a"), workspace="ws_a")
    second = Caller(name="b", account=Account(workspace_id="ws_a", key_id="key_b"), workspace="ws_a")
    assert is_of(principal(first, "scope"), first)
    assert not is_of(principal(first, "scope"), second)
    assert session_of(call(ZERO, x_narthex_conversation="c")) == "c"
    assert session_of(call(ZERO)) == ""
