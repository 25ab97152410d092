"""Answers that never end, though something is still sent."""

from __future__ import annotations

from typing import get_args

import pytest

from narthex.testing.acts import Answer, Send, Stall, Wait
from narthex.testing.scenarios import Pings, Trickle
from narthex.testing.wall.asking import Wire
from narthex.testing.wall.layouts import Layout, lay_out
from narthex.testing.wall.replies import reply_to
from narthex.testing.wall.silences import MAX_SIGNS, headers_only, pings, trickle
from narthex.types.dialects import Dialect
from narthex.wire.registry import CHAT_WIRES
from tests.testing.wall.asks import asked

WIRES: tuple[Wire, ...] = get_args(Wire)
DIALECTS = {"openai": Dialect.OPENAI_CHAT, "anthropic": Dialect.ANTHROPIC_MESSAGES}


def layout(wire: Wire, *, is_streamed: bool = True) -> Layout:
    """Return an answer before anything goes wrong."""
    request = asked(wire=wire, is_streamed=is_streamed)
    return lay_out(request, reply_to(request, seed=0, template="one two three four"))


def sent(answer: Answer) -> bytes:
    """Return all that is sent."""
    return b"".join(act.data for act in answer if isinstance(act, Send))


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_head_alone_is_one(wire: Wire, is_streamed: bool) -> None:
    """Not a byte of the body comes."""
    answer = headers_only(layout(wire, is_streamed=is_streamed))
    assert sent(answer).endswith(b"\r\n\r\n")
    assert sent(answer).count(b"\r\n\r\n") == 1
    assert answer[-1] == Stall()


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("how", ["ping", "empty_piece"])
@pytest.mark.parametrize("after", [0, 2])
def test_signs_of_life_say_nothing(wire: Wire, how: str, after: int) -> None:
    """They come as often as told, and hold no content in their dialect."""
    plain = layout(wire)
    scenario = Pings.model_validate({"seconds": 0.5, "after_chunks": after, "how": how})
    answer = pings(plain, asked(wire=wire, is_streamed=True), scenario)
    signs = answer[len(plain.begun(after)) :]
    assert answer[: len(plain.begun(after))] == plain.begun(after)
    assert signs[0] == Wait(0.5)
    assert len(signs) == 2 * MAX_SIGNS + 1
    frame = sent(signs[:2]).split(b"\r\n", 1)[1].removesuffix(b"\r\n")
    assert frame.endswith(b"\n\n")
    assert not CHAT_WIRES[DIALECTS[wire]].has_content(frame)


def test_before_a_whole_body_they_are_blank() -> None:
    """A reader of JSON does not mind them."""
    plain = layout("openai", is_streamed=False)
    assert sent(pings(plain, asked(), Pings())[len(plain.head) :]).strip() == b""


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_trickle_is_one_byte_at_a_time(is_streamed: bool) -> None:
    """The right bytes, each after its pause."""
    plain = layout("openai", is_streamed=is_streamed)
    acts = trickle(plain, Trickle(seconds=2.0, after_chunks=1))[len(plain.begun(1)) :]
    pieces = [act.data for act in acts if isinstance(act, Send)]
    bytes_each = [piece[3:-2] if is_streamed else piece for piece in pieces]
    assert b"".join(bytes_each) == b"".join(plain.pieces[1:])
    assert {len(one) for one in bytes_each} == {1}
    assert acts[:-1:2] == (Wait(2.0),) * len(pieces)
    assert acts[-1] == Stall()
