"""Ephemeral keys over HTTP, and the answer to whoever does not upgrade."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.gateways import KEY, RawClient, RunningGateway, post, running

PATH = "/v1/realtime/client_secrets"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A server with a key, which holds two ephemeral ones."""
    with running(
        tmp_path_factory.mktemp("data"), keys=[{"name": "test", "key": KEY}], sockets={"max_ephemeral_keys": 2}
    ) as one:
        yield one


def ask(gateway: RunningGateway, body: bytes, *, key: str | None = KEY) -> tuple[int, dict[str, object]]:
    """Return status and body of an answer."""
    with RawClient(gateway.port) as client:
        client.send(post(PATH, body, key=key))
        status, _, told = client.response()
        return status, json.loads(told)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        (b'{"expires_after":{"seconds":9}}', "expires_after.seconds"),
        (b'{"expires_after":{"anchor":"now","seconds":60}}', "expires_after.anchor"),
        (b'{"session":{"type":"transcription"}}', "session.type"),
        (b'{"session":{"output_modalities":["audio"]}}', "session.output_modalities"),
        (b'{"colour":1}', None),
    ],
)
def test_a_faulty_wish_is_refused(gateway: RunningGateway, body: bytes, param: str | None) -> None:
    """What cannot be bound to a key is refused when it is made, not when a page opens its socket."""
    status, told = ask(gateway, body)
    assert status == 400
    assert isinstance(told["error"], dict)
    assert told["error"]["param"] == param


def test_only_a_key_makes_keys_and_only_so_many(gateway: RunningGateway) -> None:
    """Without a key none is made; an empty object is enough; an ephemeral key makes no others; there is a limit."""
    assert ask(gateway, b"", key=None)[0] == 401
    status, told = ask(gateway, b"{}")
    assert status == 200
    assert ask(gateway, b"", key=str(told["value"]))[0] == 401
    assert ask(gateway, b"{}")[0] == 200
    status, told = ask(gateway, b"{}")
    assert (status, "max_ephemeral_keys" in str(told)) == (503, True)


@pytest.mark.parametrize("path", ["/v1/realtime", "/v1/streams/ws"])
def test_a_plain_request_is_told_to_upgrade(gateway: RunningGateway, path: str) -> None:
    """Where a socket is opened, a GET is answered 426."""
    with RawClient(gateway.port) as client:
        client.send(f"GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\r\n".encode())
        assert client.response()[0] == 426
