"""Documents to workspaces."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, delete, insert

from narthex.errors import AlreadyExists, AuthenticationFailed, Conflict, PermissionDenied
from narthex.stores.database import Database
from narthex.stores.database.schema import api_keys, limits
from narthex.tenancy.documents import Document, LimitPart, read_document, seal
from narthex.tenancy.exporting import export_workspace
from narthex.tenancy.importing import import_document
from narthex.tenancy.issuing import revoke_key, rotate_key
from narthex.tenancy.keys import KeyMark
from narthex.tenancy.permissions import BUILT_IN
from narthex.tenancy.records import Organisation, Workspace, WorkspaceSettings
from narthex.tenancy.roles import create_role
from narthex.tenancy.scopes import Scopes
from narthex.types.limits import Measure, Period, SubjectKind
from tests.tenancy.towns import NOW, Town

PHRASE = "correct horse battery"
MARK = KeyMark(b"m" * 32)


def furnished(town: Town) -> tuple[Organisation, Workspace, str]:
    """Make a workspace with something of everything; return it with a key that opens."""
    home = town.organisation()
    town.do(create_role, town.by(), organisation_id=home.id, name="auditor", permissions=["audit:read"])
    settings = WorkspaceSettings(default_model="a/b", allowed_models=("a/*",), caching=False, retention_days=7)
    where = town.workspace(home, settings=settings, description="All of it", is_template=True)
    person, _ = town.member(where, "owner"), town.member(where, "auditor")
    plain, key = town.key(
        where, user_id=person.id, tags={"t": "v"}, scopes=Scopes(models=("a/*",)), expires_at=NOW + 10**12
    )
    _, gone = town.key(where, priority="low")
    town.do(revoke_key, town.by(), gone.id)
    for number, subject in enumerate(
        [("workspace", where.id), ("key", key.id), ("member", person.id), ("model", "a/*"), ("end_user", "*")]
    ):
        town.do(limited, where, number, *subject)
    return home, where, plain


def limited(connection: Connection, where: Workspace, number: int, kind: str, subject: str) -> None:
    """Write a limit."""
    row = {"subject_kind": kind, "subject": subject, "measure": "requests", "amount": number, "period": "day"}
    rest = {"window": "calendar", "burst": None, "hard": True, "alert_percents": [80], "enabled": True}
    place = {"id": f"lim_{number}", "organisation_id": where.organisation_id, "workspace_id": where.id}
    connection.execute(insert(limits).values(**place, **row, **rest, created_at=NOW, version=1))


def exported(town: Town, workspace_id: str, passphrase: str | None = None) -> Document:
    """Return a workspace as a document, as it is after it was written and read."""
    document = town.do(export_workspace, town.by(), workspace_id, passphrase=passphrase, marked_by=MARK)
    return read_document(msgspec.json.decode(msgspec.json.encode(document)))


def emptied(connection: Connection) -> None:
    """Take every key away, as on another installation."""
    connection.execute(delete(api_keys))


def of_nobody(document: Document) -> Document:
    """Return a document without the people in it."""
    parts = []
    for part in document.workspaces:
        keys = tuple(msgspec.structs.replace(key, user=None) for key in part.keys)
        parts.append(msgspec.structs.replace(part, members=(), keys=keys, limits=()))
    return msgspec.structs.replace(document, workspaces=tuple(parts))


def test_what_goes_out_comes_in_again(database: Database, tmp_path: Path) -> None:
    """Exported, imported elsewhere and exported again, a document is the same to the letter."""
    town = Town(database)
    _, where, plain = furnished(town)
    document = exported(town, where.id)
    other = Town(Database.open_now(None, data_dir=tmp_path / "other"))
    try:
        target = other.organisation()
        (made,) = other.do(import_document, other.by(), document, organisation_id=target.id, marked_by=MARK)
        assert exported(other, made.id) == document
        # A key that is only known opens nothing, until it is rotated.
        other.keyring = town.keyring
        directory = other.directory()
        with pytest.raises(AuthenticationFailed):
            other.keyring.identify(plain.encode())
        (good,) = [one for one in directory.keys.values() if one.revoked_at is None]
        new, _ = other.do(rotate_key, other.by(), good.id, overlap_s=0, mark=other.keyring.mark_of)
        other.directory()
        assert other.keyring.identify(new.encode()).account.workspace_id == made.id
    finally:
        other.database.close_now()


def test_what_is_sealed_opens_the_same_doors(database: Database) -> None:
    """With the passphrase the same keys open the new workspace; without it, or elsewhere, nothing is done."""
    town = Town(database)
    _, where, plain = furnished(town)
    document, target = exported(town, where.id, PHRASE), town.organisation()
    for passphrase, mark, words in (
        (None, MARK, "say its passphrase"),
        ("another passphrase", MARK, "does not open"),
        (PHRASE, KeyMark(b"x" * 32), "another master key"),
    ):
        with pytest.raises(Conflict, match=words):
            town.do(
                import_document, town.by(), document, organisation_id=target.id, passphrase=passphrase, marked_by=mark
            )
    town.do(emptied)
    target = town.organisation()
    (made,) = town.do(
        import_document, town.by(), of_nobody(document), organisation_id=target.id, passphrase=PHRASE, marked_by=MARK
    )
    town.directory()
    assert town.keyring.identify(plain.encode()).account.workspace_id == made.id


def test_an_import_is_done_whole_or_not_at_all(database: Database) -> None:
    """What cannot be done at its end undoes what was done at its beginning."""
    town = Town(database)
    home, where, _ = furnished(town)
    document = exported(town, where.id)
    before = town.directory()
    with pytest.raises(AlreadyExists, match=where.slug):
        town.do(import_document, town.by(), document, organisation_id=home.id, marked_by=MARK)
    # Persons are of one organisation.
    with pytest.raises(AlreadyExists, match="e-mail"):
        town.do(import_document, town.by(), document, organisation_id=town.organisation().id, marked_by=MARK)
    few = BUILT_IN["member"] | {"workspaces:write"}
    renamed = msgspec.structs.replace(
        document, workspaces=(msgspec.structs.replace(document.workspaces[0], slug="renamed"),)
    )
    with pytest.raises(PermissionDenied):
        town.do(import_document, town.by(few), renamed, organisation_id=home.id, marked_by=MARK)
    after = town.directory()
    assert (after.workspaces, after.keys, after.members, after.roles) == (
        before.workspaces,
        before.keys,
        before.members,
        before.roles,
    )


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"period": "total", "window": "rolling"}, "does not roll"),
        ({"subject_kind": "workspace", "subject": "ws_of_others"}, "there is no workspace"),
        ({"subject_kind": "member", "subject": "#7"}, "not in the document"),
    ],
)
def test_limits_that_could_not_hold_are_not_imported(database: Database, limit: dict[str, object], words: str) -> None:
    """As little as they are made: every server would have to count them."""
    town = Town(database)
    home, where, _ = furnished(town)
    part = of_nobody(exported(town, where.id)).workspaces[0]
    good = LimitPart(
        subject_kind=SubjectKind.WORKSPACE, subject="#", measure=Measure.REQUESTS, amount=1, period=Period.DAY,
        window="calendar", hard=True, alert_percents=(), enabled=True,
    )  # fmt: skip
    bad = msgspec.convert({**msgspec.to_builtins(good), **limit}, LimitPart)
    document = Document(workspaces=(msgspec.structs.replace(part, slug="new", keys=(), limits=(good, bad)),))
    with pytest.raises(Conflict, match=words):
        town.do(import_document, town.by(), document, organisation_id=home.id, marked_by=MARK)
    assert all(one.slug != "new" for one in town.directory().workspaces.values())


def test_who_makes_workspaces_alone_imports_nothing_else(database: Database) -> None:
    """Keys, members and limits in a document are made by those who may make them."""
    town = Town(database)
    home, where, _ = furnished(town)
    part = of_nobody(exported(town, where.id)).workspaces[0]
    document = Document(workspaces=(msgspec.structs.replace(part, slug="new"),))
    few = frozenset({"workspaces:write", "models:call"})
    with pytest.raises(PermissionDenied, match="keys:write"):
        town.do(import_document, town.by(few), document, organisation_id=home.id, marked_by=MARK)


@pytest.mark.parametrize(
    "hidden", [b"{", b"[]", b'{"by": "?", "digests": []}', b'{"by": "", "digests": ["QQ==", "QQ=="]}']
)
def test_what_others_sealed_is_told_as_that(database: Database, hidden: bytes) -> None:
    """A passphrase that opens it does not make it a document of ours."""
    town = Town(database)
    home, where, _ = furnished(town)
    document = msgspec.structs.replace(of_nobody(exported(town, where.id)), sealed=seal(hidden, PHRASE))
    with pytest.raises(Conflict, match="sealed"):
        town.do(import_document, town.by(), document, organisation_id=home.id, passphrase=PHRASE, marked_by=MARK)


def test_a_workspace_begins_with_its_template(database: Database) -> None:
    """Of the same document, where it says nothing of its own."""
    town = Town(database)
    home = town.organisation()
    workspaces = [
        {"slug": "shop", "name": "Shop", "template": "base"},
        {"slug": "base", "name": "Base", "settings": {"default_model": "a/b"}, "is_template": True},
    ]
    document = read_document({"format": "narthex.workspaces", "version": 1, "workspaces": workspaces})
    shop, base = town.do(import_document, town.by(), document, organisation_id=home.id, marked_by=MARK)
    assert (shop.slug, base.slug) == ("shop", "base")
    assert shop.settings == base.settings == WorkspaceSettings(default_model="a/b")
