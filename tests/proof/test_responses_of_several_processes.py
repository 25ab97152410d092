"""Responses of several servers at one Redis: found, gone on from, followed, cancelled and taken away at any of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import cast

import httpx
import pytest

from narthex.testing.gateways import RunningGateway
from tests.proof.fleet import Fleet
from tests.proof.waiting import until
from tests.stores.servers import RedisServer, running_redis

Json = dict[str, object]
PLAIN = {"accept-encoding": "identity"}
"""What is streamed is read byte by byte."""
ACME, OTHER = "sk-acme-0123456789abcdef", "sk-other-0123456789abcdef"
WORDS = 120
PACES = {"slow": 60, "fast": 5_000}
"""Words a second of each provider."""


def settings(url: str) -> Json:
    """Return the settings of each of the servers."""
    reply = " ".join(f"w{index}" for index in range(WORDS))
    return {
        "providers": {
            name: {"kind": "scripted", "script": {"reply": reply, "tokens_per_second": pace}}
            for name, pace in PACES.items()
        },
        "keys": [{"name": name, "key": key, "tenant": name} for name, key in (("acme", ACME), ("other", OTHER))],
        "redis": {"url": url},
    }


def asking(said: str, pace: str, **members: object) -> Json:
    """Return a request to the provider of a pace."""
    return {"model": f"{pace}/scripted", "input": said, **members}


class Node:
    """A server, as its callers see it."""

    def __init__(self, gateway: RunningGateway, client: httpx.Client) -> None:
        self.gateway = gateway
        self._client = client

    def kill(self) -> None:
        """Kill it where it stands."""
        self.gateway.process.kill()
        self.gateway.process.wait()

    def call(self, verb: str, path: str = "", body: Json | None = None, *, key: str = ACME) -> tuple[int, Json]:
        """Ask for something below `/v1/responses`."""
        headers = {"authorization": f"Bearer {key}"}
        answer = self._client.request(verb, f"/v1/responses{path}", json=body, headers=headers)
        return answer.status_code, cast("Json", answer.json())

    def ask(self, said: str, pace: str = "slow", **members: object) -> str:
        """Begin a response, and return its ID."""
        status, told = self.call("POST", body=asking(said, pace, **members))
        assert status == 200, told
        return str(told["id"])

    def status(self, name: str) -> str:
        """Return how a response stands, in a word."""
        status, told = self.call("GET", f"/{name}")
        assert status == 200, told
        return str(told["status"])

    def events(self, name: str, after: int | None, *, count: int | None = None) -> list[Json]:
        """Return events of a response, to its end or so many."""
        query = "stream=true" if after is None else f"stream=true&starting_after={after}"
        headers, got = {"authorization": f"Bearer {ACME}"}, b""
        with self._client.stream("GET", f"/v1/responses/{name}?{query}", headers=headers) as answer:
            assert answer.status_code == 200, answer.read()
            for piece in answer.iter_raw():
                got += piece
                if count is not None and got.count(b"\n\n") >= count:
                    break
        return [cast("Json", json.loads(data)) for data in re.findall(rb"^data: (\{.*\})$", got, re.MULTILINE)][:count]


def code_of(answer: tuple[int, Json]) -> tuple[int, object]:
    """Return the status and the code of an error."""
    return answer[0], cast("Json", answer[1]["error"])["code"]


def sequence(events: list[Json]) -> list[object]:
    """Return the sequence numbers of events."""
    return [event["sequence_number"] for event in events]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real Redis."""
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def fleet(redis: RedisServer) -> Iterator[Fleet]:
    """Servers in processes of their own."""
    with Fleet(settings(redis.url)) as servers:
        yield servers


@pytest.fixture
def nodes(fleet: Fleet) -> Iterator[tuple[Node, Node]]:
    """Two of them, with a caller of each."""
    with ExitStack() as stack:
        gateways = fleet.take(2)
        clients = [stack.enter_context(httpx.Client(base_url=one.url, timeout=30, headers=PLAIN)) for one in gateways]
        one, other = map(Node, gateways, clients)
        yield one, other


def test_made_here_and_used_there(nodes: tuple[Node, Node]) -> None:
    """Shown, listed, gone on from and deleted at either, at once, and by its owner alone."""
    one, other = nodes
    first = one.ask("A", "fast")
    second = other.ask("B", "fast", previous_response_id=first)
    third = one.ask("C", "fast", previous_response_id=second)
    for node in (one, other):
        status, told = node.call("GET", f"/{third}")
        assert (status, told["status"], told["previous_response_id"]) == (200, "completed", second)
        assert len(cast("list[Json]", node.call("GET", f"/{third}/input_items")[1]["data"])) == 5
        assert node.call("GET", f"/{third}", key=OTHER)[0] == 404
        assert node.call("DELETE", f"/{third}", key=OTHER)[0] == 404
        refused = node.call("POST", body=asking("D", "fast", previous_response_id=third), key=OTHER)
        assert code_of(refused) == (404, "previous_response_not_found")
    assert other.call("DELETE", f"/{third}")[1]["deleted"] is True
    assert (one.call("GET", f"/{third}")[0], other.call("DELETE", f"/{third}")[0]) == (404, 404)
    one.kill()
    assert other.status(first) == "completed"


