"""`narthex explain`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from narthex.testing import RunningGateway, running_gateway
from tests.cli.conftest import Invoke

CONFIG = """
default_model = "scripted/a"

[embedded]
enabled = false

[discovery]
ollama = false
environment = false

[server]
port = 9

[providers.scripted]
kind = "scripted"
script = { models = ["a", "b", "c"] }

[[keys]]
name = "app"
key = "sk-0123456789abcdef"
tenant = "shop"

[[keys]]
name = "other"
key = "sk-other-0123456789abcdef"

[[rules]]
name = "night"
when = { hours = ["22:00-06:00"], time_zone = "Europe/Vienna" }
use = "scripted/b"

[[rules]]
name = "rich"
when = { tags = ["x"], min_input_tokens = 100, streaming = true, tools = true, modalities = ["image"] }
use = "scripted/c"

[[rules]]
name = "shop"
when = { tenants = ["shop"], callers = ["app", "other"] }
use = "scripted/b"
"""
DAY = ("--at", "2026-03-04T12:00:00Z")


@pytest.fixture
def config(home: Path) -> Path:
    """Write a configuration file."""
    file = home / "narthex.toml"
    file.write_text(CONFIG)
    return file


@pytest.fixture(scope="module")
def ruled() -> Iterator[RunningGateway]:
    """Return a server with a rule."""
    settings = {
        "providers": {"scripted": {"kind": "scripted", "script": {"models": ["a", "b"]}}},
        "rules": [{"name": "batch", "when": {"tags": ["batch"]}, "use": "scripted/b"}],
    }
    with running_gateway(settings) as running:
        yield running


def test_a_server_is_asked(invoke: Invoke, ruled: RunningGateway) -> None:
    """What it would decide is printed as text."""
    result = invoke("explain", "scripted/a", "-t", "batch", "--url", ruled.url)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "asked for: scripted/a",
        "rule batch: scripted/b",
        "1. scripted/b: the rule names it",
        "served by: scripted/b",
        "rules:",
        "  batch: yes",
    ]


def test_programs_get_json(invoke: Invoke, ruled: RunningGateway) -> None:
    """All of it, on one line in a pipe."""
    (line,) = invoke("explain", "scripted/a", "--json", "--url", ruled.url).stdout.splitlines()
    told = json.loads(line)
    assert (told["model"], told["header"], told["rule"]) == ("scripted/a", "to=scripted/a", None)
    assert told["rules"] == [
        {"name": "batch", "outcome": "not_matched", "condition": "tags", "why": "lacks batch", "drawn": False}
    ]


@pytest.mark.usefixtures("config")
def test_without_a_server_the_configuration_is_asked(invoke: Invoke) -> None:
    """The same answer, with a remark; `--offline` looks for no server, and remarks nothing."""
    found = invoke("explain", *DAY)
    assert "no server at" in found.stderr
    offline = invoke("explain", "--offline", *DAY)
    assert offline.stdout == found.stdout
    assert offline.stderr == ""
    assert "rule shop: scripted/b" in offline.stdout, "the first key asks, which belongs to the shop"


RICH = ("-t", "x", "--tokens", "100", "--stream", "--tools", "--modality", "image", "--caller", "other")


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize(
    ("said", "rule"),
    [
        (("--at", "2026-03-04T22:30:00+01:00"), "night"),
        (DAY, "shop"),
        ((*DAY, "--caller", "other"), None),
        ((*DAY, "--caller", "other", "--tenant", "shop"), "shop"),
        ((*DAY, *RICH), "rich"),
        ((*DAY, *RICH, "--no-stream"), None),
        ((*DAY, *RICH, "--no-tools"), None),
        ((*DAY, *RICH, "--operation", "embed"), None),
    ],
)
def test_a_call_can_be_described(invoke: Invoke, said: tuple[str, ...], rule: str | None) -> None:
    """Every option is one that a rule can look at."""
    result = invoke("explain", "--offline", "--json", *said)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["rule"] == rule


@pytest.mark.usefixtures("config")
def test_times_without_an_offset_are_local(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are those of this machine's clock."""
    result = invoke("explain", "--offline", "--json", "--at", "2026-03-04T12:00")
    assert json.loads(result.stdout)["facts"]["at"].startswith("2026-03-0")


@pytest.mark.usefixtures("config")
def test_a_whole_call_can_be_given(invoke: Invoke, home: Path) -> None:
    """From a file or standard input, in either shape; what is said beside it wins."""
    body = {"model": "scripted/c", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    (home / "call.json").write_text(json.dumps(body))
    ways: list[tuple[tuple[str, ...], str | None]] = [(("call.json",), None), (("-",), json.dumps(body))]
    ways.append((("call.json", "--surface", "anthropic.messages"), None))
    for said, text in ways:
        told = json.loads(invoke("explain", "--offline", "--json", *DAY, "--request", *said, text=text).stdout)
        assert (told["asked"], told["facts"]["streaming"]) == ("scripted/c", True)
    told = json.loads(invoke("explain", "scripted/a", "--offline", "--json", *DAY, "--request", "call.json").stdout)
    assert told["asked"] == "scripted/a"


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize(
    ("said", "word"),
    [
        (("--at", "soon"), "is no time"),
        (("--surface", "openai.chat"), "--request"),
        (("--modality", "smell"), "smell"),
        (("--tokens", "-1"), "-1"),
        (("--request", "list.json"), "object"),
        (("--request", "broken.json"), "not JSON"),
        (("--request", "nowhere.json"), "nowhere.json"),
    ],
)
def test_what_is_not_understood_is_told(invoke: Invoke, home: Path, said: tuple[str, ...], word: str) -> None:
    """With the exit code for that."""
    (home / "list.json").write_text("[]")
    (home / "broken.json").write_text("{")
    result = invoke("explain", "--offline", *said)
    assert result.exit_code == 2
    assert word in result.stderr


@pytest.mark.usefixtures("config")
def test_a_call_that_nobody_would_serve_fails(invoke: Invoke) -> None:
    """The explanation is printed all the same, and the exit code says it."""
    result = invoke("explain", "nobody/m", "--offline", *DAY, "--caller", "other")
    assert result.exit_code == 1
    assert "nobody/m is not there: no provider has it" in result.stdout
    assert "served by: nobody" in result.stdout


@pytest.mark.parametrize(
    ("text", "said", "code"),
    [("broken", ("--offline",), 78), ("", ("--url", "http://127.0.0.1:9"), 69), ("", ("--offline", "-t", "a,b"), 1)],
)
def test_exit_codes_are_those_of_every_command(
    invoke: Invoke, home: Path, text: str, said: tuple[str, ...], code: int
) -> None:
    """A broken configuration, a server that is not there, a tag that is none."""
    (home / "narthex.toml").write_text(text)
    assert invoke("explain", *said).exit_code == code
