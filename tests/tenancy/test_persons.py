"""What is kept of a person is handed out whole, and erased so that nothing tells who they were."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select

from narthex.audit import Actor, Audit
from narthex.audit.checkpoints import Checkpoints, take
from narthex.audit.reading import Filter, entries
from narthex.audit.verifying import verify
from narthex.errors import Conflict, NotFound
from narthex.stores.database import Database
from narthex.stores.database.schema import (
    alerts,
    api_keys,
    invitations,
    ledger_entries,
    limits,
    members,
    persons,
    sessions,
    users,
)
from narthex.stores.sealing import Sealer
from narthex.tenancy.acting import Acting
from narthex.tenancy.limits import NewLimit, create_limit
from narthex.tenancy.organisations import create_organisation, ensure_defaults
from narthex.tenancy.persons import erase, erase_end_user, export_of, traces_of
from narthex.tenancy.users import create_user
from narthex.types.accounts import DEFAULT_ORGANISATION, DEFAULT_WORKSPACE
from narthex.types.limits import Measure, Period, SubjectKind

EMAIL, NAME = "ada.lovelace@example.org", "Ada Lovelace"


def _entry(number: int, end_user: str, user_id: str = "") -> dict[str, object]:
    texts = {column.name: "" for column in ledger_entries.columns if column.type.python_type is str}
    numbers = {column.name: 0 for column in ledger_entries.columns if column.type.python_type in {int, bool}}
    return {**texts, **numbers, "id": f"e{number}", "end_user": end_user, "user_id": user_id, "cost_picousd": number}


class Town:
    """A database with a person in it, who has left traces everywhere."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self.database, self.sealer = database, sealer
        self.audit = Audit("detailed")
        self.audit.attach(database, sealer, writing=False)
        self.acting = Acting(actor=Actor("cli", ""), audit=self.audit, now=1_000)
        self.user_id = database.write_now(self._person)

    def _person(self, connection: Connection) -> str:
        ensure_defaults(connection, self.acting)
        one = create_user(connection, self.acting, organisation_id=DEFAULT_ORGANISATION, name=NAME, email=EMAIL)
        here = {"user_id": one.id, "created_at": 1}
        place = {"workspace_id": DEFAULT_WORKSPACE, "role": "member", "source": "hand", "version": 1}
        connection.execute(insert(members).values(**here, **place))
        session = {"digest": bytes(32), "id": "ses_1", "seen_at": 1, "expires_at": 2, "how": "password"}
        connection.execute(insert(sessions).values(**here, **session, address="203.0.113.7", agent=f"{NAME}'s browser"))
        key = {
            "id": "key_ada",
            "organisation_id": DEFAULT_ORGANISATION,
            "workspace_id": DEFAULT_WORKSPACE,
            "version": 1,
        }
        more = {"shown": "sk", "digest": bytes(32), "scopes": {}, "tags": {"who": NAME}, "priority": "normal"}
        connection.execute(insert(api_keys).values(**here, **key, **more, name=f"key of {NAME}"))
        connection.execute(insert(ledger_entries), [_entry(1, EMAIL, one.id), _entry(2, "other", one.id)])
        actor = Actor("user", one.id)
        self.audit.write(connection, "session.sign_in", actor=actor, target=EMAIL, address="203.0.113.7")
        return one.id

    def erase(self) -> None:
        """Erase the person."""
        self.database.write_now(lambda connection: erase(connection, self.acting, self.user_id, self.sealer))


@pytest.fixture
def town(database: Database, sealer: Sealer) -> Town:
    """One on each kind of database."""
    return Town(database, sealer)


def _everything(database: Database) -> str:
    """Return all rows of all tables as a text."""
    from narthex.stores.database.schema import metadata  # noqa: PLC0415

    def work(connection: Connection) -> str:
        return "\n".join(str(row) for table in metadata.sorted_tables for row in connection.execute(select(table)))

    return database.read_now(work)


def test_an_export_holds_every_trace_and_nothing_that_opens(town: Town) -> None:
    """A file for each table, and a manifest that counts them."""
    with zipfile.ZipFile(io.BytesIO(town.database.read_now(lambda c: export_of(c, town.user_id)))) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        files = {name: archive.read(name).decode().splitlines() for name in archive.namelist()}
    assert manifest["user_id"] == town.user_id
    assert {name: len(files[f"{name}.jsonl"]) for name in manifest["rows"]} == manifest["rows"]
    assert manifest["rows"]["ledger_entries"] == 2
    assert manifest["rows"]["audit_entries"] == 2
    assert json.loads(files["users.jsonl"][0])["email"] == EMAIL
    assert not {"digest", "password_hash", "totp_sealed"} & set(json.loads(files["api_keys.jsonl"][0]))
    with pytest.raises(NotFound):
        town.database.read_now(lambda c: export_of(c, "usr_none"))


