"""`narthex run`."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from narthex.testing import RunningGateway, running_gateway, scripted_gateway
from tests.cli.conftest import Invoke, Program


def test_the_answer_is_the_output(program: Program, gateway: RunningGateway) -> None:
    """In a pipe, standard output holds the answer and nothing else, and standard error nothing."""
    ran = program("run", "Hi", "there", NARTHEX_URL=gateway.url)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"You said: Hi there\n", b"")


def test_input_is_appended_to_the_prompt(program: Program, gateway: RunningGateway) -> None:
    """`cat notes | narthex run "Summarise"` asks about the notes; `-` asks the input alone."""
    ran = program("run", "Summarise:", data="né\n".encode(), NARTHEX_URL=gateway.url)
    assert ran.stdout.decode() == "You said: Summarise:\n\nné\n"
    assert program("run", "-", data=b"Hi", NARTHEX_URL=gateway.url).stdout == b"You said: Hi\n"


def test_files_are_appended_to_the_prompt(invoke: Invoke, gateway: RunningGateway, home: Path) -> None:
    """Each file follows the prompt, in order."""
    (home / "a.txt").write_text("one\n")
    (home / "b.txt").write_text("two\n")
    result = invoke("run", "Read", "-f", "a.txt", "--file", "b.txt", "--url", gateway.url)
    assert result.stdout == "You said: Read\n\none\n\ntwo\n"


def test_the_whole_answer_as_json(invoke: Invoke, gateway: RunningGateway) -> None:
    """`--json` prints what the native API answers."""
    told = json.loads(invoke("run", "Hi", "--json", "--url", gateway.url).stdout)
    assert (told["object"], told["model"], told["text"]) == ("generation", "scripted/scripted", "You said: Hi")
    assert told["usage"]["total_tokens"] > 0


def test_without_streaming_the_answer_is_the_same(invoke: Invoke, gateway: RunningGateway) -> None:
    """`--no-stream` prints the same text at once."""
    assert invoke("run", "Hi", "--no-stream", "--url", gateway.url).stdout == "You said: Hi\n"


def test_forms_are_repaired_and_whole(invoke: Invoke, home: Path) -> None:
    """JSON is indented and fits its schema, XML is well-formed; what surrounds them is left out."""
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    (home / "person.json").write_text(json.dumps(schema))
    with scripted_gateway(reply='Sure: ```json\n{"name": "Ada",}\n```') as gateway:
        result = invoke("run", "A person", "--format", "json", "--url", gateway.url)
        assert result.stdout == '{\n  "name": "Ada"\n}\n'
        fitting = json.loads(invoke("run", "A person", "--schema", "person.json", "--url", gateway.url).stdout)
        assert isinstance(fitting["name"], str)
    with scripted_gateway(reply="<person>Ada") as gateway:
        result = invoke("run", "A person", "--format", "xml", "--root", "person", "--url", gateway.url)
        assert result.stdout == "<person>Ada</person>\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "There is no prompt"),
        (("  ",), "There is no prompt"),
        (("x", "--root", "a"), "--root goes with --format xml only"),
        (("x", "--schema", "bad.json"), "bad.json is not JSON"),
        (("x", "--schema", "list.json"), "expected an object"),
        (("x", "--schema", "good.json", "--format", "xml"), "--schema goes with --format json only"),
        (("x", "--file", "binary"), "binary is not UTF-8 text"),
        (("x", "--file", "missing"), "missing"),
        (("x", "--max-tokens", "0"), "--max-tokens"),
        (("x", "--temperature", "9"), "--temperature"),
    ],
)
def test_what_does_not_fit_is_refused(invoke: Invoke, home: Path, arguments: tuple[str, ...], said: str) -> None:
    """Nothing is asked, the exit code is that of usage, and the message names the option."""
    (home / "bad.json").write_text("{")
    (home / "list.json").write_text("[]")
    (home / "good.json").write_text("{}")
    (home / "binary").write_bytes(b"\xff\xfe")
    result = invoke("run", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_server_that_is_not_there(program: Program) -> None:
    """A server that was named is not replaced by another; the remedy is told, and the code is 69."""
    ran = program("run", "Hi", NARTHEX_URL="http://127.0.0.1:9")
    assert (ran.returncode, ran.stdout) == (69, b"")
    assert b"narthex serve" in ran.stderr


def test_an_unknown_model(invoke: Invoke, gateway: RunningGateway) -> None:
    """The server's own error is told in one line, with the request's ID."""
    result = invoke("run", "Hi", "-m", "nobody/model", "--url", gateway.url)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "(request " in result.stderr


def test_a_key_that_is_needed(invoke: Invoke) -> None:
    """Where a key is set is part of the message; with the key the answer comes."""
    key = "0123456789abcdef"
    settings = {
        "keys": [{"name": "ci", "key": key}],
        "providers": {"scripted": {"kind": "scripted", "script": {"reply": "yes"}}},
        "default_model": "scripted/scripted",
    }
    with running_gateway(settings) as gateway:
        refused = invoke("run", "Hi", "--url", gateway.url)
        assert refused.exit_code == 1
        assert "set NARTHEX_API_KEY" in refused.stderr
        assert invoke("run", "Hi", "--url", gateway.url, NARTHEX_API_KEY=key).stdout == "yes\n"


def test_an_answer_cut_at_its_limit_is_told(invoke: Invoke) -> None:
    """Whoever reads half an answer knows that it is half."""
    with scripted_gateway(reply="one two three four five six seven eight") as gateway:
        result = invoke("run", "Hi", "--max-tokens", "2", "--url", gateway.url)
    assert result.exit_code == 0
    assert "--max-tokens" in result.stderr


def test_without_a_server_it_answers_here(program: Program, home: Path) -> None:
    """Nothing has to be started first: the whole gateway runs in this process, and says so."""
    write_local(home)
    ran = program("run", "Hi", NARTHEX_SERVER__PORT="9")
    assert ran.stdout == b"here\n"
    assert b"answering in this process" in ran.stderr


def test_with_local_no_server_is_looked_for(program: Program, home: Path, gateway: RunningGateway) -> None:
    """`--local` answers here even if a server runs."""
    write_local(home)
    ran = program("run", "Hi", "--local", NARTHEX_URL=gateway.url)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"here\n", b"")


def test_a_form_made_here(invoke: Invoke, home: Path) -> None:
    """Forms and errors are those of a server."""
    write_local(home, reply='{"a": 1,}')
    assert invoke("run", "Hi", "--local", "--format", "json").stdout == '{\n  "a": 1\n}\n'
    unknown = invoke("run", "Hi", "--local", "-m", "nobody/x")
    assert unknown.exit_code == 1


def test_the_configured_server_is_asked_with_its_own_key(invoke: Invoke, home: Path) -> None:
    """On the machine of the server, whose configuration holds address and key, nothing else need be said."""
    key = "0123456789abcdef"
    settings = {
        "keys": [{"name": "ci", "key": key}],
        "providers": {"scripted": {"kind": "scripted", "script": {"reply": "yes"}}},
        "default_model": "scripted/scripted",
    }
    with running_gateway(settings) as gateway:
        port = gateway.url.rpartition(":")[2]
        (home / "narthex.toml").write_text(f'server.port = {port}\n[[keys]]\nname = "ci"\nkey = "{key}"\n')
        result = invoke("run", "Hi")
    assert (result.stdout, result.stderr) == ("yes\n", "")


def write_local(home: Path, reply: str = "here") -> None:
    """Write a configuration with one scripted model and no embedded one."""
    (home / "narthex.yaml").write_text(
        json.dumps(
            {
                "providers": {"scripted": {"kind": "scripted", "script": {"reply": reply}}},
                "default_model": "scripted/scripted",
                "embedded": {"enabled": False},
                "discovery": {"ollama": False},
            }
        )
    )


def test_a_reader_that_leaves_ends_it_quietly(gateway: RunningGateway) -> None:
    """`narthex run … | head` ends without a word, by the code that says so."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "narthex", "run", "Hi", "--url", gateway.url]
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (141, b"")


