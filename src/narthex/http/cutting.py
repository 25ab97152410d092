"""Answers that end before their end because they are meant to: nobody takes them for whole, and nothing is wrong."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope


class AnswerCut(Exception):
    """This answer ends here: the server is to close its connection."""


class CuttingProtocol(HttpToolsProtocol):
    """uvicorn's, with an application that may raise `AnswerCut`."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        super()._start_asgi_task(cycle, cast("ASGI3Application", partial(_serve, cycle, app)))


async def _serve(
    cycle: RequestResponseCycle,
    app: ASGI3Application,
    scope: Scope,
    receive: ASGIReceiveCallable,
    send: ASGISendCallable,
) -> None:
    try:
        await app(scope, receive, send)
    except AnswerCut:
        # As if the client had left, which uvicorn does not take for a fault of the application.
        cycle.disconnected = True
        cycle.transport.close()