def test_nothing_tells_who_an_erased_person_was(town: Town, tmp_path: Path) -> None:
    """In no table; sums and the chain of the log are what they were."""
    assert NAME in _everything(town.database)
    checkpoints = Checkpoints(tmp_path / "away")
    take(town.database, town.sealer, checkpoints, at=1)
    town.erase()
    left = _everything(town.database)
    for trace in (EMAIL, NAME, "Lovelace", "203.0.113.7", "browser"):
        assert trace not in left
    assert town.database.read_now(lambda c: c.scalar(select(func.sum(ledger_entries.c.cost_picousd)))) == 3
    assert verify(town.database, checkpoints).is_whole
    known = select(func.count()).where(persons.c.identity_sealed.is_not(None), persons.c.erased_at.is_not(None))
    assert town.database.read_now(lambda c: c.scalar(known)) == 0
    disabled, revoked = town.database.read_now(
        lambda c: (c.scalar(select(users.c.disabled_at)), c.scalar(select(api_keys.c.revoked_at)))
    )
    assert (disabled, revoked) == (1_000, 1_000)


def test_other_processes_learn_of_it(town: Town) -> None:
    """Of the user, the keys and the memberships."""
    town.erase()
    told = town.database.read_now(lambda c: c.exec_driver_sql("SELECT kind, subject FROM changes").all())
    expected = {("user", town.user_id), ("key", "key_ada"), ("member", f"{DEFAULT_WORKSPACE}/{town.user_id}")}
    assert expected <= {(kind, subject) for kind, subject in told}


def test_the_last_owner_of_a_workspace_is_not_erased(town: Town) -> None:
    """Nobody could look after it; nothing is half done."""

    def own(connection: Connection) -> None:
        connection.execute(members.update().values(role="owner"))

    town.database.write_now(own)
    with pytest.raises(Conflict, match=DEFAULT_WORKSPACE):
        town.erase()
    assert NAME in _everything(town.database)


def test_an_end_user_is_erased_without_changing_a_sum(town: Town) -> None:
    """All rows of one get one pseudonym, and a limit on them ends."""
    columns = {column.name: 1 for column in limits.columns if column.type.python_type in {int, bool}}
    texts = {column.name: "x" for column in limits.columns if column.type.python_type is str}
    limit: dict[str, object] = {**columns, **texts}
    limit |= {"id": "lim_1", "organisation_id": DEFAULT_ORGANISATION, "workspace_id": None}
    limit |= {"subject_kind": "end_user", "subject": "customer-17", "hard": True, "enabled": True, "alert_percents": []}

    def fill(connection: Connection) -> None:
        connection.execute(insert(ledger_entries), [_entry(number, "customer-17") for number in range(10, 15)])
        connection.execute(insert(limits).values(**limit))

    town.database.write_now(fill)
    count = town.database.write_now(lambda c: erase_end_user(c, town.acting, "customer-17", town.sealer))
    assert count == 6
    assert "customer-17" not in _everything(town.database)
    ends = select(ledger_entries.c.end_user, func.count()).group_by(ledger_entries.c.end_user)
    assert sorted(number for _, number in town.database.read_now(lambda c: c.execute(ends).all())) == [1, 1, 5]
    with pytest.raises(NotFound):
        town.database.write_now(lambda c: erase_end_user(c, town.acting, "customer-17", town.sealer))


def test_what_limits_and_the_audit_log_know_of_an_end_user_goes_too(town: Town) -> None:
    """The log has a limit on them under the pseudonym that the ledger gives them; its alerts carry the name."""

    def fill(connection: Connection) -> str:
        wish = NewLimit(
            organisation_id=DEFAULT_ORGANISATION,
            subject_kind=SubjectKind.END_USER,
            subject="customer-17",
            measure=Measure.REQUESTS,
            amount=5,
            period=Period.DAY,
        )
        one = create_limit(connection, town.acting, wish)
        alert = {"limit_id": one.id, "organisation_id": DEFAULT_ORGANISATION, "percent": 50, "used": 1, "amount": 5}
        connection.execute(
            insert(alerts).values(**alert, id=f"{one.id}:0:50:customer-17", period_start=0, at=1, workspace_id=None)
        )
        return one.id

    limit_id = town.database.write_now(fill)
    town.database.write_now(lambda c: erase_end_user(c, town.acting, "customer-17", town.sealer))
    assert "customer-17" not in _everything(town.database)
    told = town.database.read_now(lambda c: entries(c, Filter(target=limit_id), limit=9, sealer=town.sealer))
    assert [one.persons for one in told] == [{}]
    told_on = town.database.read_now(lambda c: c.exec_driver_sql("SELECT kind, subject FROM changes").all())
    assert [subject for kind, subject in told_on if kind == "limit"] == [limit_id, limit_id]


