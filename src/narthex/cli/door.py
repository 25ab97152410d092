"""The one way from the command line to a server: one that runs elsewhere, or the whole gateway in this process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import msgspec

import narthex
from narthex.client import Client, Generation, Model, Route, calls
from narthex.client.routes import RouteOptions
from narthex.client.values import GenerateOptions
from narthex.errors import GatewayUnreachable, NarthexError

if TYPE_CHECKING:
    from narthex.config.load import Loaded

Remark = Callable[[str], None]
"""Tells the user something beside the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked, with everything said about the answer."""

    prompt: str
    options: GenerateOptions
    is_streamed: bool = True


class Door(Protocol):
    """A gateway, wherever it is."""

    def generate(self, question: Question, on_text: Callable[[str], None]) -> Generation:
        """Answer; `on_text` gets each piece as it comes, if the question is streamed.

        Raises:
            NarthexError: There is no answer, or it broke before its end.
        """
        ...

    def models(self) -> tuple[Model, ...]:
        """Return the models that it serves.

        Raises:
            NarthexError: It cannot tell.
        """
        ...

    def explain(self, model: str | None, options: RouteOptions) -> Route:
        """Return where a call would go.

        Raises:
            NarthexError: It cannot tell.
        """
        ...


class Distant:
    """A server that runs already."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def generate(self, question: Question, on_text: Callable[[str], None]) -> Generation:
        """Ask the server."""
        if not question.is_streamed:
            return self._client.generate(question.prompt, **question.options)
        with self._client.generate(question.prompt, stream=True, **question.options) as events:
            for event in events:
                on_text(event.text)
                if event.generation is not None:
                    return event.generation
        raise AssertionError("a stream without its end raises")

    def models(self) -> tuple[Model, ...]:
        """Ask the server."""
        return self._client.models()

    def explain(self, model: str | None, options: RouteOptions) -> Route:
        """Ask the server."""
        return self._client.explain(model, **options)


class Inside:
    """The whole gateway, built in this process for one call."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded

    def generate(self, question: Question, on_text: Callable[[str], None]) -> Generation:
        """Answer here."""
        return asyncio.run(self._generate(question, on_text))

    async def _generate(self, question: Question, on_text: Callable[[str], None]) -> Generation:
        # Loaded here: a server elsewhere needs none of it.
        from narthex.pipeline.generate import GenerateRequest, Generator, parse  # noqa: PLC0415
        from narthex.tenancy.keys import LOCAL  # noqa: PLC0415

        options = {name: value for name, value in question.options.items() if value is not None}
        body = msgspec.json.encode({"prompt": question.prompt, "stream": question.is_streamed, **options})
        request: GenerateRequest = parse(body)
        async with narthex.Gateway(self._loaded) as gateway:
            running = await Generator(gateway.engine).begin(request, LOCAL, {})
            async for delta in running.deltas():
                if question.is_streamed:
                    on_text(delta.text)
            return msgspec.convert(msgspec.to_builtins(await running.result()), Generation)

    def models(self) -> tuple[Model, ...]:
        """Tell what would be served from here."""
        return asyncio.run(self._models())

    async def _models(self) -> tuple[Model, ...]:
        async with narthex.Gateway(self._loaded) as gateway:
            known = await gateway.models()
            aliases = {facts.name: tuple(gateway.catalog.aliases_of(facts.name)) for facts in known}
            health = {one.name: msgspec.to_builtins(_plain_health(one.health())) for one in gateway.catalog.providers}
        rows = [
            msgspec.to_builtins(facts)
            | {"name": facts.name, "aliases": aliases[facts.name], "health": health[facts.provider]}
            for facts in known
        ]
        return msgspec.convert(rows, tuple[Model, ...])

    def explain(self, model: str | None, options: RouteOptions) -> Route:
        """Tell what would be decided here; no provider is asked for its models."""
        return asyncio.run(self._explain(calls.route_request(model, **options).body or b"{}"))

    async def _explain(self, body: bytes) -> Route:
        from narthex.pipeline.explain import Explainer, parse_question  # noqa: PLC0415 - as above
        from narthex.tenancy.keys import LOCAL  # noqa: PLC0415

        question = parse_question(body)
        async with narthex.Gateway(self._loaded) as gateway:
            keys = gateway.settings.keys
            asking = gateway.keyring.caller(keys[0].name) if keys else None
            explainer = Explainer(
                catalog=gateway.catalog,
                router=gateway.router,
                board=gateway.board,
                keyring=gateway.keyring,
                merges=gateway.merges,
            )
            explained = explainer.explain(question, asking or LOCAL)
        return msgspec.convert(msgspec.to_builtins(explained), Route)


def _plain_health(health: object) -> dict[str, object]:
    return {name: getattr(health, name) for name in ("status", "detail", "checked_at")}


@contextmanager
def open_door(*, url: str | None, is_local: bool, remark: Remark, file: Path | None = None) -> Iterator[Door]:
    """Open the gateway to ask: the one named, else the one that should run here, else one in this process.

    Args:
        url: The server named on the command line; by default `NARTHEX_URL`.
        is_local: Look for no server.
        remark: Is told if no server was found.
        file: The configuration file; by default the one that `narthex serve` would read.

    Raises:
        ConfigError: The configuration is needed and cannot be used.
    """
    if not is_local and (url or os.environ.get("NARTHEX_URL")):
        with Client(url) as client:
            yield Distant(client)
        return
    from narthex.config.load import load  # noqa: PLC0415 - a server that is named is asked without it

    loaded = load(file=file, environ=os.environ)
    with Client(address_of(loaded), api_key=os.environ.get("NARTHEX_API_KEY") or first_key(loaded)) as client:
        missing = None if is_local else _why_not_there(client)
        if missing:
            remark(f"{missing}; answering in this process (`narthex serve` starts a server)")
        yield Inside(loaded) if is_local or missing else Distant(client)


def _why_not_there(client: Client) -> str | None:
    try:
        client.health()
    except GatewayUnreachable:
        return f"no server at {client.url}"
    except NarthexError:
        return f"what answers at {client.url} is no Narthex"
    return None


def address_of(loaded: Loaded) -> str:
    """Return where a server with this configuration is reached from this machine."""
    server = loaded.settings.server
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(server.host.strip("[]"), server.host.strip("[]"))  # noqa: S104 - recognised, not bound
    return f"{'https' if server.tls_cert else 'http'}://{f'[{host}]' if ':' in host else host}:{server.port}"


def first_key(loaded: Loaded) -> str | None:
    """Return a key that the configured server takes; whoever may read the configuration holds it already."""
    keys = loaded.settings.keys
    return keys[0].key.get_secret_value() if keys else None


class _Application(Protocol):
    def serve(self, loaded: Loaded, *, on_ready: Callable[[str], None] | None = None) -> None: ...


def serve(loaded: Loaded, *, on_ready: Callable[[str], None]) -> None:
    """Run the server until it is told to stop.

    Args:
        loaded: The configuration.
        on_ready: Called with the address once requests are taken.

    Raises:
        OSError: The address is taken or is not one of this machine.
    """
    # The composition root stands above this room and is found by name, as the program's entry point is.
    application = cast("_Application", import_module("narthex.app"))
    application.serve(loaded, on_ready=on_ready)
