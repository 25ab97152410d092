"""Probes: answered without a key, and truthfully while the server stops."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from narthex.app import Gateway
from narthex.errors import StoreUnreachable
from narthex.http.probes import PROBES, probe
from tests.gateways import KEY, RawClient, running, settings_for


@pytest.mark.parametrize("path", sorted(PROBES))
def test_probes_need_no_key(tmp_path: Path, path: str) -> None:
    """Probes are answered to anyone who may knock, keys or not."""
    with running(tmp_path, keys=[{"name": "k", "key": KEY}]) as gateway, RawClient(gateway.port) as client:
        client.send(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
        status, headers, body = client.response()
    assert status == 200
    assert headers["x-request-id"]
    assert json.loads(body)["status"] == "ok"


async def test_a_stopping_server_is_not_ready(tmp_path: Path) -> None:
    """While the server stops it is alive, but takes no requests."""
    async with Gateway(settings_for(tmp_path)) as gateway:
        services = gateway.services(lambda: "")
        gateway.doorkeeper.stopping = True
        assert probe("/readyz", services)[0] == 503
        assert probe("/livez", services)[0] == 200
        assert json.loads(probe("/health", services)[1])["status"] == "stopping"


async def test_a_server_without_its_database_is_ready_and_says_so(tmp_path: Path) -> None:
    """It goes on with the keys that it knows."""
    async with Gateway(settings_for(tmp_path)) as gateway:
        services = gateway.services(lambda: "")
        await gateway.office.database()
        assert json.loads(probe("/readyz", services)[1])["database"] == "up"
        gateway.office.failure = StoreUnreachable()
        status, body = probe("/readyz", services)
        assert (status, json.loads(body)) == (200, {"status": "ok", "database": "down"})