def test_what_others_call_by_the_same_name_is_theirs(town: Town) -> None:
    """Who erases for an organisation reaches no calls, limits, invitations and log lines of another one."""

    def fill(connection: Connection) -> None:
        other = create_organisation(connection, town.acting, slug="other", name="Other")
        here = {"organisation_id": other.id}
        connection.execute(insert(ledger_entries), [{**_entry(20, EMAIL), **here}, {**_entry(21, NAME), **here}])
        days = {"created_at": 1, "expires_at": 2, "created_by": "x", "version": 1, "role": "member"}
        connection.execute(insert(invitations).values(**here, **days, id="inv_1", digest=bytes(32), email=EMAIL))

    town.database.write_now(fill)
    with zipfile.ZipFile(io.BytesIO(town.database.read_now(lambda c: export_of(c, town.user_id)))) as archive:
        assert archive.read("invitations.jsonl") == b""
    owner = replace(town.acting, permissions=frozenset({"privacy:write"}))
    erased = town.database.write_now(lambda c: erase(c, owner, town.user_id, town.sealer))
    assert erased.traces.organisation_id == DEFAULT_ORGANISATION
    names = select(ledger_entries.c.end_user).where(ledger_entries.c.id.in_(["e20", "e21"]))
    assert set(town.database.read_now(lambda c: c.scalars(names).all())) == {EMAIL, NAME}
    assert town.database.read_now(lambda c: c.scalar(select(func.count()).select_from(invitations))) == 1


def test_a_name_that_keys_of_others_bear_tells_of_nobody(town: Town) -> None:
    """Lines of the request log have nothing but the name: those of others stay as they are."""

    def fill(connection: Connection) -> None:
        key = {"organisation_id": DEFAULT_ORGANISATION, "workspace_id": DEFAULT_WORKSPACE, "version": 1}
        more = {"shown": "sk", "scopes": {}, "tags": {}, "priority": "normal", "created_at": 1, "name": "ci"}
        rows = [(b"1" * 32, town.user_id, "key_1"), (b"2" * 32, None, "key_2")]
        for digest, user_id, key_id in rows:
            connection.execute(insert(api_keys).values(**key, **more, digest=digest, user_id=user_id, id=key_id))

    town.database.write_now(fill)
    traces = town.database.read_now(lambda c: traces_of(c, town.acting, town.user_id))
    assert traces.key_names == {f"key of {NAME}"}
    assert traces.known_as == (EMAIL, NAME)


def test_an_erasure_waits_for_what_is_being_written(town: Town) -> None:
    """A row of the audit log that names the person in that moment neither breaks it nor outlives it."""
    entered, done = threading.Event(), threading.Event()

    def noting(connection: Connection) -> None:
        town.audit.write(connection, "user.update", actor=town.acting.actor, details={"user_name": NAME})
        entered.set()
        # PostgreSQL lets the other one begin meanwhile.
        done.wait(0.3)

    with ThreadPoolExecutor(2) as pool:
        noted = pool.submit(town.database.write_now, noting)
        assert entered.wait(10)
        erased = pool.submit(town.erase)
        noted.result()
        erased.result()
    known = select(func.count()).where(persons.c.identity_sealed.is_not(None))
    assert town.database.read_now(lambda c: c.scalar(known)) == 0


def test_alerts_of_two_names_of_one_person_become_one(town: Town) -> None:
    """Their IDs would be the same."""

    def fill(connection: Connection) -> None:
        alert = {"limit_id": "lim_1", "organisation_id": DEFAULT_ORGANISATION, "percent": 50, "used": 1, "amount": 5}
        rows = [{**alert, "id": f"lim_1:0:50:{name}", "period_start": 0, "at": 1} for name in (EMAIL, NAME)]
        connection.execute(insert(alerts), rows)

    town.database.write_now(fill)
    town.erase()
    names = town.database.read_now(lambda c: c.scalars(select(alerts.c.id)).all())
    assert names == [f"lim_1:0:50:{town.user_id}"]
