"""A recording is read without a server, at any pace."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

import click
import msgspec
import pytest

from narthex.cli.tapes import Tape, dialect_of, path_of, texts
from narthex.streams.recording import (
    DIGEST_BYTES,
    RecordingEnd,
    RecordingHead,
    end_line,
    event_line,
    head_line,
)
from narthex.testing.wires import openai_frames
from narthex.types.dialects import Dialect

TEXT = "Καλημέρα, one two three"


def lines(*, whole: bool = True) -> Iterator[bytes]:
    """Yield the lines of a recording, an event every half second."""
    frames = openai_frames(TEXT)
    events = [event_line(number, 500 * number, b"id: a:%d\n%b" % (number, one)) for number, one in enumerate(frames, 1)]
    digest = blake2b(b"".join(events), digest_size=DIGEST_BYTES).hexdigest()
    head = RecordingHead(
        id="answer-1", owner="o", dialect="openai.chat", model="m", created_at=1, recorded_at=1, first_seq=1
    )
    yield head_line(head)
    yield from events
    if whole:
        yield end_line(RecordingEnd(whole=True, events=len(events), last_seq=len(events), digest=digest))


@pytest.mark.parametrize(("speed", "pause_s"), [(1.0, 0.5), (10.0, 0.05)])
def test_it_is_played_at_any_pace(speed: float, pause_s: float) -> None:
    """Its text is what the model wrote."""
    slept: list[float] = []
    tape = Tape(lines())
    played = tape.played(speed, sleep=slept.append, clock=lambda: sum(slept))
    assert "".join(texts(played, Dialect.OPENAI_CHAT)) == TEXT
    assert slept == pytest.approx([pause_s] * len(tape.events))


def test_at_once_nobody_waits() -> None:
    """Not even once."""
    slept: list[float] = []
    assert len(list(Tape(lines()).played(0, sleep=slept.append))) == len(openai_frames(TEXT))
    assert not slept


def test_one_that_was_cut_is_told_as_such() -> None:
    """With what is there."""
    tape = Tape(lines(whole=False))
    told = tape.timeline(5)
    assert (told.status, told.events) == ("truncated", len(openai_frames(TEXT)))
    assert tape.fault


def test_text_without_its_end_is_not_whole() -> None:
    """Nor is one that failed: what there is of it is yielded first."""
    frames = openai_frames(TEXT)
    for end in ([], [b'data: {"error": {"message": "It stalled.", "code": "provider_timeout"}}\n\n']):
        seen: list[str] = []
        with pytest.raises(click.ClickException):
            seen.extend(texts(iter([*frames[:4], *end]), Dialect.OPENAI_CHAT))


def test_one_whose_beginning_was_forgotten_begins_at_once() -> None:
    """The pauses behind that are as they were."""
    first, *rest = lines()
    slept: list[float] = []
    tape = Tape(iter([first.replace(b'"first_seq":1', b'"first_seq":3'), *rest[2:]]))
    assert len(list(tape.played(1, sleep=slept.append, clock=lambda: sum(slept)))) == len(rest) - 3
    assert slept == pytest.approx([0.5] * (len(tape.events) - 1))


def test_an_end_that_anybody_wrote_is_no_fault() -> None:
    """Its status is not known then."""
    *rest, _ = lines()
    digest = blake2b(b"".join(rest[1:]), digest_size=DIGEST_BYTES).hexdigest()
    end = RecordingEnd(
        whole=True, events=len(rest) - 1, last_seq=len(rest) - 1, digest=digest, report=msgspec.Raw(b"[1]")
    )
    assert Tape(iter([*rest, end_line(end)])).timeline(5).status == "truncated"


def test_another_file_is_none() -> None:
    """It says so."""
    with pytest.raises(click.ClickException, match="no recording"):
        Tape(iter([b"hello\n"]))


def test_a_dialect_that_is_not_known_has_no_text() -> None:
    """The events can be seen all the same."""
    assert dialect_of("openai.chat") is Dialect.OPENAI_CHAT
    assert dialect_of("of.a.later.version") is None
    with pytest.raises(click.ClickException, match="--raw"):
        list(texts(iter([b""]), None))


def test_an_id_leads_to_no_other_route() -> None:
    """Whatever is in it."""
    assert path_of("streams", "../x?y", "/timeline") == "/v1/streams/..%2Fx%3Fy/timeline"
