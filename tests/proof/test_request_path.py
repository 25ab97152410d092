"""Nothing on the way of a call asks the database."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from narthex.stores.database import Database
from tests.gateways import running
from tests.http.routes.accounts import SETTINGS, Root
from tests.proof.waiting import until

CAPS = [
    {"name": "rate", "key": "*", "measure": "requests", "amount": 1_000_000, "period": "minute"},
    {"name": "tokens", "workspace": "*", "measure": "tokens", "amount": 10**12, "period": "day"},
    {"name": "users", "end_user": "*", "measure": "requests", "amount": 1_000_000, "period": "day"},
]
CHAT = {"messages": [{"role": "user", "content": "x"}], "user": "ann"}


class Unreachable:
    """A database that nobody may ask."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> NoReturn:
        self.asked.append(name)
        raise AssertionError(name)


def test_calls_are_served_without_a_word_from_the_database(tmp_path: Path) -> None:
    """Keys, limits and the ledger are held in memory and in the journal: the database may be away for long."""
    with running(tmp_path, **SETTINGS, caps=CAPS) as server, Root(server) as root:
        key = str(root.key(root.workspace())["key"])
        assert server.gateway is not None
        until(server.gateway.books.billing.ready.is_set)
        kept, away = server.gateway.office._database, Unreachable()
        assert isinstance(kept, Database)
        server.gateway.office._database = away  # type: ignore[assignment]  # a double
        with root.with_key(key) as client:
            for number in range(20):
                body = {**CHAT, "stream": bool(number % 2), "user": f"user {number}"}
                assert client.post("/v1/chat/completions", json=body).status_code == 200
            answer = client.post("/v1/chat/completions", json=CHAT)
        assert answer.headers["x-ratelimit-remaining-requests"]
        server.gateway.office._database = kept
        # What follows the changes of others asks again and again, and a call that asked would have failed.
        assert set(away.asked) <= {"read"}
