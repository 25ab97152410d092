"""The way to a server."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from narthex.cli.door import Distant, Inside, address_of, first_key, open_door
from narthex.config.load import load
from narthex.errors import ConfigError
from narthex.testing import RunningGateway


@pytest.fixture
def stranger() -> Iterator[int]:
    """Return the port of a server that is no Narthex."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, format: str, *_arguments: object) -> None:  # noqa: A002 - the name is the base's
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def kind_of(*, url: str | None = None, is_local: bool = False) -> tuple[type, list[str]]:
    """Return what kind of door is opened, and what is remarked."""
    remarks: list[str] = []
    with open_door(url=url, is_local=is_local, remark=remarks.append) as door:
        return type(door), remarks


def test_a_named_server_is_asked_unseen(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """With an address there is nothing to look for, and a broken configuration does not matter."""
    (home / "narthex.toml").write_text("broken")
    assert kind_of(url="http://127.0.0.1:9") == (Distant, [])
    monkeypatch.setenv("NARTHEX_URL", "http://127.0.0.1:9")
    assert kind_of() == (Distant, [])


def test_a_running_server_is_found(monkeypatch: pytest.MonkeyPatch, gateway: RunningGateway) -> None:
    """The configured address is tried first."""
    monkeypatch.setenv("NARTHEX_SERVER__PORT", gateway.url.rpartition(":")[2])
    assert kind_of() == (Distant, [])
    assert kind_of(is_local=True) == (Inside, [])


def test_no_server_is_remarked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one the gateway runs here."""
    monkeypatch.setenv("NARTHEX_SERVER__PORT", "9")
    kind, (remark,) = kind_of()
    assert kind is Inside
    assert remark.startswith("no server at http://127.0.0.1:9;")


def test_a_stranger_is_not_asked(monkeypatch: pytest.MonkeyPatch, stranger: int) -> None:
    """Something else that listens on the port gets no prompt."""
    monkeypatch.setenv("NARTHEX_SERVER__PORT", str(stranger))
    kind, (remark,) = kind_of()
    assert kind is Inside
    assert "no Narthex" in remark


def test_a_configuration_that_is_needed_must_hold(home: Path) -> None:
    """Whoever runs the gateway here needs its configuration."""
    (home / "narthex.toml").write_text("broken")
    with pytest.raises(ConfigError):
        kind_of(is_local=True)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8484"),
        ("0.0.0.0", "http://127.0.0.1:8484"),
        ("::", "http://[::1]:8484"),
        ("[::1]", "http://[::1]:8484"),
        ("gateway.example", "http://gateway.example:8484"),
    ],
)
def test_the_address_to_call_follows_the_address_to_bind(home: Path, host: str, address: str) -> None:
    """An address that means all interfaces is called by the loopback."""
    environ = {"HOME": str(home), "NARTHEX_SERVER__HOST": host, "NARTHEX_API_KEYS": "0123456789abcdef"}
    loaded = load(environ=environ, directory=home)
    assert address_of(loaded) == address
    assert first_key(loaded) == "0123456789abcdef"


def test_without_keys_none_is_presented(home: Path) -> None:
    """A server for this machine only needs no key."""
    assert first_key(load(environ={"HOME": str(home)}, directory=home)) is None
