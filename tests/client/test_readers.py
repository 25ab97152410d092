"""Streamed answers, from any pieces."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.client.http1 import Head
from narthex.client.readers import ChatReader, GenerationReader, Progress
from narthex.client.values import GenerationEvent
from narthex.errors import BrokenAnswer, GatewayUnreachable, ModelNotFound, NarthexError, ProviderTimeout
from narthex.testing.wires import openai_error, openai_frames
from narthex.types.events import Ended, TextDelta
from tests.client.answers import error_body, event, generation_frames

HEAD = Head(200, {"x-request-id": "req_1"})
GENERATION = b"".join(generation_frames("Blue, ", "größtenteils."))
CHAT = b"".join(openai_frames("Blue, größtenteils."))


@given(st.data())
def test_generations_are_read_in_any_pieces(data: st.DataObject) -> None:
    """Wherever it is cut, the stream has the same text and end."""
    at = data.draw(st.integers(0, len(GENERATION)))
    reader = GenerationReader(HEAD)
    events = [*reader.feed(GENERATION[:at]), *reader.feed(GENERATION[at:]), *reader.close()]
    assert "".join(event.text for event in events) == "Blue, größtenteils."
    assert [event.done for event in events] == [False, False, True]


@given(st.data())
def test_chats_are_read_in_any_pieces(data: st.DataObject) -> None:
    """And so has a chat."""
    at = data.draw(st.integers(0, len(CHAT)))
    reader = ChatReader(HEAD)
    events = [*reader.feed(CHAT[:at]), *reader.feed(CHAT[at:]), *reader.close()]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Blue, größtenteils."
    assert isinstance(events[-1], Ended)


@pytest.mark.parametrize("frames", [generation_frames("a", "b")[:-1], []])
def test_generations_without_end_are_broken(frames: list[bytes]) -> None:
    """A generation that ends before its `done` is not whole."""
    reader = GenerationReader(HEAD)
    assert all(not event.done for event in reader.feed(b"".join(frames)))
    assert not reader.complete
    with pytest.raises(BrokenAnswer, match="before the end") as caught:
        list(reader.close())
    assert caught.value.request_id == "req_1"


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_chats_without_end_are_broken(kept: int) -> None:
    """A chat that ends before its finish is not whole."""
    reader = ChatReader(HEAD)
    list(reader.feed(b"".join(openai_frames("a b c d e")[:kept])))
    with pytest.raises(BrokenAnswer):
        list(reader.close())
    assert not reader.complete


def test_errors_in_a_generation_are_raised() -> None:
    """The gateway's error event is the error it tells."""
    events = GenerationReader(HEAD).feed(
        generation_frames("a")[0] + event("error", error_body("Too slow.", code="provider_timeout"))
    )
    assert next(events).text == "a"
    with pytest.raises(ProviderTimeout, match="Too slow") as caught:
        next(events)
    assert caught.value.request_id == "req_body"


def test_errors_in_a_chat_are_raised() -> None:
    """So is the error frame of a chat."""
    reader = ChatReader(HEAD)
    list(reader.feed(openai_frames("a")[0]))
    with pytest.raises(NarthexError, match="Gone") as caught:
        list(reader.feed(b"data: %b\n\n" % openai_error("Gone.", code="model_not_found")))
    assert isinstance(caught.value, ModelNotFound)
    assert caught.value.request_id == "req_1"


@pytest.mark.parametrize("frame", [b"event: delta\ndata: {\n\n", event("done", {"id": 1}), event("delta", {"txt": 1})])
def test_nonsense_in_a_generation_is_told(frame: bytes) -> None:
    """A frame of ours that cannot be read breaks the answer; text is never skipped."""
    with pytest.raises(BrokenAnswer, match="cannot be read"):
        list(GenerationReader(HEAD).feed(frame))


def test_other_events_are_passed_over() -> None:
    """Comments and kinds of event that are not known yet mean nothing."""
    assert list(GenerationReader(HEAD).feed(b": ping\n\nevent: news\ndata: {}\n\ndata: {}\n\n")) == []


def _taken(progress: Progress[GenerationEvent]) -> list[str]:
    texts: list[str] = []
    while (step := progress.take()) is not None:
        texts.append(step.text)
    return texts


def test_a_whole_answer_is_over_in_peace() -> None:
    """Behind the end of the answer a broken connection means nothing."""
    progress = Progress(GenerationReader(HEAD))
    progress.add(GENERATION)
    progress.broke(GatewayUnreachable())
    assert progress.over
    assert _taken(progress) == ["Blue, ", "größtenteils.", ""]


def test_a_failure_comes_behind_what_was_read() -> None:
    """What came before a failure is handed out first, then the failure is raised, each time."""
    spoilers: list[Callable[[Progress[GenerationEvent]], None]] = [
        lambda progress: progress.broke(GatewayUnreachable()),
        lambda progress: progress.end(),
        lambda progress: progress.add(event("error", error_body())),
        lambda progress: progress.add(event("delta", {})),
    ]
    for spoil in spoilers:
        progress = Progress(GenerationReader(HEAD))
        progress.add(GENERATION[:60])
        spoil(progress)
        assert progress.over
        step = progress.take()
        assert step is not None
        assert step.text == "Blue, "
        for _ in range(2):
            with pytest.raises(NarthexError):
                progress.take()


def test_who_leaves_gets_nothing_more() -> None:
    """After leaving there is neither event nor failure."""
    progress = Progress(GenerationReader(HEAD))
    progress.add(GENERATION[:60])
    progress.end()
    progress.leave()
    assert progress.take() is None
