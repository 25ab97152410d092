"""A backup of either database restores into either, all or nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, func, insert, inspect, select, text

from narthex.errors import BackupUnusable, SchemaNewer, StoreCorrupt, StoreUnavailable
from narthex.stores.database import Database, DatabaseOptions, copying
from narthex.stores.database.addresses import address_of
from narthex.stores.database.backups import ColumnEntry, Manifest, Row, new_backup, read_backup
from narthex.stores.database.copying import back_up, restore
from narthex.stores.database.schema import changes, facts, members, metadata
from scripts.migration import RELEASED
from tests.stores.database.filling import ROWS, fill
from tests.stores.databases import doing, load_dump

OPTIONS = DatabaseOptions()


def _restore(url: str, path: Path, *, force: bool = False) -> Manifest:
    return restore(address_of(url, data_dir=path.parent), OPTIONS, path, force=force)


def _contents(path: Path) -> dict[str, list[Row]]:
    with read_backup(path) as backup:
        return {table.name: sorted(backup.rows(table), key=repr) for table in backup.manifest.tables}


def _copied(url: str, path: Path) -> None:
    database = Database.open_now(url, data_dir=path.parent)
    back_up(database, path)
    database.close_now()


def test_a_round_trip_changes_nothing(new_database_url: Callable[[str], str], tmp_path: Path) -> None:
    """From SQLite to PostgreSQL and back, every value of every table is the same."""
    first, second, third = (new_database_url(kind) for kind in ("sqlite", "postgresql", "sqlite"))
    database = Database.open_now(first, data_dir=tmp_path)
    database.write_now(fill)
    database.close_now()
    paths = [tmp_path / f"{name}.nxb" for name in "abc"]
    _copied(first, paths[0])
    assert _restore(second, paths[0]).rows == ROWS * len(metadata.tables)
    _copied(second, paths[1])
    _restore(third, paths[1])
    _copied(third, paths[2])
    contents = [_contents(path) for path in paths]
    assert contents[0] == contents[1] == contents[2]
    assert {len(rows) for rows in contents[0].values()} == {ROWS}


def test_a_restored_database_can_be_used(kind: str, new_database_url: Callable[[str], str], tmp_path: Path) -> None:
    """What counts by itself goes on after the last row, and what belongs together still does."""
    source = Database.open_now(None, data_dir=tmp_path)
    source.write_now(doing(insert(changes), [{"kind": "key", "subject": "a", "at": 1}] * 5))
    back_up(source, tmp_path / "a.nxb")
    source.close_now()
    url = new_database_url(kind)
    _restore(url, tmp_path / "a.nxb")
    database = Database.open_now(url, data_dir=tmp_path)
    database.write_now(doing(insert(changes).values(kind="key", subject="b", at=2)))
    assert database.read_now(lambda c: list(c.scalars(select(changes.c.seq).order_by("seq")))) == [1, 2, 3, 4, 5, 6]
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        database.write_now(doing(insert(members).values(workspace_id="a", user_id="b", role="c", created_at=1)))
    database.close_now()


def test_a_backup_is_of_one_moment(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written while it is made is not in it, though others write on."""
    database.write_now(doing(insert(facts).values(name="before", value=1)))
    rows = copying._rows
    asked: list[str] = []

    def disturbed(connection: Connection, table: object) -> object:
        if not asked:
            asked.append("once")
            connection.execute(select(func.count()).select_from(facts)).all()
            write = doing(insert(facts).values(name="while", value=1))
            writer = threading.Thread(target=database.write_now, args=(write,))
            writer.start()
            writer.join()
        return rows(connection, table)  # type: ignore[arg-type]

    monkeypatch.setattr(copying, "_rows", disturbed)
    back_up(database, tmp_path / "a.nxb")
    assert [row[0] for row in _contents(tmp_path / "a.nxb")["facts"]] == ["before"]
    assert database.read_now(lambda c: c.scalar(select(func.count()).select_from(facts))) == 2


