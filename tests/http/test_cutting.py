"""Answers that are cut because they are meant to be: visibly for the client, without a word in the log."""

from __future__ import annotations

import asyncio
import logging

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from narthex.http.cutting import AnswerCut, CuttingProtocol
from tests.http.sockets.talking import Transport

REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


async def served(error: Exception | None, caplog: pytest.LogCaptureFixture) -> tuple[Transport, list[str]]:
    """Serve a request whose answer stops in its midst; return the connection, and what was logged."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        if error is not None:
            raise error

    config = uvicorn.Config(app, log_config=None)
    transport, state = Transport(), ServerState()
    protocol = CuttingProtocol(config, state, {})
    protocol.connection_made(transport)
    with caplog.at_level(logging.WARNING):
        protocol.data_received(REQUEST)
        await asyncio.gather(*state.tasks)
    return transport, [record.getMessage() for record in caplog.records if record.levelno > logging.INFO]


async def test_a_cut_closes_the_connection_and_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The client sees an answer without its end, and nobody is told of an error."""
    transport, logged = await served(AnswerCut(), caplog)
    assert transport.closing
    assert transport.written.endswith(b"4\r\nhalf\r\n")
    assert logged == []


@pytest.mark.parametrize("error", [None, RuntimeError("as told")], ids=["no end", "a fault"])
async def test_everything_else_is_logged_as_ever(error: Exception | None, caplog: pytest.LogCaptureFixture) -> None:
    """An application that breaks, or forgets the end of its answer, is an error."""
    transport, logged = await served(error, caplog)
    assert transport.closing
    assert len(logged) == 1
