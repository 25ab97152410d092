"""Workspaces to documents."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import cast

import msgspec
from sqlalchemy import Connection, select

from narthex.stores.database.schema import api_keys, limits, members, roles, users
from narthex.tenancy.acting import Acting
from narthex.tenancy.documents import Document, KeyPart, LimitPart, MemberPart, RolePart, WorkspacePart, seal
from narthex.tenancy.keys import KeyMark
from narthex.tenancy.permissions import BUILT_IN
from narthex.tenancy.records import VirtualKey, Workspace
from narthex.tenancy.rows import columns_of, records
from narthex.tenancy.workspaces import workspace


def export_workspace(
    connection: Connection, acting: Acting, workspace_id: str, *, passphrase: str | None = None, marked_by: KeyMark
) -> Document:
    """Return a workspace as a document.

    Args:
        connection: In the transaction.
        acting: Who exports.
        workspace_id: Which one.
        passphrase: What the keys' hashes are sealed under; by default they are left out.
        marked_by: Tells apart installations that hash keys differently.

    Raises:
        InvalidRequest: The passphrase is too short.
    """
    about = workspace(connection, workspace_id)
    people, who = _members(connection, about)
    held = _keys(connection, about)
    places = {key.id: place for place, key in enumerate(held)}
    part = WorkspacePart(
        slug=about.slug,
        name=about.name,
        description=about.description,
        is_template=about.is_template,
        settings=about.settings,
        members=tuple(who.values()),
        keys=tuple(_key_part(key, people) for key in held),
        limits=_limits(connection, about, people, places),
    )
    _note(connection, acting, about, sealed=passphrase is not None)
    return Document(
        roles=_roles(connection, about, {member.role for member in who.values()}),
        workspaces=(part,),
        sealed=None if passphrase is None else _sealed(held, passphrase, marked_by),
    )


def _sealed(keys: Sequence[VirtualKey], passphrase: str, marked_by: KeyMark) -> str:
    hidden = {"by": _text(marked_by), "digests": [_text(key.digest) for key in keys]}
    return seal(msgspec.json.encode(hidden), passphrase)


def _note(connection: Connection, acting: Acting, about: Workspace, *, sealed: bool) -> None:
    home = about.organisation_id
    acting.note(
        connection,
        "workspace.export",
        target=about.id,
        organisation_id=home,
        workspace_id=about.id,
        details={"sealed": sealed},
    )


def _members(connection: Connection, about: Workspace) -> tuple[dict[str, int], dict[str, MemberPart]]:
    query = (
        select(users.c.id, users.c.email, users.c.name, users.c.kind, members.c.role, members.c.source)
        .join(users, users.c.id == members.c.user_id)
        .where(members.c.workspace_id == about.id)
        .order_by(users.c.email, users.c.name, users.c.id)
    )
    found = connection.execute(query).all()
    parts = {
        row.id: MemberPart(email=row.email, name=row.name, kind=row.kind, role=row.role, source=row.source)
        for row in found
    }
    return {user_id: place for place, user_id in enumerate(parts)}, parts


def _keys(connection: Connection, about: Workspace) -> list[VirtualKey]:
    query = select(*columns_of(VirtualKey, api_keys)).where(api_keys.c.workspace_id == about.id)
    return records(connection, query.order_by(api_keys.c.created_at, api_keys.c.name, api_keys.c.shown), VirtualKey)


def _key_part(key: VirtualKey, people: Mapping[str, int]) -> KeyPart:
    return KeyPart(
        name=key.name,
        shown=key.shown,
        user=people.get(key.user_id or ""),
        scopes=key.scopes,
        tags=key.tags,
        priority=key.priority,  # type: ignore[arg-type]  # the database holds no others
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
    )


def _limits(
    connection: Connection, about: Workspace, people: Mapping[str, int], keys: Mapping[str, int]
) -> tuple[LimitPart, ...]:
    query = select(limits).where(limits.c.workspace_id == about.id)
    parts: list[LimitPart] = []
    for row in connection.execute(query).mappings():
        fields = {name: row[name] for name in LimitPart.__struct_fields__}
        kind, subject = row["subject_kind"], row["subject"]
        places = {"member": people, "key": keys}.get(kind)
        if places is not None and subject in places:
            fields["subject"] = f"#{places[subject]}"
        elif kind == "workspace" and subject == about.id:
            fields["subject"] = "#"
        parts.append(msgspec.convert(fields, LimitPart))
    return tuple(sorted(parts, key=msgspec.json.encode))


def _roles(connection: Connection, about: Workspace, named: set[str]) -> tuple[RolePart, ...]:
    query = select(roles.c.name, roles.c.permissions).where(roles.c.organisation_id == about.organisation_id)
    own = {row.name: tuple(cast("list[str]", row.permissions)) for row in connection.execute(query)}
    wanted = sorted((named - BUILT_IN.keys()) & own.keys())
    return tuple(RolePart(name=name, permissions=own[name]) for name in wanted)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