def test_what_is_there_is_not_overwritten_by_chance(database_url: str, tmp_path: Path) -> None:
    """Only with `force`, and then nothing of it stays."""
    database = Database.open_now(database_url, data_dir=tmp_path)
    back_up(database, tmp_path / "a.nxb")
    database.write_now(fill)
    database.close_now()
    with pytest.raises(BackupUnusable, match=r"not empty.*--force"):
        _restore(database_url, tmp_path / "a.nxb")
    _restore(database_url, tmp_path / "a.nxb", force=True)
    _copied(database_url, tmp_path / "b.nxb")
    assert all(rows == [] for rows in _contents(tmp_path / "b.nxb").values())


def _write(path: Path, schema: str, rows: list[Row], *, columns: tuple[str, ...] = ("name", "value")) -> None:
    with new_backup(path, force=True) as writer:
        writer.table("facts", tuple(ColumnEntry(name=name) for name in columns), rows)
        writer.finish(version="9.9", schema=schema, database="sqlite")


def test_what_cannot_be_restored_changes_nothing(database_url: str, tmp_path: Path) -> None:
    """A newer schema, a damaged file, unknown columns, rows that break off: the database stays as it was."""
    path = tmp_path / "a.nxb"
    database = Database.open_now(database_url, data_dir=tmp_path)
    database.write_now(doing(insert(facts).values(name="there", value=1)))
    cases: list[tuple[str, list[Row], tuple[str, ...], type[Exception], str]] = [
        ("0099", [], ("name", "value"), SchemaNewer, "install Narthex 9.9"),
        ("0001", [], ("name", "nonsense"), BackupUnusable, "columns of 'facts'"),
        ("0001", [("a", "1"), ("b",)], ("name", "value"), BackupUnusable, "values for 2 columns"),
        ("0001", [("a", "1"), ("a", "2")], ("name", "value"), Exception, "(?i)unique"),
    ]
    for schema, rows, columns, error, said in cases:
        _write(path, schema, rows, columns=columns)
        with pytest.raises(error, match=said):
            _restore(database_url, path, force=True)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(BackupUnusable, match="damaged"):
        _restore(database_url, path, force=True)
    assert database.read_now(lambda c: list(c.scalars(select(facts.c.name)))) == ["there"]
    database.close_now()


def test_what_postgresql_does_not_take_is_named(new_database_url: Callable[[str], str], tmp_path: Path) -> None:
    """SQLite takes texts that are too long; PostgreSQL says which table holds one."""
    _write(tmp_path / "a.nxb", "0001", [("x" * 65, "1")])
    _restore(new_database_url("sqlite"), tmp_path / "a.nxb")
    with pytest.raises(BackupUnusable, match=r"too long.*COPY facts"):
        _restore(new_database_url("postgresql"), tmp_path / "a.nxb")


def test_orphans_are_not_restored(tmp_path: Path) -> None:
    """SQLite takes rows in any order, and looks at the end whether they belong together."""
    source = Database.open_now(None, data_dir=tmp_path)
    source.write_now(fill)
    back_up(source, tmp_path / "a.nxb")
    source.close_now()
    with read_backup(tmp_path / "a.nxb") as backup, new_backup(tmp_path / "b.nxb", force=True) as writer:
        for table in backup.manifest.tables:
            if table.name != "organisations":
                writer.table(table.name, table.columns, backup.rows(table))
        writer.finish(version="1", schema=backup.manifest.schema, database="sqlite")
    with pytest.raises(StoreCorrupt, match="'organisations' not there"):
        _restore(f"sqlite:///{tmp_path / 'new.db'}", tmp_path / "b.nxb")


