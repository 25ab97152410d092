"""Several servers at one Redis: what one learns spares the others, and the loss of Redis spares everybody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import httpx
import pytest

from narthex import Gateway
from narthex.errors import ProviderOverloaded, ProviderUnreachable
from narthex.resilience.breakers import BreakerState
from narthex.testing.gateways import running_gateway
from tests.gateways import settings_for
from tests.proof.waiting import until
from tests.stores.servers import RedisServer, redis_server, running_redis

Json = dict[str, object]

GONE = {"kind": "openai", "base_url": "http://127.0.0.1:1/v1", "models": ["a", "b"], "api_keys": ["k" * 20, "l" * 20]}
"""A provider behind a port that nobody has."""
GOOD = {"kind": "scripted", "script": {"reply": "Hello."}}


def settings(url: str) -> Json:
    """Return the settings of one of the servers."""
    return {
        "providers": {"gone": GONE, "good": GOOD},
        "default_model": "good/scripted",
        "retries": {"retries": 0},
        "breakers": {"consecutive_failures": 5, "open_s": 600, "open_cap_s": 600},
        "redis": {"url": url, "timeout_s": 5, "connect_timeout_s": 5},
    }


class Server:
    """A server, as its callers see it."""

    def __init__(self, client: httpx.Client, kill: Callable[[], None]) -> None:
        self._client = client
        self.kill = kill

    def ask(self, model: str) -> tuple[int, str]:
        """Make a call; return the status and what the error says."""
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
        answer = self._client.post("/v1/chat/completions", json=body)
        return answer.status_code, "" if answer.is_success else str(answer.json()["error"]["message"])

    def put(self, path: str, state: str | None) -> None:
        """Have something stand otherwise."""
        assert self._client.put(path, json={"state": state}).is_success

    def breakers(self) -> dict[str, str]:
        """Return how breakers stand."""
        listed = self._client.get("/api/breakers").json()["data"]
        return {str(one["name"]): str(one["state"]) for one in listed}

    def keys(self) -> dict[str, str]:
        """Return how the keys of the provider that is gone stand."""
        listed = self._client.get("/api/provider-keys").json()["data"]
        return {str(one["id"]): str(one["state"]) for one in listed}

    def redis(self) -> Mapping[str, object]:
        """Return how the connection to Redis stands."""
        return cast("Mapping[str, object]", self._client.get("/api/system/status").json()["redis"])


@contextmanager
def serving(url: str) -> Iterator[Server]:
    """Run a server in a process of its own."""
    with running_gateway(settings(url)) as gateway:

        def kill() -> None:
            gateway.process.kill()
            gateway.process.wait()

        with httpx.Client(base_url=gateway.url, timeout=30) as client:
            yield Server(client, kill)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A real Redis."""
    with running_redis(tmp_path) as server:
        yield server


def test_what_one_server_learns_spares_the_others(redis: RedisServer) -> None:
    """A provider that one found gone is left alone by the other, and by one that starts later; so it is with keys."""
    with serving(redis.url) as one, serving(redis.url) as other:
        assert {one.ask("gone/a")[0] for _ in range(5)} == {502}
        until(lambda: other.breakers().get("gone") == "open")
        assert other.ask("gone/b") == (503, one.ask("gone/b")[1])
        other.put("/api/provider-keys/gone/key-2", "retired")
        until(lambda: one.keys() == {"key-1": "usable", "key-2": "retired"})
        with serving(redis.url) as newcomer:
            assert newcomer.breakers() == {"gone": "open", "gone/a": "open"}
            assert newcomer.keys() == {"key-1": "usable", "key-2": "retired"}
            newcomer.put("/api/breakers/gone", None)
            until(lambda: {one.breakers()["gone"], other.breakers()["gone"]} == {"closed"})


def test_what_a_hand_did_survives_it(redis: RedisServer) -> None:
    """Killed the moment it has answered, a server leaves what was forced at it to the others and to those to come."""
    with serving(redis.url) as one, serving(redis.url) as other:
        one.put("/api/breakers/good", "forced_open")
        one.kill()
        until(lambda: other.breakers().get("good") == "forced_open")
        assert other.ask("good/scripted")[0] == 503
        with serving(redis.url) as newcomer:
            assert newcomer.ask("good/scripted")[0] == 503
            newcomer.put("/api/breakers/good", None)
            until(lambda: other.ask("good/scripted")[0] == 200)


def test_a_killed_redis_harms_no_call(redis: RedisServer) -> None:
    """Before, while and after it is gone every call is answered; back, it is told what holds."""
    with serving(redis.url) as one, serving(redis.url) as other:
        one.put("/api/breakers/gone", "forced_open")
        assert other.ask("good/scripted")[0] == 200
        redis.kill()
        assert {each.ask("good/scripted")[0] for each in (one, other) for _ in range(20)} == {200}
        until(lambda: {one.redis()["status"], other.redis()["status"]} == {"down"})
        other.put("/api/breakers/good/scripted", "forced_closed")
        assert {each.ask("good/scripted")[0] for each in (one, other) for _ in range(20)} == {200}
        redis.start()
        until(lambda: {one.redis()["status"], other.redis()["status"]} == {"up"})
        assert one.redis()["losses"] == 1
        until(lambda: one.breakers().get("good/scripted") == "forced_closed")
        with serving(redis.url) as newcomer:
            until(lambda: newcomer.breakers().get("gone") == "forced_open")


def test_without_redis_a_server_serves(tmp_path: Path) -> None:
    """Absent at the start, it is told of in the status and keeps nobody waiting; present, it is used."""
    server = redis_server(tmp_path)
    with serving(server.url) as one:
        assert one.ask("good/scripted")[0] == 200
        assert (one.redis()["status"], one.redis()["address"]) == ("down", f"redis://127.0.0.1:{server.port}")
        assert {one.ask("gone/a")[0] for _ in range(5)} == {502}
        with server:
            until(lambda: one.redis()["status"] == "up")
            with serving(server.url) as other:
                until(lambda: other.breakers().get("gone") == "open")


async def test_two_gateways_in_one_process_share_as_well(redis: RedisServer, tmp_path: Path) -> None:
    """Whatever the door, the house behind it is the same."""
    given = settings(redis.url)
    one_dir, other_dir = tmp_path / "one", tmp_path / "other"
    async with Gateway(settings_for(one_dir, **given)) as one:
        for _ in range(5):
            with pytest.raises(ProviderUnreachable):
                await one.chat("Hi", model="gone/a")
        async with Gateway(settings_for(other_dir, **given)) as other:
            while other.board.breaker("gone").state is not BreakerState.OPEN:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.005)
            with pytest.raises(ProviderOverloaded, match="left alone"):
                await other.chat("Hi", model="gone/b")
