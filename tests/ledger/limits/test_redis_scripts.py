"""The scripts: what they do is shown by `test_redis_table`, and here that each is a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from narthex.ledger.limits import redis_scripts
from tests.stores.servers import running_redis
from tests.stores.test_redis_shelf import client_of

NAMES = ("RESERVE", "SETTLE", "CHARGE", "FORGET", "RENEW", "CLAIM", "RESTORE")


@pytest.mark.parametrize("name", NAMES)
async def test_the_server_takes_every_script(tmp_path: Path, name: str) -> None:
    """None has a fault that the server sees before it is run, and each begins with what all have in common."""
    script: str = getattr(redis_scripts, name)
    assert script.startswith("\nlocal P = KEYS[1]")
    with running_redis(tmp_path) as server:
        async with client_of(server.url) as client:
            assert len(await client.script_load(script)) == 40
