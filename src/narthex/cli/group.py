"""Commands that are loaded when called, and the one place where errors become a line and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping
from importlib import import_module

import click

from narthex.errors import NarthexError


class Commands(click.Group):
    """A group whose commands live in modules of their own: `NAME` in `PACKAGE.NAME`, as `command`."""

    def __init__(self, *, package: str, summaries: Mapping[str, str], **options: object) -> None:
        """Know the commands by name.

        Args:
            package: Where their modules are.
            summaries: Each command's one line, in the order of the list.
            options: As for any group of click's.
        """
        super().__init__(**options)  # type: ignore[arg-type]  # handed through as they are
        self._package = package
        self._summaries = summaries

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in their order."""
        return list(self._summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command; None if there is none of that name."""
        if cmd_name not in self._summaries:
            return None
        command = import_module(f"{self._package}.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command asked for; a mistyped one is told the nearest."""
        if args and not args[0].startswith("-") and args[0] not in self._summaries:
            from narthex.config.problems import did_you_mean  # noqa: PLC0415 - only for a mistyped command

            ctx.fail(f"there is no command {args[0]!r}{did_you_mean(args[0], self._summaries)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list without loading any command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._summaries.items()))

    def invoke(self, ctx: click.Context) -> object:
        """Run the command called; errors end in one line and the exit code that fits."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 - the edge: no command ends in a traceback
            code = _explained(error)
        sys.exit(code)


def _explained(error: BaseException) -> int:
    """Say what went wrong, and return the exit code."""
    # Loaded only here: most commands end well.
    from narthex.cli.exits import Exit, complaint, exit_code_of  # noqa: PLC0415

    if os.environ.get("NARTHEX_DEBUG"):
        traceback.print_exception(error)
    match error:
        case NarthexError():
            click.echo(complaint(error), err=True)
            return exit_code_of(error)
        case KeyboardInterrupt():
            return Exit.INTERRUPTED
        case BrokenPipeError():
            _close_output()
            return Exit.OUTPUT_CLOSED
        case OSError():
            click.echo(f"narthex: {_reason(error)}", err=True)
            return Exit.FAILURE
        case _:
            what = f"{type(error).__name__}: {error}".split("\n")[0]
            click.echo(f"narthex: a fault inside Narthex: {what}; set NARTHEX_DEBUG=1 to see where", err=True)
            return Exit.INTERNAL


def _reason(error: OSError) -> str:
    reason = (error.strerror or str(error)).lower()
    return f"{error.filename}: {reason}" if error.filename else reason


def _close_output() -> None:
    """Point standard output nowhere, so that the interpreter's last flush finds nobody missing."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
