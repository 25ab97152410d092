"""A recording tells, beside the events, how the stream stood in the end and what was tried."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from narthex.errors import StreamNotKept
from narthex.pipeline.exchange import Exchange, Tried
from narthex.pipeline.owned import Owned
from narthex.pipeline.recorder import Recorder
from narthex.streams.log import Log
from narthex.streams.playing import reading
from narthex.streams.recordings import RecordingLimits, Recordings
from narthex.streams.stream import SeamMark, Stream
from narthex.tenancy.keys import LOCAL
from narthex.types.dialects import Dialect
from narthex.types.usage import Usage
from narthex.wire.sse import SseParser


async def test_what_is_known_at_the_end_is_in_its_last_line(tmp_path: Path) -> None:
    """Also what only whoever settles the call finds out."""
    recorder = Recorder(Recordings(tmp_path), now=lambda: 77.5)
    exchange = Exchange(Dialect.OPENAI_CHAT, b"{}", {})
    exchange.model_asked = "up/m"
    log = Log(Dialect.OPENAI_CHAT)
    owned = Owned(exchange, id="answer-1", owner="key:a", log=log)
    recorder.record(owned)
    log.on_close(lambda _log: setattr(exchange, "usage", Usage(input_tokens=3, output_tokens=2)))
    exchange.attempts = (Tried("up/m", "first", 5, "stall", 0, log.opened_at),)
    log.append(b"data: x\n\n")
    log.seams = ((1, SeamMark(0, "told", "b/n")),)
    log.close()
    await asyncio.sleep(0)
    reader = reading((await recorder.recordings.find("key:a", "answer-1")).open("rb"))
    assert [one.event for one in reader] == [b"data: x\n\n"]
    assert (reader.head.recorded_at, reader.head.owner, reader.head.model) == (77, "key:a", "up/m")
    assert reader.end is not None
    assert [one.failure for one in reader.end.attempts] == ["stall"]
    assert [(one.seq, one.target) for one in reader.end.seams] == [(1, "b/n")]
    report = json.loads(bytes(reader.end.report))
    assert (report["status"], report["usage"]["output_tokens"]) == ("done", 2)
    await recorder.recordings.aclose()


def test_what_is_not_kept_is_not_recorded(tmp_path: Path) -> None:
    """Its events run past."""
    exchange = Exchange(Dialect.OPENAI_CHAT, b"{}", {})
    with pytest.raises(StreamNotKept):
        Recorder(Recordings(tmp_path)).record(Owned(exchange, id="s", owner="o", log=None))


async def test_a_whole_answer_is_one_event(tmp_path: Path) -> None:
    """With its body, whatever ends its lines, and the time that the call took; what is not there is not recorded."""
    recorder = Recorder(Recordings(tmp_path))
    exchange = Exchange(Dialect.OPENAI_CHAT, b"{}", {}, caller=LOCAL)
    recorder.record_whole(exchange)
    exchange.received_at -= 5
    exchange.answer = Stream.of(b'{"a":\n 1,\r\n"b": 2}', Dialect.OPENAI_CHAT)
    exchange.usage = Usage(input_tokens=3, output_tokens=2)
    recorder.record_whole(exchange)
    assert [one.status for one in await recorder.recordings.of(LOCAL.owner)] == ["recording"]
    # It ends a turn later: whoever settles the call finds out first what it consumed.
    await asyncio.sleep(0)
    (report,) = await recorder.recordings.of(LOCAL.owner)
    assert (report.status, report.streamed, report.id) == ("whole", False, exchange.id)
    assert report.duration_ms >= 5_000
    reader = reading(await recorder.recordings.open(LOCAL.owner, exchange.id))
    (event,) = SseParser().feed(b"".join(one.event for one in reader))
    assert json.loads(event.data) == {"a": 1, "b": 2}
    assert reader.end is not None
    told = json.loads(bytes(reader.end.report))
    assert (told["status"], told["usage"]["output_tokens"]) == ("done", 2)
    await recorder.recordings.aclose()


async def test_a_whole_answer_without_room_is_not_recorded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its caller has it all the same."""
    recorder = Recorder(Recordings(tmp_path, RecordingLimits(max_recordings=0)))
    exchange = Exchange(Dialect.OPENAI_CHAT, b"{}", {}, caller=LOCAL)
    exchange.answer = Stream.of(b"{}", Dialect.OPENAI_CHAT)
    with caplog.at_level("INFO"):
        recorder.record_whole(exchange)
    assert "is not recorded" in caplog.text
