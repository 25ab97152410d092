"""A recording is read as it was written, and what was cut or changed is never taken for whole."""

from __future__ import annotations

from hashlib import blake2b

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.streams.recording import (
    DIGEST_BYTES,
    BrokenRecording,
    RecordingEnd,
    RecordingHead,
    RecordingReader,
    end_line,
    event_line,
    head_line,
    read_event,
)

EVENTS = st.lists(st.tuples(st.integers(0, 4_000_000), st.binary(max_size=60)), max_size=12)


def head(first_seq: int = 1) -> RecordingHead:
    """Return a first line."""
    return RecordingHead(
        id="answer-1",
        owner="key:a",
        dialect="openai.chat",
        model="up/m",
        created_at=5,
        recorded_at=6,
        first_seq=first_seq,
    )


def written(events: list[tuple[int, bytes]], *, first_seq: int = 1, whole: bool = True) -> list[bytes]:
    """Return the lines of a recording."""
    lines = [event_line(seq, t_ms, event) for seq, (t_ms, event) in enumerate(events, first_seq)]
    end = RecordingEnd(
        whole=whole,
        reason=None if whole else "too_large",
        events=len(events),
        last_seq=first_seq + len(events) - 1,
        digest=blake2b(b"".join(lines), digest_size=DIGEST_BYTES).hexdigest(),
        report=msgspec.Raw(b'{"status":"done"}'),
    )
    return [head_line(head(first_seq)), *lines, end_line(end)]


@given(EVENTS, st.integers(1, 1_000))
def test_what_is_written_is_read(events: list[tuple[int, bytes]], first_seq: int) -> None:
    """The same events at the same times, whatever their bytes, and the end."""
    reader = RecordingReader(written(events, first_seq=first_seq))
    read = list(reader)
    assert [(one.t_ms, one.event) for one in read] == events
    assert [one.seq for one in read] == list(range(first_seq, first_seq + len(events)))
    assert reader.whole
    assert reader.end is not None
    assert bytes(reader.end.report) == b'{"status":"done"}'


@given(EVENTS.filter(bool), st.data())
def test_cut_at_any_byte_it_is_not_whole(events: list[tuple[int, bytes]], data: st.DataObject) -> None:
    """What came before the cut is read, and nothing is made up."""
    lines = written(events)
    text = b"".join(lines)
    cut = text[: data.draw(st.integers(len(lines[0]), len(text) - 1))]
    reader = RecordingReader(cut.splitlines(keepends=True))
    read = list(reader)
    assert [(one.t_ms, one.event) for one in read] == events[: len(read)]
    assert not reader.whole
    assert reader.fault
    assert "cut" in reader.fault


@given(EVENTS.filter(lambda events: len(events) > 1), st.data())
def test_an_event_that_is_missing_or_changed_is_noticed(events: list[tuple[int, bytes]], data: st.DataObject) -> None:
    """The last line tells of the events that were recorded, and of no others."""
    lines = written(events)
    place = data.draw(st.integers(1, len(events)))
    changed = event_line(place, events[place - 1][0], events[place - 1][1] + b"!")
    for broken in ([*lines[:place], *lines[place + 1 :]], [*lines[:place], changed, *lines[place + 1 :]]):
        reader = RecordingReader(broken)
        list(reader)
        assert not reader.whole


def test_one_that_ended_before_its_stream_says_why() -> None:
    """It has its last line, and is not whole all the same."""
    reader = RecordingReader(written([(1, b"a")], whole=False))
    list(reader)
    assert (reader.whole, reader.fault) == (False, "recording ended behind event 1, before the stream did: too_large")


@pytest.mark.parametrize("line", [b"", b"{}\n", b"nonsense", b"\xff\n", b'{"seq":1,"t_ms":2}\n'])
def test_another_file_is_no_recording(line: bytes) -> None:
    """It is refused at its first line."""
    with pytest.raises(BrokenRecording):
        RecordingReader([line])


def test_a_later_version_is_not_guessed_at() -> None:
    """It says which one can be read."""
    line = head_line(msgspec.structs.replace(head(), narthex_recording=2))
    with pytest.raises(BrokenRecording, match="version 2; 1 can be read"):
        RecordingReader([line])


def test_bytes_that_are_no_base64_are_no_event() -> None:
    """Nothing is made of them."""
    assert read_event(b'{"seq":1,"t_ms":1,"data_base64":"*"}\n') is None
