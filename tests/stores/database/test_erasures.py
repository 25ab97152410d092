"""Names that were erased are held as hashes, and stand for nobody in what had begun before."""

from __future__ import annotations

from sqlalchemy import Connection, select

from narthex.stores.database import Database
from narthex.stores.database.erasures import ErasedNames, Erasure, erasure, note_erased, read_erased
from narthex.stores.database.schema import erasures
from narthex.stores.sealing import Sealer


def test_what_had_begun_ends_without_the_name(sealer: Sealer) -> None:
    """Of the organisation that erased it, or of all; what begins later bears it."""
    names = ErasedNames(sealer)
    assert names.instead("end_user", "ann", 0) == "ann"
    names.adopt([Erasure(names.mark("end_user", "ann", "org_a"), "gone", 100)])
    names.adopt([Erasure(names.mark("key", "k"), "x", 50)])
    assert names.until == 100
    told = [names.instead("end_user", "ann", at, where) for at, where in ((100, "org_a"), (101, "org_a"), (1, "org_b"))]
    assert told == ["gone", "ann", "ann"]
    assert [names.instead("key", "k", at, "org_b") for at in (50, 51)] == ["x", "k"]
    assert names.instead("end_user", "", 1, "org_a") == ""
    assert names.instead("end_user", "k", 1) == "k"


def test_they_are_written_down_once_and_without_the_name(database: Database, sealer: Sealer) -> None:
    """Erased again, until the later time."""
    names = ErasedNames(sealer)
    mark = names.mark("end_user", "ann")

    def write(connection: Connection) -> None:
        note_erased(connection, [])
        for now in (1_000, 2_000):
            note_erased(connection, [erasure(mark, "gone", now)] * 2)

    database.write_now(write)
    (one,) = database.read_now(read_erased)
    assert (one.instead, one.until > 2_000) == ("gone", True)
    assert database.read_now(lambda c: read_erased(c, [mark])) == [one]
    assert database.read_now(lambda c: read_erased(c, ["0"])) == []
    assert "ann" not in str(database.read_now(lambda c: c.execute(select(erasures)).all()))
