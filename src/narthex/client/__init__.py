"""The Python client for a gateway that runs elsewhere.

    blocking      `Client`, for programs without an event loop (on sockets)
    nonblocking   `AsyncClient`, for programs with one (on streams)
    calls         what is asked and what is answered, without I/O
    readers       streamed answers, without I/O
    controllers   answers that the gateway keeps, without an event loop; async_controllers: with one
    kept          what both stand on, without I/O; following: where the reading stands; backoff: when to come back
    reports       how such an answer stands on the gateway
    http1         HTTP, without I/O
    failures      the gateway's errors; breaks: those a client sees by itself
    endpoint      where the gateway is
    routes        decisions on calls, explained
    caching       answers that are made before they are asked for
    values        what the native API answers

It knows the vocabulary and the wires, and nothing of the server.
"""

from __future__ import annotations

from narthex.client.async_controllers import AsyncStreamController
from narthex.client.backoff import Reconnect
from narthex.client.blocking import Client, EventStream
from narthex.client.controllers import StreamController
from narthex.client.following import StreamFrame
from narthex.client.nonblocking import AsyncClient, AsyncEventStream
from narthex.client.reports import StreamReport
from narthex.client.routes import Route
from narthex.client.values import Generation, GenerationEvent, Model, Status

__all__ = [
    "AsyncClient",
    "AsyncEventStream",
    "AsyncStreamController",
    "Client",
    "EventStream",
    "Generation",
    "GenerationEvent",
    "Model",
    "Reconnect",
    "Route",
    "Status",
    "StreamController",
    "StreamFrame",
    "StreamReport",
]
