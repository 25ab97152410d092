"""Documents to workspaces: all of one, or nothing of it."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, and_, select

from narthex.errors import Conflict, InvalidRequest
from narthex.stores.database.schema import api_keys, roles, users
from narthex.tenancy.acting import Acting
from narthex.tenancy.documents import Document, KeyPart, LimitPart, MemberPart, WorkspacePart, in_order, unseal
from narthex.tenancy.editing import made
from narthex.tenancy.keys import KeyMark
from narthex.tenancy.limits import NewLimit, create_limit
from narthex.tenancy.members import add_member
from narthex.tenancy.permissions import CALL_MODELS
from narthex.tenancy.records import VirtualKey, Workspace
from narthex.tenancy.roles import create_role
from narthex.tenancy.users import address_of, create_user
from narthex.tenancy.workspaces import NewWorkspace, create_workspace
from narthex.types.ids import new_id

_DIGEST_BYTES: Final = 32


class _Hidden(msgspec.Struct, forbid_unknown_fields=True):
    by: str
    digests: list[str]


class _Kept(NamedTuple):
    """What a key rests on."""

    people: Sequence[str]
    digest: bytes


class _Keeping(NamedTuple):
    """What the import of a workspace has made so far."""

    people: Sequence[str]
    keys: Sequence[str]


def import_document(
    connection: Connection,
    acting: Acting,
    document: Document,
    *,
    organisation_id: str,
    passphrase: str | None = None,
    marked_by: KeyMark,
) -> list[Workspace]:
    """Make the workspaces of a document.

    People are found by their e-mail address, service accounts by their name; who is not there is made. Keys whose
    hashes are not sealed in the document are known, and open nothing until they are rotated.

    Raises:
        AlreadyExists: A workspace of that slug, or a person of another organisation, is there.
        Conflict: The passphrase does not fit, or the keys were made under another master key.
        PermissionDenied: It would give more than the one who imports it has.
    """
    try:
        return _imported(connection, acting, document, organisation_id, _digests(document, passphrase, marked_by))
    except InvalidRequest as error:
        # The document has its form; what it says cannot be done here.
        raise Conflict(error.message, param=error.param) from error


def _imported(
    connection: Connection, acting: Acting, document: Document, organisation_id: str, digests: _Digests
) -> list[Workspace]:
    acting.may_give(_needed(document))
    _make_roles(connection, acting, document, organisation_id)
    ready: dict[str, Workspace] = {}
    for part in in_order(document.workspaces):
        settings = part.settings
        if settings is None and part.template is not None:
            settings = ready[part.template].settings
        wish = NewWorkspace(
            organisation_id=organisation_id,
            slug=part.slug,
            name=part.name,
            description=part.description,
            settings=settings,
            is_template=part.is_template,
        )
        ready[part.slug] = new = create_workspace(connection, acting, wish)
        people = [_member(connection, acting, new, member) for member in part.members]
        keys = [_key(connection, acting, new, key, _Kept(people, next(digests))) for key in part.keys]
        _make_limits(connection, acting, new, part, _Keeping(people, keys))
    return [ready[part.slug] for part in document.workspaces]


def _needed(document: Document) -> frozenset[str]:
    """Return what somebody must be allowed who makes all that is in a document."""
    parts = document.workspaces
    made = {
        "roles:write": document.roles,
        "members:write": any(part.members for part in parts),
        "keys:write": any(part.keys for part in parts),
        "limits:write": any(part.limits for part in parts),
    }
    return frozenset(word for word, there in made.items() if there)


def _digests(document: Document, passphrase: str | None, marked_by: KeyMark) -> _Digests:
    total = sum(len(part.keys) for part in document.workspaces)
    if document.sealed is None:
        return _Digests([secrets.token_bytes(_DIGEST_BYTES) for _ in range(total)])
    if passphrase is None:
        raise Conflict("this document is sealed; say its passphrase", param="passphrase")
    by, found = _hidden(unseal(document.sealed, passphrase))
    if by != marked_by:
        raise Conflict(
            "the keys of this document were made under another master key, and cannot open this server; "
            "import it without what is sealed, and rotate them",
            param="passphrase",
        )
    if len(found) != total:
        raise Conflict("what is sealed is of other keys than those of the document", param="sealed")
    return _Digests(found)


def _hidden(opened: bytes) -> tuple[bytes, list[bytes]]:
    """Return what was sealed: the mark of the installation, and what keys are held by."""
    try:
        hidden = msgspec.json.decode(opened, type=_Hidden)
        by, found = base64.b64decode(hidden.by), [base64.b64decode(one) for one in hidden.digests]
    except (msgspec.DecodeError, ValueError) as error:
        raise Conflict("what is sealed in this document was not written by Narthex", param="sealed") from error
    if any(len(one) != _DIGEST_BYTES for one in found):
        raise Conflict("what is sealed in this document is of no keys", param="sealed")
    return by, found


class _Digests:
    """What keys are held by, in the order of the document."""

    def __init__(self, given: Sequence[bytes]) -> None:
        self._left = list(reversed(given))

    def __next__(self) -> bytes:
        return self._left.pop()


def _make_roles(connection: Connection, acting: Acting, document: Document, organisation_id: str) -> None:
    query = select(roles.c.name, roles.c.permissions).where(roles.c.organisation_id == organisation_id)
    known = {row.name: set(row.permissions) for row in connection.execute(query)}
    for role in document.roles:
        if role.name not in known:
            given = role.permissions
            create_role(connection, acting, organisation_id=organisation_id, name=role.name, permissions=given)
        elif known[role.name] != set(role.permissions):
            raise Conflict(f"the role {role.name!r} of this organisation allows something else", param="roles")


def _member(connection: Connection, acting: Acting, where: Workspace, part: MemberPart) -> str:
    home = where.organisation_id
    by = (
        users.c.email == address_of(part.email)
        if part.email
        else and_(users.c.kind == "service", users.c.name == part.name)
    )
    known = connection.execute(select(users.c.id).where(users.c.organisation_id == home, by)).scalars().first()
    user_id = (
        known
        or create_user(connection, acting, organisation_id=home, name=part.name, email=part.email, kind=part.kind).id
    )
    add_member(connection, acting, workspace_id=where.id, user_id=user_id, role=part.role, source=part.source)
    return str(user_id)


def _key(connection: Connection, acting: Acting, where: Workspace, part: KeyPart, kept: _Kept) -> str:
    scopes, key_id = part.scopes.checked(), new_id("key")
    acting.may_give(frozenset(scopes.permissions) | CALL_MODELS)
    if part.user is not None and not 0 <= part.user < len(kept.people):
        raise Conflict(f"the key {part.name!r} is of a member that is not in the document", param="workspaces")
    values = {name: getattr(part, name) for name in ("name", "shown", "tags", "priority")}
    values |= {name: getattr(part, name) for name in ("created_at", "expires_at", "revoked_at")}
    values |= {
        "id": key_id,
        "organisation_id": where.organisation_id,
        "workspace_id": where.id,
        "user_id": None if part.user is None else kept.people[part.user],
        "digest": kept.digest,
        "scopes": scopes,
        "version": 1,
    }
    made(connection, api_keys, values, VirtualKey, taken=f"the key {part.shown} is here already")
    acting.changed(connection, "key", key_id)
    return key_id


def _make_limits(connection: Connection, acting: Acting, where: Workspace, part: WorkspacePart, kept: _Keeping) -> None:
    place = {"organisation_id": where.organisation_id, "workspace_id": where.id}
    for limit in part.limits:
        fields = {**msgspec.structs.asdict(limit), **place, "subject": _subject(limit, where, kept)}
        create_limit(connection, acting, msgspec.convert(fields, NewLimit))


def _subject(limit: LimitPart, where: Workspace, kept: _Keeping) -> str:
    if not limit.subject.startswith("#"):
        return limit.subject
    if limit.subject == "#" and limit.subject_kind == "workspace":
        return where.id
    places: Mapping[str, Sequence[str]] = {"member": kept.people, "key": kept.keys}
    among, number = places.get(limit.subject_kind, ()), limit.subject[1:]
    if not (number.isdecimal() and int(number) < len(among)):
        raise Conflict("a limit is on somebody that is not in the document", param="workspaces")
    return among[int(number)]
