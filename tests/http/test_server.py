"""Both doors behind one port: binding, starting, the limits of connections, and the stop."""

from __future__ import annotations

import errno
import json
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from narthex.config.settings import ServerSettings
from narthex.http import app as http_app
from narthex.http.server import address_of, bind
from narthex.streams.log import LogReader
from narthex.testing.acts import Stall, streamed
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import openai_frames
from tests.gateways import RawClient, RunningGateway, post, running
from tests.http.doors import DEMO, Json

CHAT = "/v1/chat/completions"
HEALTH = b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


def chat(model: str, *, stream: bool = False, more: str = "") -> bytes:
    """Write a chat."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hi"}], "stream": stream})
    return post(CHAT, body.encode(), key=None, more=more)


def provider(upstream: ScriptedUpstream) -> Json:
    """Return the settings of a provider that is this upstream."""
    return {"up": {"kind": "openai", "base_url": f"{upstream.url}/v1"}}


def get(path: str) -> bytes:
    """Write a request without a body."""
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    """A provider."""
    with ScriptedUpstream() as one:
        yield one


# -- where it listens --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]"])
def test_it_listens_where_it_is_told(host: str) -> None:
    """A name, an IPv4 or an IPv6 address, with or without brackets, can be bound and is reached."""
    settings = ServerSettings(host=host, port=0)
    try:
        listener = bind(settings)
    except OSError as error:
        if error.errno not in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL} or ":" not in host:
            raise
        pytest.skip("this machine has no IPv6")
    with listener, socket.create_connection((host.strip("[]"), listener.getsockname()[1]), timeout=30):
        assert not listener.getblocking()


@pytest.mark.parametrize(
    ("host", "tls", "shown"),
    [
        ("127.0.0.1", False, "http://127.0.0.1:{port}"),
        ("gate.example", True, "https://gate.example:{port}"),
        ("::1", False, "http://[::1]:{port}"),
        ("[::1]", True, "https://[::1]:{port}"),
    ],
)
def test_it_tells_its_address(tmp_path: Path, host: str, tls: bool, shown: str) -> None:
    """The address is a URL that can be called: with the real port, the scheme, and brackets where they belong."""
    certificate = tmp_path / "cert.pem" if tls else None
    settings = ServerSettings(host=host, port=0, tls_cert=certificate, tls_key=certificate)
    with bind(ServerSettings(port=0)) as listener:
        assert address_of(listener, settings) == shown.format(port=listener.getsockname()[1])


def test_an_address_that_cannot_be_bound_is_an_error_at_once() -> None:
    """A taken port and a foreign address are refused when they are bound, and nothing stays open."""
    with bind(ServerSettings(port=0)) as listener:
        taken: int = listener.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            bind(ServerSettings(port=taken))
    with bind(ServerSettings(port=taken)) as again:
        assert again.getsockname()[1] == taken
    with pytest.raises(OSError, match="assign"):
        bind(ServerSettings(host="192.0.2.1", port=0))


# -- while it runs -----------------------------------------------------------------------------------------------------


def test_both_doors_are_behind_one_port(tmp_path: Path) -> None:
    """One connection reaches the fast lane, the probes, the routes and the documents."""
    with running(tmp_path, providers={"demo": DEMO}) as gateway, RawClient(gateway.port) as client:
        for request in (HEALTH, chat("demo/m"), get("/api/models"), get("/openapi.json"), chat("demo/m", stream=True)):
            client.send(request)
            status, headers, _ = client.response()
            assert status == 200
            assert headers["x-request-id"].startswith("req_")
            assert "server" not in headers


def test_a_broken_application_leaves_model_calls_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If the routes beside the model routes cannot be made, models and probes are served, the rest says what is."""

    def fail(services: object) -> None:
        raise LookupError("no routes today")

    monkeypatch.setattr(http_app, "build_routes", fail)
    with (
        caplog.at_level(logging.ERROR, logger="narthex"),
        running(tmp_path, providers={"demo": DEMO}) as gateway,
        RawClient(gateway.port) as client,
    ):
        for request, status in ((HEALTH, 200), (get("/api/models"), 500), (chat("demo/m"), 200)):
            client.send(request)
            assert client.response()[0] == status
    assert "no routes today" in caplog.text