INTERRUPTIBLE = """
import signal
from narthex.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""
"""The program as a shell in the foreground starts it; one in the background has children ignore Ctrl-C."""


def test_an_interrupt_stops_the_answer() -> None:
    """Ctrl-C ends at once with 130, keeps what came, and the server cancels the rest."""
    with scripted_gateway(reply="word " * 2000, tokens_per_second=50) as gateway:
        command = [sys.executable, "-c", INTERRUPTIBLE, "run", "Hi", "--url", gateway.url]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stdout.read(4) == b"word"
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (130, b"")
    assert output.endswith(b"\n")


def test_on_a_terminal_the_cost_is_told_and_nothing_can_act(home: Path) -> None:
    """The usage line is on standard error, and a model's escape sequences do not reach the terminal."""
    with scripted_gateway(reply="\x1b]0;owned\x07red\x1b[31m") as gateway:
        leader, follower = pty.openpty()
        command = [sys.executable, "-m", "narthex", "run", "Hi", "--url", gateway.url]
        process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, cwd=home)
        os.close(follower)
        shown = read_all(leader)
        process.wait()
    assert "]0;ownedred[31m" in shown
    assert "\x1b]0" not in shown
    assert "scripted/scripted ·" in shown
    assert "tokens in" in shown


def read_all(leader: int) -> str:
    """Read a terminal until the program behind it has ended."""
    data = b""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            piece = os.read(leader, 65_536)
        except OSError:  # Linux tells the end so
            break
        if not piece:
            break
        data += piece
    os.close(leader)
    return data.decode()
