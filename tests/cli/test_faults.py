"""`narthex faults`."""

from __future__ import annotations

import json
import socket

import pytest

from narthex.testing import ScriptedUpstream
from narthex.testing.acts import whole
from narthex.testing.wires import openai_answer
from tests.cli.conftest import Invoke


@pytest.fixture
def port() -> str:
    """Return the first of five ports in a row that are free; no connection of another test has one of these."""
    return str(next(first for first in range(20_011, 32_000, 5) if all(is_free(first + more) for more in range(5))))


def is_free(number: int) -> bool:
    """Tell whether a port can be bound."""
    with socket.socket() as tried:
        try:
            tried.bind(("127.0.0.1", number))
        except OSError:
            return False
    return True


def test_our_gateway_is_tried(invoke: Invoke) -> None:
    """Without an address one of ours is started, and its scorecard has both views of every call."""
    result = invoke("faults", "--unit", "0.2", "--fault", "fail-503", "--fault", "truncate", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["object"], told["calls"], told["totals"]["failed"]) == ("scorecard", 8, 0)
    assert {(row["wire"], row["form"]) for row in told["data"]} == {
        (wire, form) for wire in ("openai", "anthropic") for form in ("whole", "streamed")
    }
    assert all(row["provider"]["attempts"] >= 1 for row in told["data"])


def test_the_table_ends_with_the_totals(invoke: Invoke) -> None:
    """Each call is a line; the last one is the sum."""
    result = invoke("faults", "--unit", "0.2", "--fault", "delay")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split()[:4] == ["FAULT", "WIRE", "CALL", "VERDICT"]
    assert sum(line.startswith("delay ") for line in lines) == 4
    assert lines[-1] == "4 calls: 4 rescued, 0 partial, 0 safe, 0 failed; 4 of 4 that can be rescued were"


def test_a_gateway_that_fails_is_told_by_the_exit_code(invoke: Invoke, port: str) -> None:
    """The mock asked without a gateway between passes lies on: the code is 1, and the reason is in the table."""
    url = f"http://127.0.0.1:{port}"
    options = ("--model", "{model}", "--port", port, "--deadline", "5")
    result = invoke("faults", "--gateway", f"{url}/v1/", *options, "--fault", "truncate")
    assert result.exit_code == 1, result.output
    assert "ended in good order without a reason to finish" in " ".join(result.stdout.split())


def test_a_gateway_that_is_not_set_up_is_told_how(invoke: Invoke, port: str) -> None:
    """One that answers something else, or nothing, is not tried: what to configure is printed, and the code is 69."""
    with ScriptedUpstream() as other:
        other.always(whole(openai_answer("I am something else.")))
        result = invoke("faults", "--gateway", other.url, "--port", port)
    assert result.exit_code == 69
    assert "does not answer well for wall-openai/healthy" in result.stderr
    assert "wall-anthropic-tls-error" in result.stderr


def test_the_setup_is_printed(invoke: Invoke, port: str) -> None:
    """Every address and the names of the models, without trying anything."""
    result = invoke("faults", "--setup", "--port", port, "--model", "{model}@{provider}")
    assert result.exit_code == 0
    assert f"http://127.0.0.1:{port}/v1" in result.stdout
    assert "fault-stall@wall-openai" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--fault", "nonsense"), "there is no fault 'nonsense'"),
        (("--model", "{who}"), "--model takes {provider} and {model}"),
        (("--unit", "0"), "--unit"),
    ],
)
def test_what_cannot_be_done_is_refused_at_once(invoke: Invoke, arguments: tuple[str, ...], words: str) -> None:
    """A wrong word starts nothing."""
    result = invoke("faults", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
