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
from narthex.streams.recordings import Recordings
from narthex.streams.stream import SeamMark
from narthex.types.dialects import Dialect
from narthex.types.usage import Usage


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
