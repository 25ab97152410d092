"""The ledger of a server that is killed: whatever a caller saw an answer of is there, once, at what it cost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, cast

import httpx
import pytest

from tests.stores.servers import free_port

CALLERS = 4
CONFIG = """
default_model = "good/m"
[providers.good]
kind = "scripted"
[providers.good.script]
models = ["m"]
reply_tokens = 8
tokens_per_second = 400
[providers.gone]
kind = "openai"
base_url = "http://127.0.0.1:1/v1"
models = ["m"]
api_keys = ["kkkkkkkkkkkkkkkkkkkk"]
[providers.shaky]
kind = "scripted"
[providers.shaky.script]
models = ["m"]
reply_tokens = 4
faults = [{ fault = "fail", status = 503, every = 2 }]
[providers.broken]
kind = "scripted"
[providers.broken.script]
models = ["m"]
reply_tokens = 8
faults = [{ fault = "disconnect", after_chunks = 3 }]
[providers.late]
kind = "scripted"
[providers.late.script]
models = ["m"]
reply_tokens = 4
faults = [{ fault = "delay", seconds = 0.2, every = 2 }]
[fallbacks]
"gone/m" = ["good/m"]
"shaky/m" = ["good/m"]
"broken/m" = ["good/m"]
"late/m" = ["good/m"]
[retries]
base_s = 0.01
budget_percent = 100
[breakers]
consecutive_failures = 1_000_000
minimum_calls = 1_000_000
[hedging]
enabled = true
asked_only = true
percent = 100
quantile = 50
least_s = 0.02
minimum_calls = 1
[prices]
"good/m" = { input_usd_per_mtok = 1.0, output_usd_per_mtok = 2.0 }
"shaky/m" = { input_usd_per_mtok = 3.0, output_usd_per_mtok = 4.0, request_usd = 0.001 }
"broken/m" = { input_usd_per_mtok = 5.0, output_usd_per_mtok = 6.0 }
"late/m" = { input_usd_per_mtok = 7.0, output_usd_per_mtok = 8.0 }
"""
KINDS = (
    *("whole", "streamed", "kept", "left", "fallback", "embedding"),
    *("retried", "rescued", "hedged", "merged", "repeated"),
)
MODELS = {
    "fallback": "gone/m",
    "retried": "shaky/m",
    "rescued": "broken/m",
    "hedged": "late/m",
    "merged": "merge:good/m,late/m",
}

_HEADERS = {"hedged": {"x-narthex-hedge": "on"}}

Json = dict[str, object]
Entry = Mapping[str, object]


@contextmanager
def serving(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in a process of its own, which may be killed."""
    command = [sys.executable, "-m", "narthex", "serve", "--port", str(port)]
    with (folder / "server.txt").open("ab") as said:
        process = subprocess.Popen(command, cwd=folder, stdout=said, stderr=said, env=_environ(folder))
    try:
        _until_it_answers(process, port, folder)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(30)


def _environ(folder: Path) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NARTHEX_")}
    return {**kept, "HOME": str(folder)}


def _until_it_answers(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    for _ in range(1_000):
        with suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}/api/workspaces", timeout=30).status_code == 200:
                return
        assert process.poll() is None, (folder / "server.txt").read_text()
        time.sleep(0.02)
    raise AssertionError("the server does not answer")


class Seen(NamedTuple):
    """A whole answer that a caller has seen."""

    kind: str
    cost: Decimal | None
    """What it cost, where that was told."""


class Caller:
    """Makes calls of all kinds until its server is gone, and knows of which it has seen a whole answer."""

    def __init__(self, port: int, seed: int) -> None:
        self._chance = random.Random(seed)
        self._url = f"http://127.0.0.1:{port}"
        self.answered: dict[str, Seen] = {}
        """By their ID."""
        self.repeats: set[str] = set()
        """IDs of calls that were answered from another."""
        self.busy = threading.Event()
        """Set once it has made a call of each kind."""
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=30) as client, suppress(httpx.TransportError):
            for kind in self._chance.sample(KINDS, len(KINDS)):
                self._call(client, kind)
            self.busy.set()
            while True:
                self._call(client, self._chance.choice(KINDS))

    def _call(self, client: httpx.Client, kind: str) -> None:
        body = {"model": MODELS.get(kind, "good/m"), "messages": [{"role": "user", "content": self._prompt()}]}
        if kind == "embedding":
            self._seen(kind, client.post("/v1/embeddings", json={"model": "good/m", "input": "x"}))
        elif kind in {"streamed", "kept", "left", "rescued"} or (kind == "merged" and self._chance.random() < 0.5):
            self._stream(client, kind, {**body, "stream": True})
        else:
            headers = _HEADERS.get(kind, {})
            if kind == "repeated":
                headers = {"idempotency-key": f"i-{self._chance.getrandbits(60)}"}
            self._seen(kind, client.post("/v1/chat/completions", json=body, headers=headers))
            if kind == "repeated":
                again = client.post("/v1/chat/completions", json=body, headers=headers)
                self.repeats.add(again.headers["x-request-id"])

    def _prompt(self) -> str:
        return "x" * self._chance.randrange(1, 99)

    def _stream(self, client: httpx.Client, kind: str, body: Json) -> None:
        headers = {"x-narthex-stream-id": f"s-{self._chance.getrandbits(60)}"} if kind == "kept" else {}
        with client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
            for number, line in enumerate(answer.iter_lines()):
                if kind == "left" and number > 2:
                    return
                if line == "data: [DONE]":
                    self._seen(kind, answer)

    def _seen(self, kind: str, answer: httpx.Response) -> None:
        assert answer.status_code == 200, (kind, answer.status_code, answer.read())
        cost = answer.headers.get("x-narthex-cost")
        self.answered[answer.headers["x-request-id"]] = Seen(kind, None if cost is None else Decimal(cost))


