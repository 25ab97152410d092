"""What is kept of a person: handed out whole, and erased.

Rows of the ledger and of the audit log stay: the first hold sums, the second a chain of hashes. Who is meant by them is
gone: IDs of users are pseudonyms, behind which nobody stands any more.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    LargeBinary,
    Table,
    and_,
    delete,
    func,
    or_,
    select,
    true,
    update,
)

from narthex.audit.personal import Kind, Pseudonyms
from narthex.errors import NotFound
from narthex.stores.database import exclusively
from narthex.stores.database.erasures import ErasedNames, Erasure, erasure, note_erased
from narthex.stores.database.schema import (
    alerts,
    api_keys,
    audit_entries,
    invitations,
    ledger_entries,
    limits,
    members,
    organisations,
    persons,
    sessions,
    usage_hours,
    users,
)
from narthex.tenancy.sign_in.session_rows import end_sessions
from narthex.tenancy.users import leave_owners, user

if TYPE_CHECKING:
    from narthex.stores.sealing import Sealer
    from narthex.tenancy.acting import Acting
    from narthex.tenancy.records import User

ERASED: Final = "erased"
"""What stands for a name that was erased."""
_KINDS: Final[tuple[Kind, ...]] = ("email", "name", "account")
"""As what somebody may stand in the audit log."""
_Known = tuple[Kind, str, str]
"""As what, under which name, and in which organisation."""
_GROUP: Final = 1_000
"""Rows that are read at once."""
_ID_CHARACTERS: Final = 200
"""Length of an alert's ID, at most."""


class Traces(NamedTuple):
    """By what a person is found outside the database; once they are erased nobody knows it any more."""

    key_names: frozenset[str]
    """Names of keys of theirs and of nobody else, under which lines of the request log stand."""
    known_as: tuple[str, ...]
    """Their names and addresses, which calls may carry as that of their end user."""
    organisation_id: str | None
    """Of whose calls; None for all of the installation."""


class Erased(NamedTuple):
    """What became of a person's data."""

    user_id: str
    traces: Traces
    rows: Mapping[str, int]
    """How many rows of each table were changed or deleted."""


def export_of(connection: Connection, user_id: str, beside: Mapping[str, Sequence[str]] | None = None) -> bytes:
    """Return all that is kept of a user, as a ZIP file: a file of lines in JSON for each table, and a manifest.

    Args:
        connection: To the database.
        user_id: Who.
        beside: Lines of what is kept of them outside the database, by names.

    Nothing in it opens anything: hashes of passwords and keys, and what is sealed, are left out.

    Raises:
        NotFound: There is no such user.
    """
    about = user(connection, user_id)
    file, counts = io.BytesIO(), dict[str, int]()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for table, where in _places(about):
            columns = [column for column in table.c if _is_told(table, column.name, column.type)]
            found = connection.execution_options(yield_per=_GROUP).execute(select(*columns).where(where)).mappings()
            counts[table.name] = 0
            # Line by line: somebody may have made a million calls.
            with archive.open(f"{table.name}.jsonl", "w", force_zip64=True) as lines:
                for row in found:
                    lines.write(json.dumps(dict(row), ensure_ascii=False).encode() + b"\n")
                    counts[table.name] += 1
        for name, kept in (beside or {}).items():
            counts[name] = len(kept)
            archive.writestr(f"{name}.jsonl", "".join(f"{line}\n" for line in kept))
        manifest = {"narthex_export": 1, "user_id": user_id, "rows": counts}
        archive.writestr("manifest.json", json.dumps(manifest, indent=2) + "\n")
    return file.getvalue()


def traces_of(connection: Connection, acting: Acting, user_id: str) -> Traces:
    """Return by what a person is found outside the database, if they may be erased.

    Whoever may not do everything reaches calls of the person's organisation alone: a name is given to anybody, and what
    others call so is theirs.

    Raises:
        Conflict: They are the last owner of their organisation or of a workspace.
        NotFound: There is no such user.
    """
    about = user(connection, user_id)
    leave_owners(connection, about, {"disabled_at": acting.now})
    theirs = set(connection.scalars(select(api_keys.c.name).where(api_keys.c.user_id == user_id)))
    others = or_(api_keys.c.user_id.is_(None), api_keys.c.user_id != user_id)
    shared = connection.scalars(select(api_keys.c.name).where(api_keys.c.name.in_(sorted(theirs)), others))
    known_as = tuple(name for name in (about.email, about.name) if name)
    everywhere = acting.permissions is None
    return Traces(frozenset(theirs.difference(shared)), known_as, None if everywhere else about.organisation_id)


