"""The page of the command line: every command as its own help tells it."""

from __future__ import annotations

from collections.abc import Iterator

import click

from narthex.cli import main
from scripts.pages.markdown import code, table

_HEAD = """\
# Command line

Every command takes `--help`, which says what stands here.
"""


def commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """Yield every command with its full name, groups before their members."""
    command = main
    assert isinstance(command, click.Command)
    yield from _below("narthex", command, click.Context(command, info_name="narthex"))


def _below(
    name: str, command: click.Command, context: click.Context
) -> Iterator[tuple[str, click.Command, click.Context]]:
    yield name, command, context
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None and not found.hidden:
                yield from _below(f"{name} {child}", found, click.Context(found, info_name=child, parent=context))


def page() -> str:
    """Return the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    for name, command, context in commands():
        yield f"## `{name}`\n"
        yield f"{_paragraphs(command.help or '')}\n"
        usage = " ".join(command.collect_usage_pieces(context))
        yield f"```text\n{name} {usage}\n```\n"
        records = (option.get_help_record(context) for option in command.params if isinstance(option, click.Option))
        rows = [record for record in records if record is not None]
        if rows:
            yield from table(("Option", "Meaning"), ((code(option), " ".join(text.split())) for option, text in rows))
            yield ""


def _paragraphs(text: str) -> str:
    """Keep the paragraphs of a help text; what click is told not to wrap keeps its lines."""
    parts: list[str] = []
    for part in text.replace("\f", "").strip().split("\n\n"):
        lines = part.strip("\n").splitlines()
        if lines and lines[0].strip() == "\b":
            body = "\n".join(lines[1:])
            parts.append(f"```text\n{body}\n```")
        else:
            parts.append(" ".join(" ".join(lines).split()))
    return "\n\n".join(parts)
