"""`narthex cache` at a running server."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from narthex.testing import RunningGateway, running_gateway
from tests.cli.conftest import Invoke

LINE = '{{"model": "demo/m", "messages": [{{"role": "user", "content": "{}"}}]}}\n'


@pytest.fixture(scope="module")
def server() -> Iterator[RunningGateway]:
    """A server with one model."""
    script = {"models": ["m"], "reply": "ok"}
    with running_gateway({"providers": {"demo": {"kind": "scripted", "script": script}}}) as running:
        yield running


def keep(server: RunningGateway, words: str, tag: str) -> None:
    """Have an answer kept, and given again."""
    body = {"model": "demo/m", "messages": [{"role": "user", "content": words}]}
    for _ in range(2):
        answer = httpx.post(
            f"{server.url}/v1/chat/completions", json=body, headers={"x-narthex-cache": f"on; tags={tag}"}
        )
        assert answer.status_code == 200


def test_it_is_told_how_the_cache_does(invoke: Invoke, server: RunningGateway) -> None:
    """For people, and as the API has it."""
    keep(server, "stats", "s")
    shown = invoke("cache", "stats", "--url", server.url)
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith("on, mode deterministic; ")
    assert "TIER" in shown.stdout
    assert "demo/m" in shown.stdout
    told = json.loads(invoke("cache", "stats", "--json", "--url", server.url).stdout)
    assert told["hits"]["hit"] >= 1


def test_entries_are_listed_and_let_go(invoke: Invoke, server: RunningGateway) -> None:
    """By tag and by model; all of them only after a question."""
    for number in range(2):
        keep(server, f"list {number}", f"t{number}")
    shown = invoke("cache", "entries", "--tag", "t1", "--url", server.url).stdout.splitlines()
    assert (len(shown), shown[0].split()[:2], shown[1].split()[1]) == (2, ["KEY", "MODEL"], "demo/m")
    assert "there are more" in invoke("cache", "entries", "--limit", "1", "--url", server.url).stderr
    gone = invoke("cache", "invalidate", "--tag", "t1", "--json", "--url", server.url)
    assert json.loads(gone.stdout) == {"object": "cache_change", "removed": 1}
    assert invoke("cache", "invalidate", "--url", server.url).exit_code == 2
    assert invoke("cache", "clear", "--url", server.url, text="n\n").exit_code == 1
    assert invoke("cache", "entries", "--tag", "t0", "--json", "--url", server.url).stdout.count('"key"') == 1
    assert "answers were in memory" in invoke("cache", "clear", "--yes", "--everything", "--url", server.url).stdout
    assert json.loads(invoke("cache", "entries", "--json", "--url", server.url).stdout)["data"] == []


def test_questions_are_answered_beforehand(invoke: Invoke, server: RunningGateway) -> None:
    """From a file with one in each line; what failed is named, and is the end of the command."""
    lines = LINE.format("w1") + "\n" + LINE.format("w2")
    done = invoke("cache", "warm", "-", "--tag", "w", "--ttl", "60", text=lines, NARTHEX_URL=server.url)
    assert (done.exit_code, done.stdout) == (0, "2 of 2 answers are kept\n")
    told = json.loads(invoke("cache", "warm", "-", "--json", "--url", server.url, text=lines).stdout)
    assert [one["status"] for one in told["data"]] == ["kept", "kept"]
    failed = invoke("cache", "warm", "-", "--url", server.url, text=lines.replace("demo/m", "demo/x", 1))
    assert (failed.exit_code, failed.stdout) == (1, "1 of 2 answers are kept\n")
    assert "request 1: model_not_found" in failed.stderr
    wrong = invoke("cache", "warm", "-", "--url", server.url, text="[]\n")
    assert (wrong.exit_code, "line 1 is no request" in wrong.stderr) == (1, True)
