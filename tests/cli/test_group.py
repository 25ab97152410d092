"""Commands that are found by name, and errors that end them."""

from __future__ import annotations

import errno
import subprocess
import sys

import click
import click.testing
import pytest

from narthex.cli import COMMANDS, main
from narthex.cli.group import Commands
from narthex.errors import ConfigError, InternalError, ModelNotFound, ProviderUnreachable


class Failing(Commands):
    """A group with one command, which fails as the test wants."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(package="narthex.cli", summaries={"fail": "Fail."}, name="narthex")
        self._error = error

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """Return the command that fails."""

        @click.command(cmd_name)
        def fail() -> None:
            raise self._error

        return fail


def ended(error: BaseException, **environ: str) -> click.testing.Result:
    """Run a command that raises an error."""
    return click.testing.CliRunner().invoke(Failing(error), ["fail"], env=environ)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigError(("a:1:1 x: wrong", "b: wrong")), 78, "a:1:1 x: wrong\nb: wrong\n"),
        (ModelNotFound("no model\n'x'"), 1, "no model 'x'\n"),
        (ProviderUnreachable(provider="groq"), 69, "The provider cannot be reached.\n"),
        (InternalError(), 70, "Something failed inside Narthex; the log has the details under this request ID.\n"),
        (OSError(errno.ENOENT, "No such file", "x.json"), 1, "narthex: x.json: no such file\n"),
        (KeyboardInterrupt(), 130, ""),
        (
            RuntimeError("secret\nsecond line"),
            70,
            "narthex: a fault inside Narthex: RuntimeError: secret; set NARTHEX_DEBUG=1 to see where\n",
        ),
        (
            click.UsageError("wrong"),
            2,
            "Usage: narthex fail [OPTIONS]\nTry 'narthex fail --help' for help.\n\nError: wrong\n",
        ),
        (click.exceptions.Exit(5), 5, ""),
    ],
)
def test_an_error_ends_in_a_line_and_a_code(error: BaseException, code: int, said: str) -> None:
    """Each kind of error has its exit code and is told on standard error, without a traceback."""
    result = ended(error)
    assert (result.exit_code, result.stderr, result.stdout) == (code, said, "")


def test_a_traceback_is_shown_on_demand() -> None:
    """NARTHEX_DEBUG=1 shows where a fault is."""
    assert "Traceback" in ended(RuntimeError("x"), NARTHEX_DEBUG="1").stderr


def test_a_mistyped_command_is_told_the_nearest() -> None:
    """`narthex serv` is answered with `serve`."""
    result = click.testing.CliRunner().invoke(main, ["serv"], prog_name="narthex")
    assert result.exit_code == 2
    assert "there is no command 'serv'; did you mean \"serve\"?" in result.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_each_command_says_of_itself(name: str) -> None:
    """The one-line summaries, which are shown without loading the commands, are each command's own first line."""
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert (command.help or "").strip().partition("\n")[0].startswith(COMMANDS[name].rstrip("."))
    assert "Examples:" in (command.help or "") or isinstance(command, click.Group)


def test_help_loads_no_command() -> None:
    """The list of commands needs neither pydantic nor the server, so that it comes at once."""
    program = """
import sys
from narthex.cli import main

main(["--help"], standalone_mode=False)
print(sorted({"pydantic", "asyncio", "msgspec", "yaml"} & set(sys.modules)))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"
