"""What must be known of a body before anything else is."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import Failure, InvalidRequest, ProviderTimeout, RequestError
from narthex.pipeline.exchange import Exchange, Tried, new_request_id
from narthex.providers.catalog import Catalog
from narthex.providers.contract import Timeouts
from narthex.streams.stream import Stream
from narthex.tenancy.bounds import Bounds, Capture, Keeping
from narthex.tenancy.keys import LOCAL, Caller
from narthex.tenancy.scopes import NO_SCOPES
from narthex.types.dialects import Dialect, Operation
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest
from narthex.types.usage import Usage
from tests.pipeline.doubles import CHAT, MESSAGE, Double, exchange

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
HEADS = st.dictionaries(st.sampled_from(["model", "stream", "stream_options", "messages", "x"]), JSON, max_size=4)


def test_a_fork_is_a_call_of_its_own_until_it_is_adopted() -> None:
    """Neither sees what the other sets before that; then both are one, whichever is written to."""
    made = exchange(CHAT)
    made.read_head()
    made.usage, made.answer = Usage(input_tokens=1), Stream(None)
    fork, other = made.fork(), made.fork()
    assert (fork.id, fork.model_asked, fork.answer, fork.usage) == (made.id, "up/m", None, None)
    fork.model_answered, other.model_answered = "a", "b"
    assert made.model_answered is None
    made.total_s = 3.0
    made.adopt(fork)
    assert [made.model_answered, made.answer, made.total_s] == ["a", None, 3.0]
    fork.usage = Usage(output_tokens=7)
    made.dropped = ("seed",)
    assert (made.usage, fork.dropped, other.usage) == (fork.usage, ("seed",), None)


def test_a_break_is_noted_where_the_answer_came_from() -> None:
    """Of two attempts that ran beside each other the one that answered has failed, not the one that was let go."""
    made = exchange(CHAT)
    made.target = Catalog([(Double(), Timeouts())]).resolve("up/m")
    made.attempts = (Tried("up/m", "first", 1, None), Tried("b/m", "hedge", 1, "cancelled"))
    made.note_break(ProviderTimeout(provider="up", failure=Failure.STALL))
    assert made.story == "up/m first stall, b/m hedge cancelled"
    made.note_break(ProviderTimeout(provider="up", failure=Failure.STALL))
    assert made.story == "up/m first stall, b/m hedge cancelled, up/m first stall"


@pytest.mark.parametrize(
    ("body", "model", "streaming", "usage"),
    [
        ({}, "", False, False),
        ({"model": "a/b"}, "a/b", False, False),
        ({"model": None, "stream": None, "stream_options": None}, "", False, False),
        ({"stream": True}, "", True, False),
        ({"stream": True, "stream_options": {}}, "", True, False),
        ({"stream": True, "stream_options": {"include_usage": None}}, "", True, False),
        ({"stream": True, "stream_options": {"include_usage": True, "x": 1}}, "", True, True),
    ],
)
def test_a_head_is_read(body: object, model: str, *, streaming: bool, usage: bool) -> None:
    """Model, streaming and the wish for usage are read; everything else stays bytes."""
    call = exchange(body)
    call.read_head()
    assert (call.model_asked, call.streaming, call.usage_wanted) == (model, streaming, usage)


@pytest.mark.parametrize(("caching", "capture"), [(True, "metadata"), (False, "none"), (True, "content")])
def test_the_workspace_says_what_is_kept_and_cached(caching: bool, capture: Capture) -> None:
    """Where nothing is settled answers may be cached, and what calls were about is kept."""
    call = exchange({})
    assert (call.may_cache, call.capture) == (True, "metadata")
    call.caller = LOCAL
    assert (call.may_cache, call.capture) == (True, "metadata")
    call.caller = Caller(name="k", bounds=Bounds(NO_SCOPES, keeping=Keeping(caching, capture)))
    assert (call.may_cache, call.capture) == (caching, capture)


def test_vectors_are_never_streamed() -> None:
    """A wish for a stream means nothing where there is none."""
    call = exchange({"stream": True}, operation=Operation.EMBED)
    call.read_head()
    assert not call.streaming


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"[]", None),
        (b'"text"', None),
        (b"null", None),
        (b"{", None),
        (b'{"model": "\xff"}', None),
        (b"[" * 100_000, None),
        (b'{"x": ' + b"[" * 100_000, None),
        (b'{"model": 7}', "model"),
        (b'{"stream": "yes"}', "stream"),
        (b'{"stream_options": {"include_usage": 1}}', "stream_options.include_usage"),
    ],
)
def test_what_is_no_head_is_refused(body: bytes, param: str | None) -> None:
    """A body that is not an object, or has a field of the wrong type, is an invalid request that names it."""
    with pytest.raises(InvalidRequest) as raised:
        exchange(body).read_head()
    assert raised.value.param == param


@given(st.binary(max_size=50) | HEADS.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    """Whatever comes, it is read or an invalid request, and nothing else."""
    call = exchange(body)
    try:
        call.read_head()
    except InvalidRequest:
        return
    assert isinstance(call.model_asked, str)


@given(st.sampled_from([Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES, Dialect.ANTHROPIC_COUNT_TOKENS]), HEADS)
def test_any_request_is_parsed_or_refused(dialect: Dialect, body: dict[str, object]) -> None:
    """A body is of its dialect, or an error of the caller's."""
    with contextlib.suppress(RequestError):
        exchange(body, dialect=dialect).chat_request()


def test_a_request_is_parsed_once() -> None:
    """The parsed form is made at the first call, and kept."""
    call = exchange(CHAT)
    assert call.chat_request() is call.chat_request()
    vectors = exchange({"model": "up/e", "input": "x"}, operation=Operation.EMBED)
    assert vectors.embedding_request() is vectors.embedding_request()


def test_a_count_is_parsed_as_one() -> None:
    """A request for a count needs no limit of tokens; one for a message does."""
    assert exchange(CHAT, dialect=Dialect.ANTHROPIC_COUNT_TOKENS).chat_request().model == "up/m"
    assert exchange(MESSAGE, dialect=Dialect.ANTHROPIC_MESSAGES).chat_request().max_output_tokens == 50
    with pytest.raises(InvalidRequest):
        exchange(CHAT, dialect=Dialect.ANTHROPIC_MESSAGES).chat_request()


def test_a_request_from_this_process_has_no_body() -> None:
    """What is asked in the inner vocabulary is known without reading anything."""
    asked = ChatRequest(
        model="up/m", messages=(Message(role="user", parts=(Text(text="Hi"),)),), stream=True, include_usage=True
    )
    call = Exchange(Dialect.NATIVE, b"", {}, request=asked)
    call.read_head()
    assert (call.model_asked, call.streaming, call.usage_wanted) == ("up/m", True, True)
    assert call.chat_request() is asked


def test_no_two_requests_have_one_id() -> None:
    """Request IDs differ, and sort in their order within a process."""
    ids = [exchange({}).id, new_request_id(), exchange({}).id]
    assert len(set(ids)) == 3
    assert sorted(ids) == ids
    assert all(one.startswith("req_") for one in ids)
