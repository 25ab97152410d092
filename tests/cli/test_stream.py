"""`narthex stream`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from narthex.testing import RunningGateway, running_gateway
from tests.cli.conftest import Invoke

TEXT = "one two three four five"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningGateway]:
    """Return a server with a stream that was recorded."""
    script = {"models": ["m"], "reply": TEXT}
    with running_gateway({"providers": {"demo": {"kind": "scripted", "script": script}}}) as running:
        for name, more in (("answer-1", {"x-narthex-record": "on"}), ("answer-2", {})):
            asked = {"model": "demo/m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
            headers = {"x-narthex-stream-id": name, **more}
            assert httpx.post(f"{running.url}/v1/chat/completions", json=asked, headers=headers).status_code == 200
        yield running


def test_streams_and_recordings_are_listed(invoke: Invoke, server: RunningGateway) -> None:
    """As a table, or as the API has it."""
    shown = invoke("stream", "list", "--url", server.url)
    assert shown.stdout.split()[:5] == ["ID", "STATUS", "MODEL", "LAST_SEQ", "READERS"]
    assert "answer-2" in shown.stdout
    recorded = invoke("stream", "list", "--recordings", NARTHEX_URL=server.url).stdout
    assert "answer-1" in recorded
    assert "answer-2" not in recorded
    told = json.loads(invoke("stream", "list", "--json", "--url", server.url).stdout)
    assert {"answer-1", "answer-2"} <= {one["id"] for one in told["data"]}


def test_a_stream_is_inspected_at_the_server_and_in_a_file(invoke: Invoke, server: RunningGateway, home: Path) -> None:
    """The file needs no server, and tells the same."""
    at_server = invoke("stream", "inspect", "answer-1", "--follow", "--url", server.url)
    assert at_server.exit_code == 0
    assert at_server.stdout.startswith("answer-1  done")
    assert invoke("stream", "export", "answer-1", "-o", "a.jsonl", "--url", server.url).exit_code == 0
    told = json.loads(invoke("stream", "inspect", "a.jsonl", "--json").stdout)
    known = json.loads(invoke("stream", "inspect", "answer-1", "--json", "--url", server.url).stdout)
    assert told == known
    text = (home / "a.jsonl").read_text(encoding="utf-8")
    (home / "cut.jsonl").write_text(text[:-30], encoding="utf-8")
    cut = invoke("stream", "inspect", "cut.jsonl")
    assert (cut.exit_code, "not whole" in cut.stdout) == (1, True)


def test_a_stream_is_replayed_from_the_server_and_from_a_file(
    invoke: Invoke, server: RunningGateway, home: Path
) -> None:
    """Its text, or its events as they were sent."""
    exported = invoke("stream", "export", "answer-1", "--url", server.url)
    (home / "a.jsonl").write_bytes(exported.stdout_bytes)
    kept = httpx.get(f"{server.url}/v1/streams/answer-1?after=0").content
    for stream in ("a.jsonl", "answer-1"):
        assert invoke("stream", "replay", stream, "--speed", "max", "--url", server.url).stdout == f"{TEXT}\n"
        assert invoke("stream", "replay", stream, "--raw", "--url", server.url).stdout_bytes == kept
    (home / "cut.jsonl").write_bytes(exported.stdout_bytes[:-30])
    cut = invoke("stream", "replay", "cut.jsonl", "--speed", "0")
    assert (cut.exit_code, cut.stdout) == (1, f"{TEXT}\n")
    assert "not whole" in cut.stderr


def test_a_recording_outlives_its_stream(invoke: Invoke, server: RunningGateway) -> None:
    """It is inspected and replayed under the same ID."""
    asked = {"model": "demo/m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    headers = {"x-narthex-stream-id": "answer-3"}
    httpx.post(f"{server.url}/v1/chat/completions", json=asked, headers=headers)
    recorded = invoke("stream", "record", "answer-3", "--url", server.url)
    assert recorded.stdout.startswith("answer-3: "), recorded.stderr
    httpx.get(f"{server.url}/v1/recordings")
    assert httpx.delete(f"{server.url}/v1/streams/answer-3").status_code == 200
    assert invoke("stream", "inspect", "answer-3", "--url", server.url).stdout.startswith("answer-3  done")
    assert invoke("stream", "replay", "answer-3", "--url", server.url).stdout == f"{TEXT}\n"


@pytest.mark.parametrize("name", ["pause", "resume", "cancel"])
def test_what_has_ended_is_not_controlled(invoke: Invoke, server: RunningGateway, name: str) -> None:
    """It says so, and ends with 1."""
    result = invoke("stream", name, "answer-2", "--url", server.url)
    assert (result.exit_code, "ended" in result.stderr) == (1, True)


def test_a_report_for_programs(invoke: Invoke, server: RunningGateway) -> None:
    """As the API tells it."""
    told = json.loads(invoke("stream", "record", "answer-1", "--json", "--url", server.url).stdout)
    assert told["object"] == "recording"


@pytest.mark.parametrize("name", ["inspect", "replay", "export", "record"])
def test_what_is_not_there_is_told(invoke: Invoke, server: RunningGateway, name: str) -> None:
    """With where to look."""
    result = invoke("stream", name, "nobodys-answer", "--url", server.url)
    assert (result.exit_code, "GET /v1/" in result.stderr) == (1, True)


def test_a_speed_that_is_none_is_refused(invoke: Invoke) -> None:
    """Before anybody is asked."""
    result = invoke("stream", "replay", "x", "--speed", "fast")
    assert (result.exit_code, "give 1 for the pace" in result.stderr) == (2, True)


def test_the_server_configured_is_asked(invoke: Invoke, home: Path) -> None:
    """If none is named; where none is, it says so with its own exit code."""
    (home / "narthex.toml").write_text("[server]\nport = 9\n")
    assert invoke("stream", "list").exit_code == 69