def test_only_a_database_of_this_schema_is_backed_up(kind: str, empty_url: str, tmp_path: Path) -> None:
    """An older one is to be brought up before, a newer one needs a newer version."""
    load_dump(empty_url, RELEASED / f"0001.{kind}.sql")
    for version, error in (("0000", SchemaNewer), ("0099", SchemaNewer)):
        database = Database.open_now(empty_url, data_dir=tmp_path, migrate=False)
        database.write_now(doing(text(f"UPDATE alembic_version SET version_num = '{version}'")))  # noqa: S608
        with pytest.raises(error):
            back_up(database, tmp_path / "a.nxb")
        database.close_now()
    assert not (tmp_path / "a.nxb").exists()


def test_the_manifest_says_what_it_is(database: Database, tmp_path: Path) -> None:
    """Version, schema, kind and time are in it, for people to read."""
    manifest = back_up(database, tmp_path / "a.nxb")
    with read_backup(tmp_path / "a.nxb") as backup:
        assert backup.manifest == manifest
    assert (manifest.database, manifest.format) == (database.address.kind, 1)
    assert set(msgspec.to_builtins(manifest)) >= {"narthex", "schema", "created_at", "tables"}


def test_a_restored_file_is_for_its_user_alone(tmp_path: Path) -> None:
    """Also in a folder that is not there yet: it holds hashes of passwords and keys."""
    _write(tmp_path / "a.nxb", "0001", [])
    before = os.umask(0o022)
    try:
        _restore(f"sqlite:///{tmp_path / 'new' / 'main.db'}", tmp_path / "a.nxb")
    finally:
        os.umask(before)
    assert (tmp_path / "new" / "main.db").stat().st_mode & 0o777 == 0o600


def _garbage(path: Path) -> None:
    path.write_bytes(b"garbage" * 1_000)


def _damaged_inside(path: Path) -> None:
    Database.open_now(f"sqlite:///{path}", data_dir=path.parent).close_now()
    data = bytearray(path.read_bytes())
    data[3 * 4_096 : 9 * 4_096] = b"\xff" * (6 * 4_096)
    path.write_bytes(data)


def _newer(path: Path) -> None:
    database = Database.open_now(f"sqlite:///{path}", data_dir=path.parent)
    database.write_now(doing("UPDATE alembic_version SET version_num = '0099'"))
    database.write_now(doing("CREATE TABLE newer (organisation_id VARCHAR REFERENCES organisations (id))"))
    database.close_now()


@pytest.mark.parametrize(("unfit", "said"), [(_garbage, "no SQLite"), (_damaged_inside, "damaged"), (_newer, "0099")])
def test_a_file_that_cannot_be_used_is_put_aside(unfit: Callable[[Path], None], said: str, tmp_path: Path) -> None:
    """What the errors advise works: with `--force` it is renamed as a whole, and a new one made."""
    path = tmp_path / "main.db"
    unfit(path)
    octets = path.read_bytes()
    _write(tmp_path / "a.nxb", "0001", [("there", "1")])
    with pytest.raises(StoreUnavailable, match=said):
        _restore(f"sqlite:///{path}", tmp_path / "a.nxb")
    assert path.read_bytes() == octets
    _restore(f"sqlite:///{path}", tmp_path / "a.nxb", force=True)
    database = Database.open_now(f"sqlite:///{path}", data_dir=tmp_path)
    assert database.read_now(lambda c: list(c.scalars(select(facts.c.name)))) == ["there"]
    assert database.read_now(lambda c: inspect(c).has_table("newer")) is False
    database.close_now()
    (aside,) = tmp_path.glob("main.db.2*")
    assert aside.read_bytes() == octets


def test_a_newer_database_of_a_server_is_left_as_it_is(new_database_url: Callable[[str], str], tmp_path: Path) -> None:
    """Which of its tables would have to go is not known here."""
    url = new_database_url("postgresql")
    database = Database.open_now(url, data_dir=tmp_path)
    database.write_now(doing("UPDATE alembic_version SET version_num = '0099'"))
    _write(tmp_path / "a.nxb", "0001", [])
    for force in (False, True):
        with pytest.raises(SchemaNewer, match="into an empty database"):
            _restore(url, tmp_path / "a.nxb", force=force)
    database.close_now()
