"""Several servers that are asked the same at once make one upstream call, whatever becomes of the one that makes it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

import httpx
import pytest
from redis import Redis

from narthex.testing.acts import Answer, Hold, streamed, whole
from narthex.testing.gateways import RunningGateway, running_gateway
from narthex.testing.upstream import ReceivedRequest, ScriptedUpstream
from narthex.testing.wires import openai_answer, openai_frames
from tests.proof.waiting import until
from tests.stores.servers import RedisServer, running_redis

ONES = 3
EACH = 8
"""Callers of each server."""
LEASE_S = 5
"""A server that does nothing for so long, as the machine is busy, loses its turn; one that is killed keeps it."""
Answered = tuple[int, str, str]
"""Status, how, and the text."""


def question(about: str) -> dict[str, object]:
    """Return a request."""
    return {"model": "up/m", "temperature": 0, "messages": [{"role": "user", "content": about}]}


class Upstream(ScriptedUpstream):
    """A provider that answers when it is told to, and says which of its answers it is."""

    def __init__(self) -> None:
        super().__init__(self.slow)
        self.go = threading.Event()
        self.finish, self.is_halfway = "stop", False

    def slow(self, request: ReceivedRequest) -> Answer:
        """Answer in the form that is asked for."""
        go, text = self.go, f"number {len(self.requests)}"
        if request.json().get("stream"):
            if self.is_halfway:
                # The head, the role and the first word come at once.
                acts = streamed(openai_frames(text, finish=self.finish))
                return (*acts[:3], Hold(go.is_set), *acts[3:])
            return (Hold(go.is_set), *streamed(openai_frames(text, finish=self.finish)))
        return (Hold(go.is_set), *whole(openai_answer(text, finish=self.finish)))

    def begin(self, finish: str = "stop", *, is_halfway: bool = False) -> None:
        """Wait with all answers from now on, or behind their first word where they are streamed."""
        self.requests.clear()
        self.go, self.finish, self.is_halfway = threading.Event(), finish, is_halfway

    def let_go(self) -> None:
        """Give the answers that are waited for."""
        self.go.set()


class Heard:
    """A streamed answer, as far as it was read."""

    def __init__(self, given: httpx.Response) -> None:
        self.how, self.text = given.headers.get("x-narthex-cache", ""), ""
        self._lines = given.iter_lines()

    def read_on(self) -> None:
        """Read what comes next."""
        self.text += next(self._lines)

    def to_end(self) -> str:
        """Return all of it."""
        self.text += "".join(self._lines)
        return self.text


class House:
    """The servers, what they share, and who asks them."""

    def __init__(self, servers: list[RunningGateway], upstream: Upstream, server: RedisServer) -> None:
        self.servers, self.upstream, self.server = servers, upstream, server
        self.redis = Redis.from_url(server.url)
        limits = httpx.Limits(max_connections=200)
        self.clients = [httpx.Client(base_url=one.url, timeout=60, limits=limits) for one in servers]
        self.threads = ThreadPoolExecutor(64)

    def ask(self, server: int, about: str, *, stream: bool = False) -> Future[Answered]:
        """Begin to ask a server."""

        def asked() -> Answered:
            given = self.clients[server].post("/v1/chat/completions", json={**question(about), "stream": stream})
            said = next((letter for letter in given.text.partition("number")[2] if letter.isdigit()), given.text)
            return given.status_code, given.headers.get("x-narthex-cache", ""), said

        return self.threads.submit(asked)

    @contextmanager
    def hear(self, server: int, about: str) -> Iterator[Heard]:
        """Give a streamed answer that has begun."""
        body = {**question(about), "stream": True}
        with self.clients[server].stream("POST", "/v1/chat/completions", json=body) as given:
            heard = Heard(given)
            while "number" not in heard.text:
                heard.read_on()
            yield heard

    def wait_for_servers(self) -> None:
        """Wait until all servers are connected: each is known by the channel that it listens on."""
        until(lambda: len(self.redis.pubsub_channels("narthex:cache:p:*")) == ONES)

    def warm_up(self) -> None:
        """Have each asked something once it is connected: a first call takes longer than all others."""
        self.wait_for_servers()
        self.upstream.begin()
        self.upstream.let_go()
        for one in [self.ask(number, f"hello {number}") for number in range(ONES)]:
            assert one.result()[0] == 200, one.result()

    def wait_for_followers(self, count: int) -> None:
        """Wait until so many servers wait for another one's answer."""
        until(lambda: self.followers == count)

    @property
    def followers(self) -> int:
        """How many servers wait for another one's answer."""
        return sum(len(self._waiting(name)) for name in self.redis.scan_iter("narthex:cache:w:*"))

    def _waiting(self, name: bytes) -> set[bytes]:
        """Return who waits; whoever has the lease may be told of as well, where it looked twice."""
        holder = cast("bytes | None", self.redis.get(name.replace(b":w:", b":l:"))) or b""
        return cast("set[bytes]", self.redis.smembers(name)) - {holder.partition(b":")[0]}

    @property
    def calls(self) -> int:
        """How many upstream calls there were."""
        return len(self.upstream.requests)


