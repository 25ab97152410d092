"""Names of persons who were erased, held as keyed hashes: what was under way then ends without their names.

A call that began before, and an entry that a process which was killed has left behind, come to be written later.
Whoever writes them asks here what stands for a name. Calls that begin afterwards are somebody's who has come anew.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from narthex.stores.sealing import Sealer

Kind = Literal["end_user", "key", "actor"]
"""Of a name: what calls carry as `user`, the name of a key, or the ID of whoever acts."""

DAY_MS: Final = 86_400_000
"""No call lasts longer."""
_MARGIN_MS: Final = 60_000
"""Clocks of several machines are not the same, and erasing takes its time."""


class Erasure(NamedTuple):
    """What stands for a name."""

    mark: str
    instead: str
    until: int
    """For what began until then, in milliseconds of Unix time."""


class ErasedNames:
    """What stands for names, as far as it was read from the database.

    Attributes:
        until: Nothing that began later concerns anybody who was erased, in milliseconds of Unix time.
    """

    def __init__(self, sealer: Sealer, erasures: Iterable[Erasure] = ()) -> None:
        """Take what names are hashed with, and who was erased."""
        self._key = sealer.mac_key("erased names")
        self._known: dict[str, Erasure] = {}
        self.until = 0
        self.adopt(erasures)

    def adopt(self, erasures: Iterable[Erasure]) -> None:
        """Go by these too from now on."""
        self._known |= {one.mark: one for one in erasures}
        self.until = max((one.until for one in self._known.values()), default=0)

    def mark(self, kind: Kind, name: str, organisation_id: str = "") -> str:
        """Return what a name is held as: of one organisation, or of all."""
        message = f"{kind}\0{organisation_id}\0{name}".encode("utf-8", "replace")
        return hmac.digest(self._key, message, "sha256").hex()

    def marks(self, kind: Kind, name: str, organisation_id: str = "") -> set[str]:
        """Return what a name in an organisation may be held as."""
        return {self.mark(kind, name), self.mark(kind, name, organisation_id)}

    def instead(self, kind: Kind, name: str, at: int, organisation_id: str = "") -> str:
        """Return what is to be written for a name: the name, unless it was erased.

        Args:
            kind: What it is a name of.
            name: The name.
            at: When that began which it is written for, in milliseconds of Unix time.
            organisation_id: Where.
        """
        if not name or at > self.until:
            return name
        for mark in self.marks(kind, name, organisation_id):
            known = self._known.get(mark)
            if known is not None and at <= known.until:
                return known.instead
        return name


def note_erased(connection: Connection, erasures: Sequence[Erasure]) -> None:
    """Hold names as erased, within the transaction that erases them; of those held already until the later time."""
    from sqlalchemy import delete, insert  # noqa: PLC0415 - loaded with the database

    from narthex.stores.database.schema import erasures as table  # noqa: PLC0415 - as above

    if erasures:
        connection.execute(delete(table).where(table.c.mark.in_([one.mark for one in erasures])))
        connection.execute(insert(table), [one._asdict() for one in {one.mark: one for one in erasures}.values()])


def erasure(mark: str, instead: str, now: int) -> Erasure:
    """Return what is held of a name that is erased now."""
    return Erasure(mark, instead, now + _MARGIN_MS)


def read_erased(connection: Connection, marks: Iterable[str] | None = None) -> list[Erasure]:
    """Return what is held of names that were erased: of all, or of these."""
    from sqlalchemy import select  # noqa: PLC0415 - as above

    from narthex.stores.database.schema import erasures as table  # noqa: PLC0415 - as above

    query = select(table.c.mark, table.c.instead, table.c.until)
    if marks is not None:
        query = query.where(table.c.mark.in_(sorted(marks)))
    return [Erasure(*row) for row in connection.execute(query).all()]
