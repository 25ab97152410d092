"""What every test shares: async tests run on their own event loop, and only this machine can be reached."""

from __future__ import annotations

import asyncio
import inspect
import ipaddress
import socket
from typing import cast

import pytest
from hypothesis import HealthCheck, settings

from tests.stores.databases import (
    database,
    database_url,
    empty_url,
    kind,
    new_database_url,
    postgresql,
    postgresql_with_vectors,
    sqlite_template,
    vectors_url,
)
from tests.stores.sealers import sealer

__all__ = [
    "database",
    "database_url",
    "empty_url",
    "kind",
    "new_database_url",
    "postgresql",
    "postgresql_with_vectors",
    "sealer",
    "sqlite_template",
    "vectors_url",
]

# A slow machine is no failure of the code: examples are judged by what they show, not by how long they take. The same
# examples come each time, so that a change is judged by what it changes; `make soak` looks for new ones, and more.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("house", _PATIENT, derandomize=True)
settings.register_profile("soak", _PATIENT, max_examples=1_000)
settings.load_profile("house")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run `async def` tests to their end on a fresh event loop."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    with asyncio.Runner() as runner:
        runner.run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture(autouse=True)
def _closed_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that would leave this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = cast("tuple[str, int]", address)[0]
            if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
                pytest.fail(f"the suite may not connect to {host!r}")
        connect(self, cast("tuple[str, int]", address))

    monkeypatch.setattr(socket.socket, "connect", guarded)
