"""Limits that are kept in the database, as they are read and held in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import msgspec

from narthex.tenancy.listening import Listener
from narthex.types.limits import Limit, Measure, Period, SubjectKind, WindowKind

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from narthex.tenancy.office import Office


class StoredLimit(msgspec.Struct, frozen=True, kw_only=True):
    """A limit as a row; its fields are those of `Limit`, and two more."""

    id: str
    organisation_id: str
    workspace_id: str | None
    subject_kind: SubjectKind
    subject: str
    measure: Measure
    amount: int
    period: Period
    window: WindowKind
    burst: int | None
    hard: bool
    alert_percents: tuple[int, ...]
    enabled: bool
    created_at: int
    version: int

    @property
    def limit(self) -> Limit:
        """What is counted."""
        return Limit(**{name: getattr(self, name) for name in Limit.__struct_fields__})


def follow_limits(office: Office, take: Callable[[tuple[Limit, ...]], None]) -> None:
    """Have somebody told of the limits in the database: of all when it is opened, and again whenever one changes."""

    def load(connection: Connection) -> Callable[[], None]:
        found = read_limits(connection)
        return lambda: take(found)

    def taken(_: Sequence[str], found: object) -> None:
        take(cast("tuple[Limit, ...]", found))

    office.also(["limit"], Listener(read=lambda connection, _: read_limits(connection), take=taken), load)


def read_limits(connection: Connection) -> tuple[Limit, ...]:
    """Return all limits there are."""
    # Loaded with the database, and not before.
    from sqlalchemy import select  # noqa: PLC0415

    from narthex.stores.database.schema import limits  # noqa: PLC0415
    from narthex.tenancy.rows import columns_of, records  # noqa: PLC0415

    found = records(connection, select(*columns_of(StoredLimit, limits)), StoredLimit)
    return tuple(one.limit for one in found)


class StoredAlert(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold of a limit that was passed, as a row."""

    id: str
    limit_id: str
    organisation_id: str
    workspace_id: str | None
    percent: int
    used: int
    amount: int
    period_start: int
    at: int
