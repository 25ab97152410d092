"""Whoever reads what others asked and were answered stands in the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.gateways import running
from tests.http.doors import Json
from tests.http.routes.accounts import SETTINGS, Root, flushed
from tests.http.sockets.talking import SocketClient

CHAT = "/v1/chat/completions"
BODY: Json = {"messages": [{"role": "user", "content": "x"}], "stream": True}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """A server that writes down who looks, too."""
    settings = {**SETTINGS, "audit": {"level": "detailed"}}
    with running(tmp_path_factory.mktemp("contents"), **settings) as gateway, Root(gateway) as one:
        yield one


class Pair:
    """Two keys of one workspace, which have in common what is kept there."""

    def __init__(self, root: Root) -> None:
        self._root, self.where = root, root.workspace()
        made, other = root.key(self.where), root.key(self.where)
        self.owner_id, self.other_id = str(made["id"]), str(other["id"])
        self.owner, self.other = root.with_key(str(made["key"])), root.with_key(str(other["key"]))

    def read(self) -> list[tuple[str, str, object]]:
        """Return who read what, of whom, in order."""
        flushed(self._root)
        asked = {"action": "content.read", "workspace_id": self.where}
        found = self._root.client.get("/api/audit", params=asked).json()["data"]
        return [(one["actor"], one["target"], one["details"].get("by")) for one in reversed(found)]


@pytest.fixture
def pair(root: Root) -> Iterator[Pair]:
    """Two keys of one workspace."""
    one = Pair(root)
    with one.owner, one.other:
        yield one


def keep(client: httpx.Client, name: str, **headers: str) -> None:
    """Have a stream kept."""
    answer = client.post(CHAT, json=BODY, headers={"x-narthex-stream-id": name, **headers})
    assert answer.status_code == 200, answer.text


def test_streams_of_others(pair: Pair) -> None:
    """By their route and by asking the same again from an event on; one's own are read on without a word."""
    keep(pair.owner, "stream-1")
    for client in (pair.owner, pair.other):
        assert "ok" in client.get("/v1/streams/stream-1", params={"after": 0}).text
        assert client.get("/v1/streams/stream-1").json()["key_id"] == pair.owner_id
        assert client.post(CHAT, json=BODY, headers={"last-event-id": "stream-1:1"}).status_code == 200
    assert pair.read() == [(pair.other_id, "stream:stream-1", pair.owner_id)] * 2


def test_streams_of_others_on_a_socket(root: Root, pair: Pair) -> None:
    """Where several are followed at once."""
    keep(pair.owner, "stream-3")
    for client in (pair.owner, pair.other):
        key = client.headers["authorization"].removeprefix("Bearer ")
        with SocketClient(root.gateway.port, "/v1/streams/ws", key=key, protocols=["narthex.streams.v1"]) as socket:
            socket.send({"type": "attach", "stream": "stream-3", "after": 0})
            assert socket.receive()["type"] == "event"
    assert pair.read() == [(pair.other_id, "stream:stream-3", pair.owner_id)]


def test_responses_of_others(pair: Pair) -> None:
    """The response and what was asked; also when somebody else goes on from it."""
    made = pair.owner.post("/v1/responses", json={"input": "x"}).json()["id"]
    for client in (pair.owner, pair.other):
        assert client.get(f"/v1/responses/{made}").status_code == 200
        assert client.get(f"/v1/responses/{made}/input_items").status_code == 200
        assert client.post("/v1/responses", json={"input": "y", "previous_response_id": made}).status_code == 200
    assert pair.read() == [(pair.other_id, f"response:{made}", pair.owner_id)] * 3


def test_a_response_in_the_background_of_others(pair: Pair) -> None:
    """While it is made, too."""
    made = pair.owner.post("/v1/responses", json={"input": "x", "background": True}).json()["id"]
    assert pair.other.get(f"/v1/responses/{made}").status_code == 200
    assert pair.other.post(f"/v1/responses/{made}/cancel").status_code == 200
    assert pair.read() == [(pair.other_id, f"response:{made}", pair.owner_id)] * 2


def test_recordings(pair: Pair) -> None:
    """Whoever made them: they are kept to be looked at later."""
    keep(pair.owner, "stream-2", **{"x-narthex-record": "on"})
    assert pair.owner.get("/v1/recordings/stream-2").status_code == 200
    assert pair.other.get("/v1/recordings/stream-2/replay", params={"speed": 0}).status_code == 200
    assert pair.read() == [(pair.owner_id, "recording:stream-2", None), (pair.other_id, "recording:stream-2", None)]


def test_who_looks_what_there_is_stands_there_at_the_highest_level(root: Root, pair: Pair, tmp_path: Path) -> None:
    """And at no other one, where reading does all the same."""
    asked = {"action": "content.list", "workspace_id": pair.where}
    for path in ("/v1/streams", "/v1/recordings"):
        assert pair.owner.get(path).status_code == 200
    flushed(root)
    found = root.client.get("/api/audit", params=asked).json()["data"]
    assert sorted(one["target"] for one in found) == ["recordings", "streams"]
    with running(tmp_path, **{**SETTINGS, "audit": {"level": "minimal"}}) as gateway, Root(gateway) as plain:
        other = Pair(plain)
        with other.owner, other.other:
            keep(other.owner, "stream-1")
            assert other.other.get("/v1/streams").status_code == 200
            assert other.other.get("/v1/streams/stream-1", params={"after": 0}).status_code == 200
            assert len(other.read()) == 1
        listed = plain.client.get("/api/audit", params={"action": "content.list"}).json()["data"]
    assert listed == []
