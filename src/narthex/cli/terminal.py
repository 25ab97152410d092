"""What is printed, and how: plain in a pipe, a little colour on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Container, Iterable, Sequence

import click

_HARMLESS = frozenset("\n\t")


def note(text: str) -> None:
    """Print a remark to standard error, quietly where that is a terminal."""
    click.secho(text, err=True, dim=True)


def print_json(value: object) -> None:
    """Print one JSON value, indented for people on a terminal, on one line for programs."""
    indent = 2 if sys.stdout.isatty() else None
    click.echo(json.dumps(value, ensure_ascii=False, indent=indent, default=str))


def printable(text: str) -> str:
    """Return a model's text without control characters, which could make a terminal do things."""
    if text.isprintable():
        return text
    return "".join(one if one in _HARMLESS or ord(one) >= 0xA0 or " " <= one <= "~" else "" for one in text)


def print_table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, figures: Container[int] = frozenset[int]()
) -> None:
    """Print aligned columns; those of figures, told by their places, end in one line."""
    lines = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for number, line in enumerate(lines):
        cells = (
            cell.rjust(width) if place in figures else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        text = "  ".join(cells).rstrip()
        click.secho(text, bold=number == 0)


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number of things: `1 hour`, `1,200 hours`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def tolerate_any_text() -> None:
    """Let characters that the terminal's encoding lacks be replaced rather than end the program."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