@contextmanager
def house(folder: Path) -> Iterator[House]:
    """Start everything."""
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis(folder))
        upstream = stack.enter_context(Upstream())
        provider = {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["m"], "api_key": "k" * 20}
        given = {
            "providers": {"up": provider},
            "retries": {"retries": 0},
            **{name: {"enabled": False} for name in ("embedded", "shedding")},
            "redis": {"url": redis.url, "timeout_s": 5, "connect_timeout_s": 5},
            "cache": {"redis_budget_ms": 5_000, "redis_lease_s": LEASE_S, "redis_wait_s": 60},
        }
        with ThreadPoolExecutor(ONES) as threads:
            made = [running_gateway(given, start_timeout_s=120) for _ in range(ONES)]
            servers = list(threads.map(lambda one: one.__enter__(), made))
        for one in made:
            stack.push(one)
        house = House(servers, upstream, redis)
        stack.enter_context(house.redis)
        stack.callback(house.threads.shutdown)
        stack.callback(upstream.let_go)
        for client in house.clients:
            stack.enter_context(client)
        house.warm_up()
        yield house


def all_share_one_call(house: House) -> None:
    """Streamed and whole, in whatever process: all are given the one answer."""
    house.upstream.begin()
    asked = [house.ask(n % ONES, "all", stream=n % 2 == 0) for n in range(ONES * EACH)]
    house.wait_for_followers(ONES - 1)
    house.upstream.let_go()
    told = [one.result() for one in asked]
    assert {(status, said) for status, _, said in told} == {(200, "1")}
    assert sum(how == "MISS" for _, how, _ in told) == house.calls == 1


def a_stream_is_given_to_others_as_it_comes(house: House) -> None:
    """In other processes as in the same, however it ends; those who want it otherwise are given it when it is whole."""
    for finish in ("stop", "length"):
        house.upstream.begin(finish, is_halfway=True)
        about = f"live {finish}"
        with house.hear(0, about) as first, house.hear(1, about) as other, house.hear(1, about) as third:
            whole = house.ask(2, about) if finish == "stop" else None
            house.wait_for_followers(1 if whole is None else 2)
            house.upstream.let_go()
            ends = [one.to_end() for one in (first, other, third)]
        assert [one.how for one in (first, other, third)] == ["MISS", "JOINED", "JOINED"]
        assert all(f'"finish_reason":"{finish}"' in one.replace(" ", "") and "[DONE]" in one for one in ends), ends
        assert ends[1] == ends[0]
        assert whole is None or whole.result()[1:] == ("JOINED", "1")
        assert house.calls == 1


def a_leader_that_leaves_harms_no_listener(house: House) -> None:
    """Whoever hears a stream in another process hears it to its end, when whoever asked first is gone."""
    house.upstream.begin(is_halfway=True)
    with ExitStack() as leader, ExitStack() as listener:
        assert leader.enter_context(house.hear(0, "left live")).how == "MISS"
        other = listener.enter_context(house.hear(1, "left live"))
        leader.close()
        house.upstream.let_go()
        assert "[DONE]" in other.to_end()
    assert house.calls == 1


