"""Whatever a target speaks and however it replies, its answer comes as events, to its end or to the reason why not."""

from __future__ import annotations

import pytest

from narthex.errors import Failure, NarthexError, ProviderTimeout
from narthex.pipeline.following import follow
from narthex.providers.contract import Reply, VectorsReply
from narthex.testing.wires import anthropic_frames, openai_answer, openai_error, openai_frames
from narthex.types.dialects import Dialect
from narthex.types.events import Ended, Event, Failed, Started, TextDelta
from tests.pipeline.doubles import ANTHROPIC, CHAT, INNER, OPENAI, Double, House, exchange, streamed, told, whole

BEGUN: list[Event] = [Started(id="a", model="m", created_at=1), TextDelta(text="Hello there")]


async def followed(reply: Reply, dialects: frozenset[Dialect] = OPENAI) -> list[Event]:
    """Return the events of a reply, those that came before it broke included."""
    made = exchange({**CHAT, "stream": True})
    made.target = House(Double(reply, dialects=dialects)).catalog.resolve("up/m")
    events: list[Event] = []
    try:
        await follow(made, made.target, made.chat_request(), events.append)
    except NarthexError as error:
        error.add_note(str(len(events)))
        raise
    return events


@pytest.mark.parametrize(
    ("reply", "dialects"),
    [
        (streamed(openai_frames("Hello there")), OPENAI),
        (streamed(openai_frames("Hello there")[:-1]), OPENAI),
        (streamed(anthropic_frames("Hello there")), ANTHROPIC),
        (whole(openai_answer("Hello there")), OPENAI),
        (told(*BEGUN, Ended()), INNER),
    ],
)
async def test_every_answer_comes_as_events(reply: Reply, dialects: frozenset[Dialect]) -> None:
    """Text in order, one end, nothing after it."""
    events = await followed(reply, dialects)
    assert isinstance(events[0], Started)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Hello there"
    assert [isinstance(event, Ended) for event in events].index(True) == len(events) - 1


STALL = ProviderTimeout(provider="up", failure=Failure.STALL)


@pytest.mark.parametrize(
    ("reply", "dialects", "failure"),
    [
        (streamed(openai_frames("Hello there")[:3]), OPENAI, Failure.TRUNCATED),
        (streamed([b"data: nonsense\n\n"]), OPENAI, Failure.MALFORMED),
        (streamed(openai_frames("Hello")[:2], error=STALL), OPENAI, Failure.STALL),
        (streamed([b"data: " + openai_error(code="rate_limit_exceeded") + b"\n\n"]), OPENAI, Failure.RATE_LIMITED),
        (whole(b"nonsense"), OPENAI, Failure.MALFORMED),
        (whole(openai_error(), status=503), OPENAI, Failure.OVERLOADED),
        (told(*BEGUN), INNER, Failure.TRUNCATED),
        (told(*BEGUN, Failed(message="no", code="overloaded")), INNER, Failure.OVERLOADED),
    ],
)
async def test_what_breaks_says_how(reply: Reply, dialects: frozenset[Dialect], failure: Failure) -> None:
    """No end, no answer: the class of the failure says what may be done about it."""
    with pytest.raises(NarthexError) as caught:
        await followed(reply, dialects)
    assert getattr(caught.value, "failure", None) is failure


async def test_vectors_are_no_chat() -> None:
    """A provider that answers something else altogether is a fault of ours."""
    with pytest.raises(TypeError):
        await followed(VectorsReply(vectors=(), input_tokens=0), INNER)