def erase(connection: Connection, acting: Acting, user_id: str, sealer: Sealer) -> Erased:
    """Erase a person from the database, in one transaction: they act no more, and nothing tells who they were.

    Raises:
        Conflict: They are the last owner of their organisation or of a workspace.
        NotFound: There is no such user.
    """
    about, traces = user(connection, user_id), traces_of(connection, acting, user_id)
    keys = connection.execute(select(api_keys.c.id, api_keys.c.name).where(api_keys.c.user_id == user_id)).all()
    actors = [user_id, *(one.id for one in keys)]
    named = _known_in(connection, about, traces, [one.name for one in keys])
    places = connection.scalars(select(members.c.workspace_id).where(members.c.user_id == user_id)).all()
    _tell_all(connection, acting, user_id, keys=[key_id for key_id, _ in keys], places=places)
    rows = {
        "sessions": end_sessions(connection, acting, user_id),
        "members": connection.execute(delete(members).where(members.c.user_id == user_id)).rowcount,
        "invitations": connection.execute(delete(invitations).where(_invites(about))).rowcount,
        "api_keys": _end_keys(connection, acting, user_id),
        "ledger_entries": _rename_end_users(connection, traces, ERASED),
        "limits": _rename_limits(connection, acting, traces, user_id),
        "alerts": _rename_alerts(connection, traces, user_id),
        "users": _empty_user(connection, acting, user_id),
        "persons": _erase_pseudonyms(connection, acting, sealer, named, actors=actors),
    }
    note_erased(connection, _held(sealer, acting, traces, ERASED, actors=actors))
    acting.note(
        connection, "privacy.erase", target=user_id, organisation_id=about.organisation_id, details={"rows": rows}
    )
    return Erased(user_id, traces, rows)


def _tell_all(
    connection: Connection, acting: Acting, user_id: str, *, keys: Sequence[str], places: Sequence[str]
) -> None:
    acting.changed(connection, "user", user_id)
    acting.changed(connection, "erasure", user_id)
    for key_id in keys:
        acting.changed(connection, "key", key_id)
    for workspace_id in places:
        acting.changed(connection, "member", f"{workspace_id}/{user_id}")


def pseudonym_of(end_user: str, sealer: Sealer) -> str:
    """Return what stands for an end user who was erased."""
    return Pseudonyms(sealer).of("account", end_user, kept=False)


def hold_end_user(connection: Connection, acting: Acting, end_user: str, sealer: Sealer) -> None:
    """Have calls of an end user that are under way end without the name, whether or not anything is kept of it yet."""
    pseudonym = pseudonym_of(end_user, sealer)
    note_erased(connection, _held(sealer, acting, Traces(frozenset(), (end_user,), None), pseudonym))
    acting.changed(connection, "erasure", pseudonym)


def erase_end_user(connection: Connection, acting: Acting, end_user: str, sealer: Sealer, *, beside: int = 0) -> int:
    """Have nothing tell any more who an end user was, without changing a sum; return how many rows named them.

    All rows get one pseudonym, so that they still count as one.

    Args:
        connection: In a transaction.
        acting: Who erases.
        end_user: The name that calls carry.
        sealer: Makes the pseudonym.
        beside: How many places outside the database named them.

    Raises:
        NotFound: Nothing is kept of them.
    """
    pseudonym, traces = pseudonym_of(end_user, sealer), Traces(frozenset(), (end_user,), None)
    acting.changed(connection, "erasure", pseudonym)
    count = beside + _rename_end_users(connection, traces, pseudonym)
    count += _rename_limits(connection, acting, traces, pseudonym) + _rename_alerts(connection, traces, pseudonym)
    everywhere: list[_Known] = [(kind, end_user, where) for kind in _KINDS for where in _organisations(connection)]
    count += _erase_pseudonyms(connection, acting, sealer, everywhere)
    if not count:
        raise NotFound("nothing is kept of an end user of this name")
    acting.note(connection, "privacy.erase", target=pseudonym, organisation_id="", details={"rows": count})
    return count


def erase_again(connection: Connection, traces: Traces, instead: str) -> int:
    """Rename what others were just writing while a person was erased; return how many rows."""
    return _rename_end_users(connection, traces, instead) + _rename_alerts(connection, traces, instead)


def _held(sealer: Sealer, acting: Acting, traces: Traces, instead: str, *, actors: Sequence[str] = ()) -> list[Erasure]:
    """Return what is held of somebody's names, for what is written of them when calls under way end."""
    names, where = ErasedNames(sealer), traces.organisation_id or ""
    marks = [names.mark("end_user", name, where) for name in traces.known_as]
    marks += [names.mark("key", name) for name in traces.key_names]
    marks += [names.mark("actor", name) for name in actors]
    return [erasure(mark, instead, acting.now) for mark in marks]


def _organisations(connection: Connection) -> list[str]:
    """Return all there are, and what stands for none."""
    return ["", *connection.scalars(select(organisations.c.id))]


def _known_in(connection: Connection, about: User, traces: Traces, keys: Sequence[str]) -> list[_Known]:
    """Return by what a person is known in the audit log, and in which organisation.

    An address is one person's everywhere; a name, that of a key too, is given to others elsewhere.
    """
    is_everywhere = traces.organisation_id is None
    home = ["", about.organisation_id] if is_everywhere else [about.organisation_id]
    names = ((name, where) for name in (about.name, *keys) for where in home)
    found: list[_Known] = [(kind, name, where) for name, where in names for kind in _KINDS]
    if about.email:
        reached = _organisations(connection) if is_everywhere else ["", about.organisation_id]
        by_address: list[_Known] = [(kind, about.email, where) for kind in _KINDS for where in reached]
        found += by_address
    return found


