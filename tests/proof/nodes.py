"""Several nodes of one installation: real servers with data folders of their own, one PostgreSQL and one Redis."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import cast

import httpx
import psycopg

from narthex.testing.gateways import RunningGateway, running_gateway
from tests.gateways import KEY

Json = dict[str, object]

MASTER_KEY = base64.b64encode(b"the master key of all the nodes.").decode()
MODEL = "up/m"
INPUT_MICROUSD, OUTPUT_MICROUSD = 2_500_000, 10_000_000
"""What a million tokens cost."""


def settings(database: str, redis: str | None, **more: object) -> Json:
    """Return the settings of a node."""
    upstream = {"kind": "scripted", "script": {"models": ["m"], "reply": "Good day.", "latency_ms": 20}}
    slow = {"kind": "scripted", "script": {"models": ["m"], "reply_tokens": 30, "tokens_per_second": 12}}
    given: Json = {
        "keys": [{"name": "root", "key": KEY}],
        "providers": {"up": upstream, "slow": slow},
        "prices": {name: {"input_usd_per_mtok": 2.5, "output_usd_per_mtok": 10} for name in (MODEL, "slow/m")},
        "default_model": MODEL,
        "database": {"url": database},
        "shedding": {"enabled": False},
        "retries": {"retries": 0},
        **more,
    }
    if redis is not None:
        given["redis"] = {"url": redis, "timeout_s": 5, "connect_timeout_s": 5}
    return given


class Node:
    """A node, as clients and as those who run it see it."""

    def __init__(self, gateway: RunningGateway) -> None:
        self.gateway = gateway
        self.client = httpx.Client(
            base_url=gateway.url, timeout=30, limits=httpx.Limits(max_connections=200, max_keepalive_connections=200)
        )

    def ask(self, key: str = KEY, model: str = MODEL, **more: object) -> httpx.Response:
        """Make a call."""
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], **more}
        return self.client.post("/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"})

    def opens(self, key: str) -> bool:
        """Tell whether a key opens this node."""
        return self.client.get("/v1/models", headers={"authorization": f"Bearer {key}"}).status_code == 200

    def api(self, method: str, path: str, body: object = None) -> Json:
        """Do something as whoever runs the server."""
        answer = self.client.request(method, path, json=body, headers={"authorization": f"Bearer {KEY}"})
        assert answer.is_success, answer.text
        return cast("Json", answer.json())

    def key(self, workspace_id: str = "ws_default", **more: object) -> tuple[str, str]:
        """Issue a key; return it, and its ID."""
        told = self.api("POST", "/api/keys", {"name": "k", "workspace_id": workspace_id, **more})
        return str(told["key"]), str(told["id"])

    def revoke(self, key_id: str) -> None:
        """Revoke a key."""
        self.api("POST", f"/api/keys/{key_id}/revoke")

    def database(self) -> str:
        """Return how its database stands."""
        return str(cast("Json", self.api("GET", "/api/system/status")["database"])["status"])

    def is_shut(self, key: str) -> bool:
        """Tell whether a key opens nothing here."""
        return not self.opens(key)

    def refuses(self, key: str) -> bool:
        """Tell whether a call with a key is refused here."""
        return self.ask(key).status_code in {403, 404, 429}

    def passes(self, key: str) -> bool:
        """Tell whether a call with a key is answered here."""
        return self.ask(key, max_tokens=12).status_code == 200

    def charges(self, model: str, per_token_usd: Decimal) -> bool:
        """Tell whether each token read by a model costs so much here, and no other."""
        answer = self.ask(model=model, max_tokens=1)
        tokens = int(answer.json()["usage"]["prompt_tokens"])
        return Decimal(answer.headers["x-narthex-cost"]) == tokens * per_token_usd

    def sees(self, key: str, path: str) -> bool:
        """Tell whether somebody may read something here."""
        return self.client.get(path, headers={"authorization": f"Bearer {key}"}).status_code == 200

    def hides(self, key: str, path: str) -> bool:
        """Tell whether somebody may not."""
        return not self.sees(key, path)

    def readiness(self) -> tuple[int, str]:
        """Return what a probe is told: the status, and how the database stands."""
        answer = self.client.get("/readyz")
        return answer.status_code, str(answer.json()["database"])

    def is_up(self) -> bool:
        """Tell whether its database can be used."""
        return self.database() == "up"

    def kill(self) -> None:
        """Kill it where it stands."""
        self.gateway.process.kill()
        self.gateway.process.wait()


@contextmanager
def node(given: Json, *, master_key: str = MASTER_KEY) -> Iterator[Node]:
    """Run a node."""
    with running_gateway(given, environ={"NARTHEX_MASTER_KEY": master_key}, start_timeout_s=120) as gateway:
        one = Node(gateway)
        try:
            yield one
        finally:
            one.client.close()


@contextmanager
def nodes(many: Sequence[Json]) -> Iterator[list[Node]]:
    """Run several nodes, started at the same moment."""
    with ExitStack() as stack, ThreadPoolExecutor(len(many)) as threads:
        made = [node(given) for given in many]
        started = list(threads.map(lambda one: one.__enter__(), made))
        for one in made:
            stack.push(one)
        yield started


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    """Return what a query finds in a database."""
    with psycopg.connect(url) as connection:
        return list(connection.execute(query.encode()).fetchall())


def seconds_until(holds: Callable[[], bool], *, within_s: float = 15.0) -> float:
    """Wait until something holds, and return how long that took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within_s, "it never came to hold"
        time.sleep(0.01)
    return time.monotonic() - began