def test_an_idle_connection_is_closed_after_its_time(tmp_path: Path) -> None:
    """A connection that asks for nothing more is closed when its time is over, without a word."""
    with running(tmp_path, server={"keep_alive_s": 0.2}) as gateway, RawClient(gateway.port) as client:
        client.send(HEALTH)
        assert client.response()[0] == 200
        assert client.closed()


def test_a_cut_that_is_meant_is_no_error(
    tmp_path: Path, upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    """A reader at the ordinary door that does not keep up is cut visibly, and the log has no error about it."""
    upstream.play((*streamed(openai_frames("one two three")[:3], ended=False), Stall()))
    kept = "x-narthex-stream-id: stream-cut\r\nx-narthex-on-disconnect: detach\r\norigin: http://127.0.0.1\r\n"
    with (
        caplog.at_level(logging.WARNING),
        running(tmp_path, providers=provider(upstream)) as gateway,
        RawClient(gateway.port) as client,
    ):
        client.send(chat("up/m", stream=True, more=kept))
        client.read_until(b"one")
        gateway.call(lambda: drop_readers(gateway, "stream-cut"))
        body = client.rest()
    assert not body.endswith(b"0\r\n\r\n")
    assert [record.getMessage() for record in caplog.records] == []


def drop_readers(running_one: RunningGateway, name: str) -> None:
    """Have whoever reads a stream be too far behind."""
    assert running_one.gateway is not None
    log = running_one.gateway.registry.find("key:local", name).log
    assert log is not None
    for reader in list(log._readers):
        cast("LogReader", reader).drop()


# -- stopping ----------------------------------------------------------------------------------------------------------


def takes_calls(gateway: RunningGateway) -> bool:
    """Return whether a new connection is served."""
    try:
        with RawClient(gateway.port) as client:
            client.send(HEALTH)
            return client.response()[0] == 200
    except ConnectionError:
        return False


def test_idle_connections_do_not_hold_up_the_stop(tmp_path: Path) -> None:
    """A server that is told to stop closes the connections on which nothing is under way."""
    with running(tmp_path) as gateway, RawClient(gateway.port) as client:
        client.send(HEALTH)
        client.response()
        gateway.stop()
        assert client.closed()


def test_a_stopping_server_lets_nothing_new_in(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """While the last answers end no new connection is taken, and the server knows that it stops."""
    upstream.play(streamed(openai_frames("one two three four"), delay_s=0.2))
    with running(tmp_path, providers=provider(upstream)) as gateway, RawClient(gateway.port) as client:
        client.send(chat("up/m", stream=True))
        client.read_until(b"one")
        gateway.stop()
        while takes_calls(gateway):
            time.sleep(0.01)
        assert gateway.gateway is not None
        assert gateway.gateway.doorkeeper.stopping
        assert client.response()[2].endswith(b"data: [DONE]\n\n")


def test_an_answer_that_outlasts_the_stop_is_cut_visibly(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """What has not ended when the time for the stop is over is cut, and the client can tell that it is not whole."""
    upstream.play((*streamed(openai_frames("one two three")[:3], ended=False), Stall()))
    changes: Json = {"providers": provider(upstream), "server": {"graceful_timeout_s": 0.1}}
    with running(tmp_path, **changes) as gateway, RawClient(gateway.port) as client:
        client.send(chat("up/m", stream=True))
        client.read_until(b"one")
        gateway.stop()
        body = client.response()[2]
    assert b"[DONE]" not in body
    assert json.loads(body.rstrip().rpartition(b"data: ")[2])["error"]["code"] == "overloaded"


def test_one_connection_too_many_is_refused(tmp_path: Path) -> None:
    """Beyond the limit a connection is answered 503 and told when to come back; those before it stay served."""
    with running(tmp_path, server={"max_connections": 1}) as gateway, RawClient(gateway.port) as first:
        first.send(HEALTH)
        assert first.response()[0] == 200
        with RawClient(gateway.port) as second:
            status, headers, _ = second.response()
            assert (status, headers["retry-after"]) == (503, "1")
        first.send(HEALTH)
        assert first.response()[0] == 200