def _places(about: User) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """Yield the tables that hold something of a user, with which of the rows."""
    user_id = about.id
    for table, column in (
        (users, users.c.id),
        (members, members.c.user_id),
        (api_keys, api_keys.c.user_id),
        (sessions, sessions.c.user_id),
        (ledger_entries, ledger_entries.c.user_id),
        (usage_hours, usage_hours.c.user_id),
    ):
        yield table, column == user_id
    yield audit_entries, or_(audit_entries.c.actor == user_id, audit_entries.c.target == user_id)
    yield invitations, _invites(about)


def _invites(about: User) -> ColumnElement[bool]:
    """Return which invitations are theirs: whom another organisation invites is that one's business."""
    return and_(invitations.c.email == about.email, invitations.c.organisation_id == about.organisation_id)


def _is_told(table: Table, name: str, kind: object) -> bool:
    return not isinstance(kind, LargeBinary) and (table.name, name) not in {
        ("users", "password_hash"),
        ("users", "recovery_hashes"),
    }


def _erase_pseudonyms(
    connection: Connection, acting: Acting, sealer: Sealer, known: Sequence[_Known], *, actors: Sequence[str] = ()
) -> int:
    """Have nobody stand behind the pseudonyms that somebody has in the audit log, nor, of users, behind those to come.

    Args:
        connection: In a transaction.
        acting: Who erases.
        sealer: Makes pseudonyms.
        known: By what they are known, and where.
        actors: The IDs under which a user has acted; none for end users.
    """
    # Nobody else writes who is behind a pseudonym until this is done.
    exclusively(connection, "audit")
    pseudonyms = Pseudonyms(sealer)
    named = {pseudonyms.of(kind, who, organisation_id=where, at=acting.now) for kind, who, where in known if who}
    if actors:
        addresses = select(audit_entries.c.address).where(audit_entries.c.actor.in_(actors)).distinct()
        named |= {address for address in connection.scalars(addresses) if address}
        # Those that were never met are kept as erased, so that a later row does not bring them back.
        pseudonyms.keep(connection)
    changed = update(persons).where(persons.c.pseudonym.in_(sorted(named)), persons.c.identity_sealed.is_not(None))
    return connection.execute(changed.values(identity_sealed=None, erased_at=acting.now)).rowcount


def _end_keys(connection: Connection, acting: Acting, user_id: str) -> int:
    ended = func.coalesce(api_keys.c.revoked_at, acting.now)
    values = {"name": ERASED, "tags": {}, "revoked_at": ended, "version": api_keys.c.version + 1}
    return connection.execute(update(api_keys).where(api_keys.c.user_id == user_id).values(values)).rowcount


_ALSO_EMPTY: Final = ("current_workspace_id", "last_sign_in_at", "recovery_hashes")


def _empty_user(connection: Connection, acting: Acting, user_id: str) -> int:
    empty = {"email", "password_hash", "totp_sealed", "totp_confirmed_at", "totp_last_step", "issuer", "subject"}
    known = {"name": ERASED, "disabled_at": acting.now, "version": users.c.version + 1}
    values: dict[str, object] = {**dict.fromkeys([*empty, *_ALSO_EMPTY]), **known}
    return connection.execute(update(users).where(users.c.id == user_id).values(values)).rowcount


def _of(table: Table, traces: Traces) -> ColumnElement[bool]:
    """Return which rows of a table an erasure reaches."""
    return true() if traces.organisation_id is None else table.c.organisation_id == traces.organisation_id


def _rename_end_users(connection: Connection, traces: Traces, instead: str) -> int:
    named = ledger_entries.c.end_user.in_(traces.known_as)
    changed = update(ledger_entries).where(named, _of(ledger_entries, traces))
    return connection.execute(changed.values(end_user=instead)).rowcount


def _rename_limits(connection: Connection, acting: Acting, traces: Traces, instead: str) -> int:
    """End the limits on an end user."""
    where = limits.c.subject_kind == "end_user", limits.c.subject.in_(traces.known_as), _of(limits, traces)
    named = connection.scalars(select(limits.c.id).where(*where)).all()
    if named:
        connection.execute(update(limits).where(limits.c.id.in_(named)).values(subject=instead, enabled=False))
        acting.changed(connection, "limit", *named)
    return len(named)


def _rename_alerts(connection: Connection, traces: Traces, instead: str) -> int:
    """Take an end user out of the IDs of alerts, which end in whose use was counted."""
    count = 0
    for name in traces.known_as:
        where = alerts.c.id.endswith(f":{name}", autoescape=True), _of(alerts, traces)
        for known in connection.scalars(select(alerts.c.id).where(*where)).all():
            new = f"{known.removesuffix(name)}{instead}"[:_ID_CHARACTERS]
            # Of two names of one person there may be one each.
            is_there = connection.scalar(select(alerts.c.id).where(alerts.c.id == new)) is not None
            changed = delete(alerts) if is_there else update(alerts).values(id=new)
            count += connection.execute(changed.where(alerts.c.id == known)).rowcount
    return count
