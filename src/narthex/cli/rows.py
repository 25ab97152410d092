"""Records on the terminal: tables and JSON, and how times and tags are said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import click
import msgspec

from narthex.cli.terminal import print_json, print_table, printable

_HIDDEN: Final = frozenset({"digest"})
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def show_all(records: Iterable[msgspec.Struct], columns: Sequence[str], as_json: bool) -> None:
    """Print records as a table of some columns, or as JSON of all."""
    told = [_told(one) for one in records]
    if as_json:
        print_json(told)
        return
    print_table([column.upper() for column in columns], ([_cell(one[column]) for column in columns] for one in told))


def show_one(record: msgspec.Struct, as_json: bool) -> None:
    """Print a record, a line for each field, or as JSON."""
    told = _told(record)
    if as_json:
        print_json(told)
        return
    for name, value in told.items():
        click.echo(f"{name:<21} {_cell(value)}")


def duration_s(text: str) -> int:
    """Return a time such as `90d`, `12h` or `30m` in seconds.

    Raises:
        click.BadParameter: It is none.
    """
    said = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if said is None:
        raise click.BadParameter(f"{text!r} is no time: write 90d, 12h, 30m or 60s")
    return int(said[1]) * _UNITS_S[said[2]]


def tags_of(pairs: Iterable[str]) -> dict[str, str]:
    """Return tags that are written as `NAME=VALUE`.

    Raises:
        click.BadParameter: One of them is not.
    """
    tags: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise click.BadParameter(f"{pair!r} is no tag: write NAME=VALUE")
        tags[name] = value
    return tags


def _told(record: msgspec.Struct) -> dict[str, object]:
    fields = {name: getattr(record, name) for name in record.__struct_fields__ if name not in _HIDDEN}
    return {
        name: _time(value) if name.endswith("_at") else msgspec.to_builtins(value) for name, value in fields.items()
    }


def _time(ms: object) -> str | None:
    if not isinstance(ms, int):
        return None
    return datetime.fromtimestamp(ms // 1_000, UTC).isoformat().replace("+00:00", "Z")


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return printable(value if isinstance(value, str) else msgspec.json.encode(value).decode())
