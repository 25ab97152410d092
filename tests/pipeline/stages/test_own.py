"""Keeping answers: which are kept, what becomes of their calls, and what reaches those who wait."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path

import pytest

from narthex.app import Gateway
from narthex.errors import Cancelled, InvalidRequest, LimitExceeded, ModelNotFound
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.stages.own import cursor
from narthex.streams.log import Log
from narthex.tenancy.bounds import Bounds, Keeping
from narthex.tenancy.keys import LOCAL
from narthex.tenancy.scopes import Scopes
from narthex.types.dialects import Dialect
from tests.gateways import settings_for
from tests.ledger.limits.making import limit
from tests.pipeline.doubles import read

DEMO = {"kind": "scripted", "script": {"models": ["m"], "reply": "one two three four"}}


def call(model: str = "demo/m", *, stream: bool = True, **headers: str) -> Exchange:
    """Return a call with these headers."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hi"}], "stream": stream})
    raw = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return Exchange(Dialect.OPENAI_CHAT, body.encode(), raw)


@pytest.mark.parametrize(
    ("keep", "stream", "headers", "kept"),
    [
        ("asked", True, {}, False),
        ("asked", True, {"x_narthex_stream_id": "stream-1"}, True),
        ("asked", True, {"x_narthex_on_disconnect": "cancel"}, True),
        ("asked", False, {"x_narthex_stream_id": "stream-1"}, False),
        ("always", True, {}, True),
        ("always", False, {}, False),
    ],
)
async def test_which_answers_are_kept(
    tmp_path: Path, keep: str, stream: bool, headers: dict[str, str], kept: bool
) -> None:
    """Streamed ones that ask for it, or all streamed ones."""
    async with Gateway(settings_for(tmp_path, providers={"demo": DEMO}, streams={"keep": keep})) as gateway:
        exchange = call(stream=stream, **headers)
        answer = await gateway.engine.handle(exchange)
        assert isinstance(answer, Log) is kept
        assert dict(exchange.told).get("x-narthex-stream-id") == (
            headers.get("x_narthex_stream_id", exchange.id) if kept else None
        )
        if not answer.whole:
            await read(answer)
        assert gateway.registry._live == {}


async def test_an_error_before_the_answer_reaches_all_who_wait(tmp_path: Path) -> None:
    """The caller gets it as ever; who attached to the stream reads it there."""
    async with Gateway(settings_for(tmp_path, providers={"demo": DEMO})) as gateway:
        with pytest.raises(ModelNotFound):
            await gateway.engine.handle(call("demo/none", x_narthex_stream_id="stream-1"))
        log = gateway.registry.find("key:local", "stream-1").log
        assert log is not None
        (event,) = await read(log)
        assert isinstance(event, bytes)
        assert b'"code":"model_not_found"' in event


@pytest.mark.parametrize("policy", ["cancel", "detach"])
async def test_a_caller_that_leaves_before_the_answer(tmp_path: Path, policy: str) -> None:
    """Its call is ended, or goes on, as it said; either way it is settled once."""
    script = {"models": ["m"], "reply": "one two three four", "faults": [{"fault": "delay", "seconds": 0.05}]}
    providers = {"demo": {"kind": "scripted", "script": script}}
    async with Gateway(settings_for(tmp_path, providers=providers)) as gateway:
        exchange = call(x_narthex_stream_id="stream-1", x_narthex_on_disconnect=policy)
        waiting = asyncio.ensure_future(gateway.engine.handle(exchange))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait([waiting])
        log = gateway.registry.find("key:local", "stream-1").log
        assert log is not None
        events = await read(log)
        if policy == "detach":
            assert log.error is None
            assert len(events) > 3
        else:
            assert isinstance(log.error, Cancelled)
        # It is settled a turn later, where the answer came in one piece.
        await asyncio.sleep(0)
        assert gateway.metrics.active == 0


def test_a_cursor_names_a_stream_and_an_event() -> None:
    """As an event's `id` has it; anything else is refused."""
    assert cursor(b"stream-1:12") == ("stream-1", 12)
    for wrong in (b"", b"12", b"stream-1:", b":12", b"stream-1:-1", b"stream-1:1e3", b"a b:1", b"s:" + b"9" * 16):
        with pytest.raises(InvalidRequest):
            cursor(wrong)


@pytest.mark.parametrize("stream", [True, False])
async def test_what_makes_no_sense_is_refused_whatever_is_asked(tmp_path: Path, stream: bool) -> None:
    """A misspelt word is told where it would have no effect, too."""
    async with Gateway(settings_for(tmp_path, providers={"demo": DEMO})) as gateway:
        for headers in (
            {"x_narthex_stream_id": "short"},
            {"x_narthex_on_disconnect": "shrug"},
            {"x_narthex_on_disconnect": "DETACH"},
            {"x_narthex_record": "perhaps"},
            {"x_narthex_record": "ON"},
        ):
            with pytest.raises(InvalidRequest):
                await gateway.engine.handle(call(stream=stream, **headers))


async def test_an_answer_without_room_is_not_recorded(tmp_path: Path) -> None:
    """Whoever asks for a recording is refused before anything is sent; what is recorded beside a call is left out."""
    async with Gateway(settings_for(tmp_path, providers={"demo": DEMO})) as gateway:
        disk = limit(measure="storage_bytes", amount=100, period="total", subject_kind="workspace", subject="*")
        gateway.books.limits.configure([disk])
        with pytest.raises(LimitExceeded, match="stored bytes"):
            await gateway.engine.handle(call(x_narthex_record="on"))
        captured = call()
        bounds = Bounds(Scopes(), keeping=Keeping(capture="content"))
        captured.caller = dataclasses.replace(LOCAL, bounds=bounds)
        answer = await gateway.engine.handle(captured)
        assert ("x-narthex-not-kept", "storage_bytes") in captured.told
        await read(answer)
        assert await gateway.recorder.recordings.of("key:local") == []
