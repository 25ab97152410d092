"""How an answer is written on a wire."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.testing.acts import Answer, Send
from narthex.testing.wall.asking import Asked, Wire
from narthex.testing.wall.layouts import Layout, lay_out, whole_layout
from narthex.testing.wall.replies import reply_to
from tests.testing.wall.asks import WEATHER, asked


def _laid(request: Asked) -> Layout:
    return lay_out(request, reply_to(request, seed=0, template="one two three four"))


def _sent(answer: Answer) -> bytes:
    return b"".join(act.data for act in answer if isinstance(act, Send))


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
@pytest.mark.parametrize("is_streamed", [False, True])
@given(after=st.integers(min_value=0, max_value=40))
def test_both_halves_are_the_whole(wire: Wire, is_streamed: bool, after: int) -> None:
    """Wherever an answer is divided, nothing is lost and nothing is said twice."""
    layout = _laid(asked(wire=wire, is_streamed=is_streamed))
    assert _sent(layout.begun(after)) + _sent(layout.rest(after)) == _sent(layout.acts)


def test_a_whole_body_is_never_complete_when_it_breaks() -> None:
    """However late something happens, a piece of a whole body is still missing; a stream may lack its end only."""
    layout = _laid(asked())
    assert layout.place(99) == len(layout.pieces) - 1
    stream = _laid(asked(is_streamed=True))
    assert stream.place(99) == len(stream.pieces)


def test_a_length_may_be_told_wrong() -> None:
    """The head tells what it is given, an empty body is one piece."""
    assert b"content-length: 99\r\n" in _sent(whole_layout(b"abc", announced_bytes=99).head)
    assert whole_layout(b"").pieces == (b"",)


def test_the_usage_comes_where_it_is_asked_for() -> None:
    """On OpenAI's wire a stream tells it only then."""
    assert b'"usage"' not in _sent(_laid(asked(is_streamed=True)).acts)
    assert b'"usage"' in _sent(_laid(asked(is_streamed=True, wants_usage=True)).acts)


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_calls_are_written_whole_and_in_pieces(wire: Wire) -> None:
    """The arguments of a whole call are those of the streamed one."""
    whole = json.loads(_sent(_laid(asked(wire=wire, tools=(WEATHER,))).acts).partition(b"\r\n\r\n")[2])
    streamed = _sent(_laid(asked(wire=wire, is_streamed=True, tools=(WEATHER,))).acts)
    if wire == "openai":
        call = whole["choices"][0]["message"]["tool_calls"][0]["function"]
        assert json.loads(call["arguments"]) == {"city": "narthex", "days": 7}
        assert whole["choices"][0]["finish_reason"] == "tool_calls"
    else:
        assert whole["content"] == [
            {
                "type": "tool_use",
                "id": whole["content"][0]["id"],
                "name": "weather",
                "input": {"city": "narthex", "days": 7},
            }
        ]
        assert whole["stop_reason"] == "tool_use"
    assert b"weather" in streamed


def test_the_same_request_is_answered_with_the_same_bytes() -> None:
    """IDs and times are no exception; another prompt has another ID."""
    assert _sent(_laid(asked("a")).acts) == _sent(_laid(asked("a")).acts)
    assert _sent(_laid(asked("a")).acts) != _sent(_laid(asked("b")).acts)
