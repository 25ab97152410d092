"""By what usage can be told apart, and where that stands in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, Table, false, func, or_
from sqlalchemy.sql import ColumnElement

from narthex.config.problems import did_you_mean
from narthex.errors import InvalidRequest
from narthex.ledger.words import COLUMNS
from narthex.stores.database.schema import ledger_entries, usage_hours

TAG: Final = "tag"


class Dimension(NamedTuple):
    """One of them."""

    name: str
    """As it was asked for, such as `model` or `tag:team`."""
    column: str
    """Of the entries."""
    tag: str | None = None
    """Whose value it is; None for all tags."""

    @property
    def is_tag(self) -> bool:
        """Whether it is read from the tags."""
        return self.name.partition(":")[0] == TAG

    @property
    def is_overlapping(self) -> bool:
        """Whether a call may be in several of its rows, so that these add up to more than there is."""
        return self.is_tag and self.tag is None

    def is_known_to(self, table: Table) -> bool:
        """Tell whether it can be read from a table."""
        return self.column in table.c or self.column == "provider"


def dimension_of(name: str, *, param: str) -> Dimension:
    """Return a dimension.

    Raises:
        InvalidRequest: There is none of that name.
    """
    kind, _, tag = name.partition(":")
    if kind not in COLUMNS or (tag and kind != TAG) or name.endswith(":"):
        known = ", ".join([*COLUMNS, "tag:NAME"])
        message = f"{param}: there is no dimension {name[:100]!r}{did_you_mean(kind, COLUMNS)}; there are {known}"
        raise InvalidRequest(message, param=param)
    return Dimension(name, COLUMNS[kind], tag or None)


def column_of(table: Table, dimension: Dimension) -> ColumnElement[str]:
    """Return what is read of a table for a dimension."""
    # The sums for each hour know a provider by its models.
    name = dimension.column if dimension.column in table.c else "model"
    return table.c[name]


def reader_of(table: Table, dimension: Dimension) -> Callable[[str], Sequence[str]]:
    """Return what makes the values of a dimension from what is read: several for tags, if all are wanted."""
    if dimension.is_tag:
        name = dimension.tag
        return tags_in if name is None else lambda text: (tag_value(text, name),)
    if dimension.column not in table.c:
        return lambda text: (text.partition("/")[0],)
    return lambda text: (text,)


def tags_in(text: str) -> Sequence[str]:
    """Return each tag of a call; one empty text where it has none."""
    return text.split(",")


def tag_value(text: str, name: str) -> str:
    """Return the value of a call's tag; empty where it has no such tag, or one without a value."""
    return next((tag[len(name) + 1 :] for tag in text.split(",") if tag.startswith(f"{name}=")), "")


def condition(connection: Connection, table: Table, dimension: Dimension, values: Sequence[str]) -> ColumnElement[bool]:
    """Return what holds for rows that have one of these values."""
    # No text of the ledger has such a character, which PostgreSQL does not take either.
    values = [value for value in values if "\0" not in value]
    if not values:
        return false()
    if dimension.is_tag:
        return or_(*(_tagged(connection, table, dimension, value) for value in values))
    if dimension.column not in table.c:
        model = table.c.model
        named = (or_(model == value, func.substr(model, 1, len(value) + 1) == f"{value}/") for value in values)
        return or_(*named)
    column = table.c[dimension.column]
    return column == values[0] if len(values) == 1 else column.in_(values)


def _tagged(connection: Connection, table: Table, dimension: Dimension, value: str) -> ColumnElement[bool]:
    tags = table.c.tags
    if dimension.tag is not None and not value:
        # Those without the tag, or with one that has no value.
        return ~_found(connection, tags, f",{dimension.tag}=")
    if not value:
        return tags == ""
    return _found(connection, tags, f",{value}," if dimension.tag is None else f",{dimension.tag}={value},")


def _found(connection: Connection, tags: ColumnElement[str], text: str) -> ColumnElement[bool]:
    # Not `LIKE`: SQLite compares with it as if small letters were capitals.
    function = func.strpos if connection.dialect.name == "postgresql" else func.instr
    return function("," + tags + ",", text) > 0


ENTRIES: Final = ledger_entries
HOURS: Final = usage_hours