def test_carried_on_here_and_followed_there(nodes: tuple[Node, Node]) -> None:
    """From any event on, without a gap; it cannot be taken away meanwhile, and is completed everywhere."""
    one, other = nodes
    name = one.ask("A", background=True)
    assert other.status(name) in {"queued", "in_progress"}
    until(lambda: other.status(name) == "in_progress")
    assert other.call("DELETE", f"/{name}")[0] == 400
    assert other.call("POST", body=asking("B", "slow", previous_response_id=name))[0] == 400
    assert other.call("GET", f"/{name}?stream=true", key=OTHER)[0] == 404
    began = other.events(name, None, count=5)
    rest = other.events(name, 4)
    assert sequence([*began, *rest]) == list(range(5 + len(rest)))
    assert rest[-1]["type"] == "response.completed"
    assert rest == one.events(name, 4)
    until(lambda: other.status(name) == "completed")
    assert code_of(other.call("GET", f"/{name}?stream=true&starting_after={4 + len(rest) + 1}"))[0] == 400
    assert other.call("GET", f"/{name}")[1] == one.call("GET", f"/{name}")[1]
    assert other.ask("B", previous_response_id=name)


def test_cancelled_from_anywhere(nodes: tuple[Node, Node]) -> None:
    """The process that carries it on ends it; again changes nothing."""
    one, other = nodes
    name = one.ask("A", background=True)
    assert other.call("POST", f"/{name}/cancel", key=OTHER)[0] == 404
    for node in (other, other, one):
        status, told = node.call("POST", f"/{name}/cancel")
        assert (status, told["status"]) == (200, "cancelled")
    assert (one.status(name), other.status(name)) == ("cancelled", "cancelled")


def test_the_dead_carry_nothing_on(nodes: tuple[Node, Node]) -> None:
    """Killed in the middle, a server leaves failed responses, and none that is in progress for ever."""
    one, other = nodes
    name = one.ask("A", background=True)
    began = other.events(name, None, count=20)
    one.kill()
    rest = other.events(name, 19)
    assert sequence(began) == list(range(20))
    assert "producer_lost" in json.dumps(rest[-1])
    assert sequence(rest[:-1]) == list(range(20, 19 + len(rest)))
    until(lambda: other.status(name) == "failed")
    told = other.call("GET", f"/{name}")[1]
    assert cast("Json", told["error"])["code"] == "producer_lost"
    assert other.call("POST", f"/{name}/cancel")[1]["status"] == "failed"
    # One that read more than was copied.
    assert "producer_lost" in json.dumps(other.events(name, 100_000))
    # Also when its events are not held any more.
    other._client.delete(f"/v1/streams/{name}", headers={"authorization": f"Bearer {ACME}"})
    assert other.status(name) == "failed"
    assert other.call("DELETE", f"/{name}")[0] == 200


def test_a_redis_that_is_away_is_told(nodes: tuple[Node, Node], redis: RedisServer) -> None:
    """Calls go on, what was made meanwhile is found here, and there once it is back; nobody is told 404 till then."""
    one, other = nodes
    before = one.ask("A", "fast")
    assert other.status(before) == "completed"
    redis.kill()
    until(lambda: other.call("GET", f"/{before}")[0] == 503)
    assert code_of(other.call("GET", f"/{before}")) == (503, "overloaded")
    meanwhile = one.ask("B", "fast")
    assert one.status(meanwhile) == "completed"
    assert one.ask("C", "fast", previous_response_id=meanwhile)
    assert other.call("GET", f"/{meanwhile}")[0] == 503
    redis.start()
    until(lambda: other.call("GET", f"/{meanwhile}")[0] == 200)
    assert other.status(meanwhile) == "completed"


def test_a_server_that_stops_leaves_its_responses(nodes: tuple[Node, Node]) -> None:
    """Stopped in good order it writes down what it has, and what it carried on has ended."""
    one, other = nodes
    name = one.ask("A", background=True)
    until(lambda: other.status(name) == "in_progress")
    one.gateway.stop()
    until(lambda: other.status(name) not in {"queued", "in_progress"})
