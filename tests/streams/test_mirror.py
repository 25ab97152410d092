"""A log that is followed is the log that was written: in order, once, and never with a hole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import ProducerLost
from narthex.streams.log import Log, LogBounds
from narthex.streams.mirror import Mirror
from narthex.types.dialects import Dialect


def mirror(after: int = 0, bounds: LogBounds | None = None) -> Mirror:
    """Return one that is empty."""
    return Mirror(Log(Dialect.OPENAI_CHAT, bounds, first_number=after + 1), lambda: None)


def event(number: int) -> bytes:
    """Return the event with this number."""
    return b"%d;" % number


@given(st.integers(0, 50), st.lists(st.tuples(st.integers(1, 60), st.integers(0, 12)), max_size=30))
def test_whatever_comes_how_often_each_event_is_there_once(after: int, parts: list[tuple[int, int]]) -> None:
    """Parts come twice, overlap, or leave something out: what is there is what was written, up to the first hole."""
    followed, model = mirror(after), after
    reader = followed.log.reader(after=after)
    for first, count in parts:
        whole = first <= model + 1
        assert followed.feed(first, [event(first + index) for index in range(count)]) == whole
        if whole:
            model = max(model, first + count - 1)
        assert followed.last == model
    assert reader.take() == [event(number) for number in range(after + 1, model + 1)]


async def test_readers_hold_it_and_let_it_go_on() -> None:
    """The only reader, far behind, is not flooded; once it has read, more is asked for."""
    woken: list[bool] = []
    followed = Mirror(Log(Dialect.OPENAI_CHAT), lambda: woken.append(True))
    reader = followed.log.reader()
    for number in range(1, 400):
        followed.feed(number, [b"x" * 1_000])
    held = followed.held
    assert len(reader.take()) == 399
    assert (held, followed.held, woken) == (True, False, [True])


async def test_dropped_it_ends_for_nobody() -> None:
    """Whoever reads it is let go without an end, and may come back."""
    followed = mirror()
    reader = followed.log.reader()
    followed.feed(1, [event(1)])
    followed.drop()
    assert reader.dropped
    assert not followed.log.closed


async def test_it_ends_as_it_ended_there() -> None:
    """With the error that is told there."""
    followed = mirror()
    followed.end(ProducerLost())
    assert isinstance(followed.log.error, ProducerLost)
