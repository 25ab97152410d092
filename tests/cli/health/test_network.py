"""The port, the providers and Ollama."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path

import pytest

from narthex.cli.health import network
from narthex.cli.health.findings import Finding
from narthex.config.load import Loaded, load
from narthex.config.settings import DiscoverySettings, ProviderSettings, ServerSettings, Settings
from narthex.testing import RunningGateway

MODELS = {"data": [{"id": "a"}, {"id": "b"}]}
QUIET = {"NARTHEX_DISCOVERY__OLLAMA": "false"}


@contextmanager
def answering(
    status: int, body: object = MODELS, headers: Mapping[str, str] | None = None
) -> Iterator[tuple[int, list[str]]]:
    """Run a server that answers all the same; yields its port and the requests it got."""
    requests: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(f"{self.path}\n{self.headers}")
            self.send_response_only(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, format: str, *_arguments: object) -> None:  # noqa: A002 - the name is the base's
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1], requests
        finally:
            server.shutdown()
            thread.join()


def loaded_with(home: Path, port: int, **more: object) -> Loaded:
    """Load a configuration with one provider on a port."""
    provider = {"kind": "openai", "base_url": f"http://127.0.0.1:{port}/v1", **more}
    environ = {"HOME": str(home), "NARTHEX_PROVIDERS": json.dumps({"mine": provider}), **QUIET}
    return load(environ=environ, directory=home)


def first(loaded: Loaded) -> Finding:
    """Return what is found of the one provider."""
    return next(network.providers(loaded))


def test_a_provider_that_answers(home: Path) -> None:
    """It is asked for its models with its own key and headers."""
    with answering(200) as (port, requests):
        finding = first(loaded_with(home, port, api_key="sk-1", headers={"x-team": "t"}))
    assert (finding.status, finding.detail) == ("ok", "answers, 2 models")
    assert requests[0].startswith("/v1/models\n")
    assert "authorization: Bearer sk-1" in requests[0]
    assert "x-team: t" in requests[0]


def test_an_anthropic_provider_is_asked_in_its_way(home: Path) -> None:
    """The key travels in the header of that wire."""
    with answering(200) as (port, requests):
        first(loaded_with(home, port, kind="anthropic", api_key="sk-1"))
    assert "x-api-key: sk-1" in requests[0]
    assert "authorization" not in requests[0]


@pytest.mark.parametrize(
    ("status", "key", "outcome", "words"),
    [
        (401, "sk-1", "fail", "refuses its key, which comes from: env NARTHEX_PROVIDERS"),
        (403, None, "fail", "wants a key"),
        (404, None, "warn", "lists no models"),
        (500, None, "warn", "status 500"),
        (302, "sk-1", "warn", "status 302"),
    ],
)
def test_a_provider_that_refuses(home: Path, status: int, key: str | None, outcome: str, words: str) -> None:
    """A wrong key fails and names where it comes from; a redirection is not followed."""
    with answering(status, headers={"location": "http://127.0.0.1:9/"}) as (port, _):
        finding = first(loaded_with(home, port, **({"api_key": key} if key else {})))
    assert (finding.status, words in finding.detail) == (outcome, True)
    assert "sk-1" not in finding.detail


def test_each_of_several_keys_is_tried(home: Path) -> None:
    """Each key is judged under its own name, with where it comes from."""
    with answering(401) as (port, requests):
        findings = list(network.providers(loaded_with(home, port, api_key="sk-1", api_keys=["sk-2", "sk-3"])))
    titles = ["Provider mine", "Provider mine, api_keys.0", "Provider mine, api_keys.1"]
    assert [finding.name for finding in findings] == titles
    assert ["sk-1" in requests[0], "sk-2" in requests[1], "sk-3" in requests[2]] == [True] * 3
    assert all("refuses its key, which comes from" in finding.detail for finding in findings)


def test_a_provider_that_cannot_be_reached(home: Path) -> None:
    """Without a network it is a remark: the set-up may be right all the same."""
    finding = first(loaded_with(home, 9))
    assert (finding.status, finding.remedy) == ("warn", "curl -v http://127.0.0.1:9/v1/models")


def test_an_answer_that_is_no_list(home: Path) -> None:
    """Nonsense with a good status is still an answer."""
    with answering(200, ["x"]) as (port, _):
        assert first(loaded_with(home, port)).detail == "answers"


@pytest.mark.parametrize(("date", "count"), [(None, 1), ("nonsense", 1), (formatdate(0, usegmt=True), 2)])
def test_a_clock_that_differs_is_told(home: Path, date: str | None, count: int) -> None:
    """The provider's own date is compared, where it gives one."""
    with answering(200, headers={"date": date} if date else {}) as (port, _):
        findings = list(network.providers(loaded_with(home, port)))
    assert len(findings) == count
    assert count == 1 or findings[1].name == "Clock"


@pytest.mark.parametrize(
    ("environ", "status", "words"),
    [
        ({}, "ok", "none configured"),
        ({"NARTHEX_EMBEDDED__ENABLED": "false"}, "warn", "embedded models are off"),
        ({"NARTHEX_PROVIDERS": '{"demo": {"kind": "scripted"}}'}, "ok", "only scripted"),
    ],
)
def test_nobody_to_ask(home: Path, environ: dict[str, str], status: str, words: str) -> None:
    """Without providers the embedded models are what there is."""
    finding = first(load(environ={"HOME": str(home), **QUIET, **environ}, directory=home))
    assert (finding.status, words in finding.detail) == (status, True)


def test_a_free_port() -> None:
    """A port that can be bound is free; 0 always is."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    assert network.port(ServerSettings(port=number)).status == "ok"
    assert network.port(ServerSettings(port=0)).status == "ok"


def test_a_port_of_somebody_else() -> None:
    """It fails, with a command that takes the next."""
    with answering(404) as (number, _):
        finding = network.port(ServerSettings(port=number))
    assert (finding.status, finding.remedy) == ("fail", f"narthex serve --port {number + 1}")


def test_a_port_of_ours(gateway: RunningGateway) -> None:
    """A Narthex that runs there already is no fault."""
    finding = network.port(ServerSettings(port=int(gateway.url.rpartition(":")[2])))
    assert finding.status == "ok"
    assert "served by Narthex" in finding.detail


def test_ollama() -> None:
    """It is told whether it answers; that it does not matters only to those who configured it."""
    with answering(200) as (number, _):
        assert "2 models" in network.ollama(Settings(), {"OLLAMA_HOST": f"127.0.0.1:{number}"}).detail
    gone = {"OLLAMA_HOST": "127.0.0.1:9"}
    assert network.ollama(Settings(), gone).status == "ok"
    assert network.ollama(Settings(aliases={"x": "ollama/llama3"}), gone).status == "warn"
    assert network.ollama(Settings(discovery=DiscoverySettings(ollama=False)), {}).detail == "not looked for"
    assert "configured" in network.ollama(Settings(providers={"ollama": ProviderSettings()}), {}).detail
