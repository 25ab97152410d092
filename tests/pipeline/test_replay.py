"""An answer given again: the same frames, the same story, and none of the bill."""

from __future__ import annotations

import pytest

from narthex.errors import AnswerNotKept
from narthex.pipeline.exchange import Tried
from narthex.pipeline.replay import Kept
from narthex.streams.stream import Stream
from narthex.testing.wires import openai_answer, openai_frames
from narthex.types.dialects import Dialect
from narthex.types.usage import Usage
from tests.pipeline.doubles import CHAT, Double, House, exchange, read, streamed, whole


async def test_what_was_told_is_told_again() -> None:
    """Model, tuning left out and attempts are those of the first call; the ID and the body stay the repeat's own."""
    house = House(Double(whole(openai_answer("Hello"))))
    first, again = exchange(CHAT), exchange(CHAT)
    answer = await house.engine.handle(first)
    first.dropped, first.attempts = ("top_k",), (Tried("up/m", "first", 1, "stall"), Tried("up/m", "retry", 1, None))
    kept = Kept.of(first, answer)
    kept.give(again)
    assert again.answer is answer
    assert again.replays is kept
    assert (again.target, again.dropped, again.story) == (first.target, first.dropped, first.story)
    assert again.consumed == first.usage
    assert again.usage is None
    assert again.first_frame_at > 0


async def test_usage_that_nobody_told_is_estimated_once() -> None:
    """Where the provider was silent about usage, repeats are told the estimate that the books have."""
    call = exchange(CHAT)
    answer = call.answer = Stream.of(b'{"choices":[]}', Dialect.OPENAI_CHAT)
    kept = Kept.of(call, answer)
    assert kept.usage is call.usage
    assert kept.usage is not None
    assert kept.usage.estimated


async def test_usage_is_told_when_the_stream_has_ended() -> None:
    """Of an answer that still comes nothing is known; behind its end everything."""
    house = House(Double(streamed(openai_frames("one two"))))
    call = exchange({**CHAT, "stream": True})
    answer = await house.engine.handle(call)
    answer.retain(lambda _size: True)
    kept = Kept.of(call, answer)
    assert kept.usage is None
    await read(answer)
    kept.complete(call)
    assert kept.usage is call.usage
    assert kept.usage not in {None, Usage()}


async def test_a_stream_whose_beginning_is_gone_is_refused() -> None:
    """Nobody gets an answer without its first frames."""
    stream = Stream(Dialect.OPENAI_CHAT)
    kept = Kept.of(exchange(CHAT), stream)
    reader = stream.reader()
    stream.append(b"a")
    reader.take()
    with pytest.raises(AnswerNotKept):
        kept.give(exchange(CHAT))