def _narthex(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "narthex", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, env=_environ(folder), check=False)


@pytest.mark.timeout(300)
def test_a_killed_server_loses_no_call_and_counts_none_twice(tmp_path: Path) -> None:
    """Killed at any moment, again and again; then every answer is in the ledger once, and the ledger is right."""
    _killed_and_checked(tmp_path, rounds=2)


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_a_server_killed_for_an_hour_loses_no_call(tmp_path: Path) -> None:
    """The same, at a hundred moments."""
    _killed_and_checked(tmp_path, rounds=100)


def _killed_and_checked(folder: Path, *, rounds: int) -> None:
    (folder / "narthex.toml").write_text(f'data_dir = "{folder}/data"\n{CONFIG}', encoding="utf-8")
    chance, port = random.Random(int(os.environ.get("NARTHEX_SEED", "5"))), free_port()
    answered: dict[str, Seen] = {}
    repeats = set[str]()
    for number in range(rounds):
        with serving(folder, port) as server:
            callers = [Caller(port, number * 100 + one) for one in range(CALLERS)]
            for caller in callers:
                caller.thread.start()
            assert all(caller.busy.wait(60) for caller in callers)
            time.sleep(chance.random())
            server.kill()
            for caller in callers:
                caller.thread.join()
                answered.update(caller.answered)
                repeats |= caller.repeats
    with serving(folder, port):
        pass
    _check(folder, answered, repeats)


def _check(folder: Path, answered: Mapping[str, Seen], repeats: Collection[str]) -> None:
    verified = _narthex(folder, "ledger", "verify", "--json")
    verdict = json.loads(verified.stdout)
    assert (verified.returncode, verdict["findings"]) == (0, []), verified.stderr
    exported = _narthex(folder, "ledger", "export", "--format", "json")
    entries = cast("list[Entry]", json.loads(exported.stdout))
    by_request: dict[str, list[Entry]] = {}
    for one in entries:
        by_request.setdefault(str(one["request_id"]), []).append(one)
    assert {seen.kind for seen in answered.values()} == {*KINDS} - {"left"}
    for name, seen in answered.items():
        _check_call(seen, by_request[name])
    assert not repeats & by_request.keys()
    spent = sum(Decimal(str(one["cost_usd"])) for one in entries)
    shown = json.loads(_narthex(folder, "usage", "show", "--by", "status", "--json").stdout)
    assert Decimal(shown["total"]["cost_usd"]) == Decimal(verdict["cost_usd"]) == spent
    assert "interrupted" in {str(one["status"]) for one in entries}
    assert {"first", "retry", "fallback", "hedge", "told"} <= {str(one["way"]) for one in entries}


def _check_call(seen: Seen, own: Sequence[Entry]) -> None:
    """Hold what a caller saw against the entries of the call."""
    statuses = [one["status"] for one in own]
    if seen.kind == "merged":
        # Each of the models is asked by a call of its own; the one that lost a race was let go.
        assert {one["model"] for one in own} == {"good/m", "late/m"}, own
        assert sum(int(str(one["requests"])) for one in own) == 2, own
        assert "settled" in statuses, own
        return
    if [one["kind"] for one in own] == ["cache"]:
        # What another call had been answered is given again: for nothing, and as no request.
        assert (own[0]["requests"], own[0]["status"], seen.cost) == (0, "settled", Decimal(0)), own
        return
    assert sum(int(str(one["requests"])) for one in own) == 1, own
    assert statuses.count("settled") == 1, own
    if seen.kind == "rescued":
        assert "cut" in statuses, own
    if seen.cost is not None:
        assert sum(Decimal(str(one["cost_usd"])) for one in own) == seen.cost
