"""Several nodes are one house: what is said at one holds at all, and nothing that was spent is lost."""

from __future__ import annotations

import json
import logging
import os
import secrets
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final, cast

import httpx
import pytest

from tests.gateways import KEY
from tests.http.sockets.talking import Closed, Refused, SocketClient
from tests.proof.nodes import MASTER_KEY, Node, node, nodes, rows, seconds_until, settings
from tests.stores.databases import PostgresqlServer
from tests.stores.servers import RedisServer, redis_server

logger = logging.getLogger(__name__)

ROUNDS: Final = int(os.environ.get("NARTHEX_ROUNDS", "3"))
"""How often the time is taken until something holds everywhere."""


class House:
    """Three nodes, and what they share."""

    def __init__(self, nodes: list[Node], database: str, redis: RedisServer) -> None:
        self.nodes, self.database, self.redis = nodes, database, redis

    def in_turn(self) -> Iterator[tuple[Node, list[Node]]]:
        """Yield a node, and the others."""
        for number in range(ROUNDS):
            one = self.nodes[number % len(self.nodes)]
            yield one, [other for other in self.nodes if other is not one]


@pytest.fixture(scope="module")
def house(postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Three nodes that start at once, on a database in which there is nothing."""
    with postgresql.database() as url, redis_server(tmp_path_factory.mktemp("redis")) as redis:
        given = [settings(url, redis.url) for _ in range(3)]
        with nodes(given) as started:
            for one in started:
                seconds_until(one.is_up)
            yield House(started, url, redis)


def took(what: str, seconds: list[float]) -> None:
    """Say how long something took, and hold it to what is promised."""
    p50, longest = (round(value * 1_000) for value in (statistics.median(seconds), max(seconds)))
    logger.info("%s, until it holds at all: p50 %d ms, max %d ms of %d", what, p50, longest, len(seconds))
    assert max(seconds) < 5


def test_nodes_that_start_at_once_make_one_house(house: House) -> None:
    """The default organisation and workspace are made once, and the secrets too."""
    assert rows(house.database, "SELECT id FROM organisations WHERE slug = 'default'") == [("org_default",)]
    assert rows(house.database, "SELECT id FROM workspaces WHERE slug = 'default'") == [("ws_default",)]
    assert rows(house.database, "SELECT name FROM facts WHERE name LIKE '%_key' ORDER BY name") == [
        ("master_key",),
        ("root_key",),
    ]


def test_a_key_opens_all_nodes_and_none_any_more(house: House) -> None:
    """Made at one node it opens the others; revoked at one, none; a node that comes later agrees."""
    made, gone = list[float](), list[float]()
    key = kept = ""
    for one, others in house.in_turn():
        key, key_id = one.key()
        made.append(max(seconds_until(partial(other.opens, key)) for other in others))
        kept, _ = one.key()
        one.revoke(key_id)
        gone.append(max(seconds_until(partial(other.is_shut, key)) for other in others))
    took("a key made", made)
    took("a key revoked", gone)
    with node(settings(house.database, house.redis.url)) as newcomer:
        seconds_until(newcomer.is_up)
        assert newcomer.opens(kept)
        assert not newcomer.opens(key)


def test_what_runs_when_its_key_is_revoked(house: House) -> None:
    """A call that runs at another node ends well; a socket there is closed, and its ephemeral keys open nothing."""
    one, other, _ = house.nodes
    key, key_id = one.key()
    seconds_until(lambda: other.opens(key))
    secret = other.client.post("/v1/realtime/client_secrets", json={}, headers={"authorization": f"Bearer {key}"})
    port = int(other.gateway.url.rpartition(":")[2])
    with SocketClient(port, "/v1/realtime", key=key) as socket, ThreadPoolExecutor(1) as threads:
        socket.until("session.created")
        running = threads.submit(other.ask, key, "slow/m")
        time.sleep(0.3)
        one.revoke(key_id)
        assert isinstance(socket.closing(), Closed)
        seconds_until(lambda: not other.opens(key))
        with pytest.raises(Refused):
            SocketClient(port, "/v1/realtime", key=str(secret.json()["value"]))
        assert not running.done(), "the call was to be under way"
        assert running.result().status_code == 200


def test_what_is_changed_at_one_node_holds_at_all(house: House) -> None:
    """Settings of a workspace, members and roles: each within a second, whichever node was told."""
    seconds = list[float]()

    def everywhere(holds: Iterable[Callable[[], bool]]) -> None:
        seconds.append(max(map(seconds_until, holds)))

    for one, others in house.in_turn():
        slug = f"shop-{len(seconds)}"
        workspace = str(one.api("POST", "/api/workspaces", {"slug": slug})["id"])
        person = str(one.api("POST", "/api/users", {"name": "P", "email": f"{slug}@example.org"})["id"])
        path = f"/api/workspaces/{workspace}/members"
        one.api("POST", path, {"user_id": person, "role": "admin"})
        key, _ = one.key(workspace, user_id=person, scopes={"permissions": ["members:read"]})
        everywhere(partial(other.sees, key, path) for other in others)
        assert {other.ask(key).status_code for other in others} == {200}
        one.api("PATCH", f"/api/workspaces/{workspace}", {"settings": {"allowed_models": ["slow/*"]}})
        everywhere(partial(other.refuses, key) for other in others)
        role = one.api("POST", "/api/roles", {"name": f"caller-{slug}", "permissions": ["models:call"]})
        one.api("PATCH", f"{path}/{person}", {"role": role["name"]})
        everywhere(partial(other.hides, key, path) for other in others)
        one.api("PATCH", f"/api/roles/{role['id']}", {"permissions": ["models:call", "members:read"]})
        everywhere(partial(other.sees, key, path) for other in others)
        one.api("DELETE", f"{path}/{person}")
        everywhere(partial(other.is_shut, key) for other in others)
    took("a workspace, a role or a member changed", seconds)


def test_a_price_added_at_one_node_holds_at_all(house: House) -> None:
    """Calls at the others cost what it says."""
    seconds = list[float]()
    for number, (one, others) in enumerate(house.in_turn()):
        usd = 100 + number
        one.api("POST", "/api/prices", {"model": "slow/m", "input_usd_per_mtok": usd, "output_usd_per_mtok": 0})
        cost = Decimal(usd) / 10**6
        seconds.append(max(seconds_until(partial(other.charges, "slow/m", cost)) for other in others))
    took("a price added", seconds)


def capped(one: Node, amount: int, **limit: object) -> tuple[str, str, str]:
    """Make a workspace with a limit; return it, a key of it, and the limit."""
    workspace = str(one.api("POST", "/api/workspaces", {"slug": f"capped-{secrets.token_hex(4)}"})["id"])
    given = {"subject_kind": "workspace", "subject": workspace, "workspace_id": workspace, "amount": amount, **limit}
    made = one.api("POST", "/api/limits", given)
    return workspace, one.key(workspace)[0], str(made["id"])


def test_a_limit_changed_at_one_node_holds_at_all(house: House) -> None:
    """A limit of nothing refuses at the others; one of more lets through again."""
    seconds = list[float]()
    for one, others in house.in_turn():
        _, key, limit = capped(one, 0, measure="requests")
        seconds.append(max(seconds_until(partial(other.refuses, key)) for other in others))
        one.api("PATCH", f"/api/limits/{limit}", {"amount": 1_000})
        seconds.append(max(seconds_until(partial(other.passes, key)) for other in others))
    took("a limit changed", seconds)


BUDGET: Final = 3_000
"""Of a workspace, in microdollars: some eighty calls of those below."""
MOST_TOKENS: Final = 12
RESERVED: Final = Decimal(MOST_TOKENS * 10 + 100) / 10**6
"""What one call reserves at most, in dollars."""


def spent(database: str, workspace: str) -> Decimal:
    """Return what a workspace spent, in dollars, as the ledger has it."""
    query = f"SELECT sum(cost_picousd) FROM ledger_entries WHERE workspace_id = '{workspace}'"  # noqa: S608 - ours
    ((sum_,),) = rows(database, query)
    return Decimal(cast("int", sum_ or 0)) / 10**12


def all_at_once(house: House, key: str) -> list[httpx.Response]:
    """Make three hundred calls at once, a hundred at each node."""
    with ThreadPoolExecutor(100) as threads:
        asked = [threads.submit(house.nodes[number % 3].ask, key, max_tokens=MOST_TOKENS) for number in range(300)]
        return [each.result() for each in asked]


def test_a_budget_holds_over_all_nodes(house: House) -> None:
    """Three hundred calls at once never pass it by more than one reservation, and use it up."""
    budget = Decimal(BUDGET) / 10**6
    workspace, key, _ = capped(house.nodes[0], BUDGET, measure="cost_microusd")
    for each in house.nodes:
        seconds_until(partial(each.passes, key))
    answers = all_at_once(house, key)
    assert {each.status_code for each in answers} == {200, 429}
    told = sum(Decimal(each.headers["x-narthex-cost"]) for each in answers if each.status_code == 200)
    assert told <= budget + RESERVED
    # What the last of them had reserved and did not use is there for others.
    seconds_until(lambda: house.nodes[1].ask(key, max_tokens=MOST_TOKENS).status_code == 429)
    seconds_until(lambda: spent(house.database, workspace) >= budget - RESERVED)
    assert told <= spent(house.database, workspace) <= budget + RESERVED


def test_without_redis_money_is_refused_and_the_rest_goes_on(house: House) -> None:
    """Both come back with it, and a Redis that comes back empty gives nobody a new budget."""
    one = house.nodes[0]
    _, spent_up, _ = capped(one, 400, measure="cost_microusd")
    _, rich, _ = capped(one, 10**9, measure="cost_microusd")
    _, paced, _ = capped(one, 10**6, measure="requests", period="minute", window="rolling")
    for each in house.nodes:
        for key in (rich, paced):
            seconds_until(partial(each.passes, key))
    seconds_until(lambda: one.ask(spent_up, max_tokens=MOST_TOKENS).status_code == 429)
    house.redis.kill()
    try:
        for each in house.nodes:
            seconds_until(lambda each=each: each.ask(rich).status_code == 503)  # type: ignore[misc]
            assert each.ask(rich).json()["error"]["code"] == "limits_unreachable"
            assert {each.ask(paced).status_code, each.ask().status_code} == {200}
    finally:
        house.redis.start()
    for each in house.nodes:
        seconds_until(partial(each.passes, rich))
        # What was used comes from the ledger.
        assert each.ask(spent_up, max_tokens=MOST_TOKENS).status_code == 429
        assert each.ask(paced).status_code == 200


def load(one: Node, seen: dict[str, str], stop: threading.Event) -> None:
    """Make calls, until it is told to stop or the node is gone; keep what each answered call cost."""
    while not stop.is_set():
        try:
            answer = one.ask()
        except httpx.TransportError:
            return
        assert answer.status_code == 200, answer.text
        seen[answer.headers["x-request-id"]] = answer.headers["x-narthex-cost"]


def killed_under_load(one: Node) -> dict[str, str]:
    """Kill a node under load; return the cost of every call that was answered, as it was told."""
    seen, stop = dict[str, str](), threading.Event()
    with ThreadPoolExecutor(8) as threads:
        running = [threads.submit(load, one, seen, stop) for _ in range(8)]
        seconds_until(lambda: len(seen) > 60)
        one.kill()
        stop.set()
        for each in running:
            each.result()
    return seen


def holds_the_ledger(database: str, seen: dict[str, str]) -> None:
    """Hold the ledger to what clients were told: every call once, at its cost, and the sums those of the entries."""
    found = rows(database, "SELECT request_id, status, cost_picousd FROM ledger_entries")
    costs = {str(name): Decimal(cast("int", cost)) for name, status, cost in found if status == "settled"}
    assert len({name for name, *_ in found}) == len(found)
    assert {name: costs.get(name) for name in seen} == {name: Decimal(told) * 10**12 for name, told in seen.items()}
    (told,) = rows(database, "SELECT sum(cost_picousd), sum(attempts) FROM usage_hours")
    assert told == (sum(cast("int", cost) for *_, cost in found), len(found))


def test_what_a_killed_node_spent_is_in_the_ledger(postgresql: PostgresqlServer, tmp_path: Path) -> None:
    """With its data folder it recovers that itself; of one that does not come back another takes it over."""
    with postgresql.database() as url, ExitStack() as stack:
        lost = settings(url, None, data_dir=str(tmp_path / "lost"))
        back = settings(url, None, data_dir=str(tmp_path / "back"))
        first, second = stack.enter_context(nodes([back, lost]))
        seen = killed_under_load(first)
        again = stack.enter_context(node(back))
        seconds_until(again.is_up)
        seconds_until(lambda: len(list((tmp_path / "back" / "ledger").iterdir())) == 1)
        holds_the_ledger(url, seen)
        seen |= killed_under_load(second)
        file = tmp_path / "narthex.yaml"
        file.write_text(json.dumps({"data_dir": str(tmp_path / "other"), "database": {"url": url}}))
        command = [sys.executable, "-m", "narthex", "ledger", "recover", "--journal", str(tmp_path / "lost" / "ledger")]
        environ = {**os.environ, "NARTHEX_MASTER_KEY": MASTER_KEY}
        subprocess.run([*command, "--config", str(file)], env=environ, check=True, timeout=60)
        assert list((tmp_path / "lost" / "ledger").iterdir()) == []
        holds_the_ledger(url, seen)


@contextmanager
def without_database(postgresql: PostgresqlServer, concerned: list[Node]) -> Iterator[None]:
    """Have the database be away while the block lasts, and all nodes know it."""
    postgresql.stop()
    try:
        for each in concerned:
            seconds_until(lambda each=each: each.readiness() == (200, "down"))  # type: ignore[misc]
        yield
    finally:
        postgresql.start()


def test_nodes_outlast_their_database(house: House, postgresql: PostgresqlServer) -> None:
    """While it is away they serve the keys they know and say so; back, they are as one again, and all is written."""
    one, other, third = house.nodes
    key, _ = one.key()
    seconds_until(partial(other.opens, key))
    with ExitStack() as stack:
        with without_database(postgresql, house.nodes):
            answers = [each.ask(key) for each in (one, other) * 5]
            refused = third.client.post("/api/keys", json={"name": "k"}, headers={"authorization": f"Bearer {KEY}"})
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "store_unreachable")
            newcomer = stack.enter_context(node(settings(house.database, house.redis.url)))
            assert (newcomer.ask().status_code, newcomer.ask(key).status_code) == (200, 503)
        took("a database that is back", [seconds_until(each.is_up) for each in (newcomer, *house.nodes)])
        assert newcomer.ask(key).status_code == 200
    assert {answer.status_code for answer in answers} == {200}
    later, _ = third.key()
    assert max(seconds_until(partial(each.opens, later)) for each in house.nodes) < 5
    ids = ", ".join(f"'{answer.headers['x-request-id']}'" for answer in answers)
    query = f"SELECT request_id FROM ledger_entries WHERE request_id IN ({ids})"  # noqa: S608 - IDs of ours
    seconds_until(lambda: len(rows(house.database, query)) == len(answers))
