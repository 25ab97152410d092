"""Whether the ledger is right."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, delete, insert, select, update

from narthex.ledger import verifying
from narthex.ledger.entries import Entry
from narthex.ledger.journal import Journal
from narthex.ledger.periods import HOUR_MS, kept_since
from narthex.ledger.prices import base_id
from narthex.ledger.records import Ended, encode
from narthex.ledger.rows import add_entries
from narthex.ledger.verifying import Finding, Verdict, repair, verify, wrong_hours
from narthex.stores.database import Database
from narthex.stores.database.schema import ledger_entries, organisations, usage_hours, workspaces
from narthex.types.catalog import Price
from tests.ledger.calls import entry

PRICE = Price(input_microusd_per_mtok=1_000, output_microusd_per_mtok=2_000)
COST = 10 * 1_000 + 20 * 2_000
BEGIN = 1_790_000_000_000 // HOUR_MS * HOUR_MS


def _good(database: Database, count: int = 12) -> None:
    def work(connection: Connection) -> None:
        connection.execute(insert(organisations).values(id="org_a", slug="a", name="A", settings={}, created_at=0))
        place = {"id": "ws_a", "organisation_id": "org_a", "slug": "a", "name": "A", "settings": {}, "created_at": 0}
        connection.execute(insert(workspaces).values(**place))
        entries = [
            entry(n, at=BEGIN + n * HOUR_MS // 3, key_id="local", price_id=base_id(PRICE), cost_picousd=COST)
            for n in range(count)
        ]
        add_entries(connection, entries)

    database.write_now(work)


def _verified(database: Database, folder: Path) -> Verdict:
    return verify(database.read_now, folder, [PRICE])


def test_a_ledger_that_is_right_is_told_to_be(database: Database, tmp_path: Path) -> None:
    """With how much it was, to the last picodollar."""
    _good(database)
    verdict = _verified(database, tmp_path / "none")
    assert (verdict.findings, verdict.entries, verdict.hours, verdict.cost_picousd) == ([], 12, 4, 12 * COST)
    assert verdict.not_checked == 0


def test_entries_of_every_kind_are_held_against_their_price(database: Database, tmp_path: Path) -> None:
    """Pictures, sound, and lines of batches with their discount: to the picodollar, and nothing beside it."""
    price = msgspec.structs.replace(
        PRICE,
        input_microusd_per_mtok=1_001,
        request_microusd=7,
        image_microusd=40_000,
        audio_second_microusd=100,
        batch_discount_percent=50,
    )
    whole = 1_001 + 7_000_000 + 2 * 40_000_000_000 + 150_000_000
    plain = entry(0, at=BEGIN, key_id="local", price_id=base_id(price), input_tokens=1, output_tokens=0)
    plain = msgspec.structs.replace(plain, images=2, audio_ms=1_500, operation="image", cost_picousd=whole)
    line = msgspec.structs.replace(plain, id="req_1:0", request_id="req_1", kind="batch", cost_picousd=whole // 2 + 1)
    wrong = msgspec.structs.replace(line, id="req_2:0", request_id="req_2", cost_picousd=whole // 2)
    embedding = msgspec.structs.replace(
        plain, id="req_3:0", request_id="req_3", operation="embed", images=0, audio_ms=0, cost_picousd=7_001_001
    )
    hit = msgspec.structs.replace(
        plain, id="req_4:0", request_id="req_4", kind="cache", price_id="", cost_picousd=0, saved_picousd=whole
    )
    _good(database, 0)
    database.write_now(lambda connection: add_entries(connection, [plain, line, wrong, embedding, hit]))
    verdict = verify(database.read_now, tmp_path, [price])
    assert [(one.check, one.where) for one in verdict.findings] == [("price", "req_2:0")]
    assert verdict.cost_picousd == whole + whole // 2 * 2 + 1 + 7_001_001


def test_sums_outlive_entries_that_are_removed_by_their_age(database: Database, tmp_path: Path) -> None:
    """They are not held against entries that nobody keeps; those of what is kept are."""
    _good(database)
    gone = delete(ledger_entries).where(ledger_entries.c.at < BEGIN + 2 * HOUR_MS)
    database.write_now(lambda connection: connection.execute(gone).rowcount)
    now = BEGIN + 2 * HOUR_MS + 24 * HOUR_MS
    since = kept_since(1, now)
    assert verify(database.read_now, tmp_path / "none", [PRICE], since=since).findings == []
    assert len(wrong_hours(verify(database.read_now, tmp_path / "none", [PRICE], since=kept_since(None, now)))) == 2


_first = ledger_entries.c.id == "req_0:0"


@pytest.mark.parametrize(
    ("damage", "checks"),
    [
        ([update(ledger_entries).where(_first).values(cost_picousd=1)], {"hours", "price"}),
        ([update(ledger_entries).where(_first).values(input_tokens=11)], {"hours", "price"}),
        ([delete(ledger_entries).where(_first)], {"hours"}),
        ([update(usage_hours).values(requests=99)], {"hours"}),
        ([delete(usage_hours)], {"hours"}),
        ([delete(ledger_entries)], {"hours"}),
        ([update(ledger_entries).where(_first).values(key_id="key_x")], {"hours", "names"}),
        ([update(ledger_entries).where(_first).values(price_id="prc_x")], {"price"}),
        ([update(ledger_entries).where(_first).values(price_id="")], {"price", "hours"}),
        ([update(ledger_entries).where(_first).values(attempt=1)], {"attempts"}),
        ([update(ledger_entries).where(_first).values(requests=2)], {"attempts", "hours"}),
    ],
)
def test_whatever_is_changed_is_found(
    database: Database, tmp_path: Path, damage: Sequence[Callable[[], None]], checks: set[str]
) -> None:
    """By the check that it concerns."""
    _good(database)
    for one in damage:
        database.write_now(lambda connection: connection.execute(one))  # type: ignore[call-overload]  # noqa: B023
    assert {finding.check for finding in _verified(database, tmp_path).findings} == checks


def test_sums_are_brought_right_again(database: Database, tmp_path: Path) -> None:
    """Those that are wrong, from the entries."""
    _good(database)
    database.write_now(lambda connection: connection.execute(update(usage_hours).values(cost_picousd=1)).rowcount)
    wrong = wrong_hours(_verified(database, tmp_path))
    assert wrong == [BEGIN + n * HOUR_MS for n in range(4)]
    for hour in wrong:
        database.write_now(lambda connection: repair(connection, hour))  # noqa: B023
    assert _verified(database, tmp_path).findings == []


def test_a_price_that_nobody_knows_any_more_is_told_apart(database: Database, tmp_path: Path) -> None:
    """It is not wrong, and it was not checked."""
    _good(database)
    assert verify(database.read_now, tmp_path, []).not_checked == 12


def test_what_a_journal_has_and_the_database_has_not_is_found(database: Database, tmp_path: Path) -> None:
    """And a journal that was damaged."""
    _good(database)
    journal = Journal(tmp_path)
    journal.append(encode(Ended("req_0", (entry(0),))))
    assert _verified(database, tmp_path).findings == []
    journal.append(encode(Ended("req_99", (entry(99),))))
    (found,) = _verified(database, tmp_path).findings
    assert (found.check, found.where) == ("journal", "req_99:0")
    (path,) = tmp_path.glob("*/*.journal")
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)
    assert [one.check for one in _verified(database, tmp_path).findings] == ["journal"]
    journal.close(remove=True)
    assert Finding("a", "b", "c").says == "c"


def test_what_is_written_meanwhile_is_no_fault(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums and entries are held against each other as of one moment."""
    _good(database)
    read_entries, more = verifying._entries_of, itertools.count(1_000)

    def late(connection: Connection, hour: int) -> Sequence[Entry]:
        one = entry(next(more), at=hour)
        database.write_now(lambda writing: add_entries(writing, [one]))
        return read_entries(connection, hour)

    hours = database.read_now(lambda connection: connection.scalars(select(usage_hours.c.hour).distinct()).all())
    monkeypatch.setattr(verifying, "_entries_of", late)
    monkeypatch.setattr(verifying, "_by_hour", lambda _read: iter([(hour, []) for hour in hours]))
    assert [one for one in _verified(database, tmp_path).findings if one.check == "hours"] == []
