"""The application made late: requests wait for it, once."""

from __future__ import annotations

import asyncio
import threading

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from narthex.http.late import LateApp


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


async def test_it_is_made_once_for_all_who_wait() -> None:
    """Requests that come while the application is made wait for it, and it is made once."""
    made: list[ASGIApp] = []
    served: list[str] = []
    gate = threading.Event()

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        served.append(scope["path"])

    def make() -> ASGIApp:
        gate.wait(5)
        made.append(app)
        return app

    async def send(_message: Message) -> None:
        return

    late = LateApp(make)
    waiting = [asyncio.ensure_future(late({"path": path}, _nothing, send)) for path in ("/a", "/b")]
    await asyncio.sleep(0)
    waiting[0].cancel()
    gate.set()
    await waiting[1]
    await late({"path": "/c"}, _nothing, send)
    assert len(made) == 1
    assert served == ["/b", "/c"]


async def test_a_fault_while_it_is_made_is_told_to_each() -> None:
    """If the application cannot be made, whoever asks is told why."""

    def make() -> ASGIApp:
        raise LookupError("no routes")

    late = LateApp(make)
    for _ in range(2):
        with pytest.raises(LookupError, match="no routes"):
            await late.prepare()