def a_leader_that_leaves_harms_nobody(house: House) -> None:
    """Somebody else asks in its place, once."""
    house.upstream.begin()
    body = json.dumps(question("left")).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n"
    with socket.create_connection(("127.0.0.1", int(house.servers[0].url.rpartition(":")[2]))) as leader:
        leader.sendall(head % len(body) + b"content-type: application/json\r\n\r\n" + body)
        until(lambda: house.calls == 1)
        others = [house.ask(number, "left") for number in (1, 2)]
        house.wait_for_followers(2)
    until(lambda: house.calls == 2)
    house.upstream.let_go()
    assert [one.result()[2] for one in others] == ["2", "2"]
    assert house.calls == 2


def what_is_not_kept_is_asked_for_by_each(house: House) -> None:
    """An answer that was cut at its limit serves nobody else; then all ask at once, and not one after the other."""
    house.upstream.begin(finish="length")
    asked = [house.ask(0, "cut")]
    until(lambda: house.calls == 1)
    asked += [house.ask(number, "cut") for number in (1, 2)]
    house.wait_for_followers(2)
    house.upstream.let_go()
    assert sorted(one.result()[2] for one in asked) == ["1", "2", "3"]
    assert house.followers == 0


def what_is_declared_void_at_one_is_so_at_all(house: House) -> None:
    """In memory as well, a moment later; how long that takes is told by `python -m bench.tiers`."""
    house.upstream.begin()
    house.upstream.let_go()
    assert [house.ask(number, "void").result()[1] for number in range(ONES)] == ["MISS", "HIT", "HIT"]
    assert house.clients[1].post("/api/cache/invalidate", json={"models": ["up/m"]}).is_success
    until(lambda: all(not one.get("/api/cache/entries").json()["data"] for one in house.clients))
    assert house.ask(2, "void").result()[1:] == ("MISS", "2")


def a_leader_that_is_killed_harms_nobody(house: House) -> None:
    """Its lease runs out, and one of the others asks in its place; who has been given a beginning is told of it."""
    house.upstream.begin(is_halfway=True)
    with house.hear(0, "killed live"), house.hear(1, "killed live") as other:
        house.upstream.begin()
        killed = house.ask(0, "killed")
        until(lambda: house.calls == 1)
        others = [house.ask(number, "killed") for number in (1, 2)]
        until(lambda: house.followers >= 2)
        house.servers[0].process.kill()
        told = other.to_end()
        assert "producer_lost" in told
        assert "[DONE]" not in told
    until(lambda: house.calls == 2)
    house.upstream.let_go()
    assert [one.result()[2] for one in others] == ["2", "2"]
    assert house.calls == 2
    assert isinstance(killed.exception(), httpx.TransportError)


def without_redis_everybody_asks(house: House) -> None:
    """At once, those too who waited for somebody else."""
    house.upstream.begin()
    asked = [house.ask(1, "gone")]
    until(lambda: house.calls == 1)
    asked.append(house.ask(2, "gone"))
    house.wait_for_followers(1)
    house.server.kill()
    until(lambda: house.calls == 2)
    house.upstream.let_go()
    assert [one.result()[2] for one in asked] == ["1", "2"]


@pytest.mark.timeout(180)
def test_several_servers_make_one_call(tmp_path: Path) -> None:
    """Whatever becomes of the one that makes it."""
    with house(tmp_path) as made:
        all_share_one_call(made)
        a_stream_is_given_to_others_as_it_comes(made)
        a_leader_that_leaves_harms_no_listener(made)
        a_leader_that_leaves_harms_nobody(made)
        what_is_not_kept_is_asked_for_by_each(made)
        what_is_declared_void_at_one_is_so_at_all(made)
        a_leader_that_is_killed_harms_nobody(made)
        without_redis_everybody_asks(made)
