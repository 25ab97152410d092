"""Virtual keys: issued, changed, followed by another one, and revoked. A key itself is told once, and not kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from narthex.errors import Conflict, NotFound
from narthex.stores.database.schema import api_keys
from narthex.tenancy.acting import Acting
from narthex.tenancy.editing import changed, found, made
from narthex.tenancy.keys import KeyMark
from narthex.tenancy.records import VirtualKey, Workspace
from narthex.tenancy.scopes import NO_SCOPES, Scopes
from narthex.tenancy.users import user
from narthex.tenancy.virtual_keys import new_key, shown
from narthex.tenancy.workspaces import workspace
from narthex.types.ids import new_id
from narthex.types.priorities import PriorityWord

MAX_OVERLAP_S: Final = 2_592_000
"""The longest time that a key and the one that follows it are both good for: thirty days."""

Mark = Callable[[bytes], KeyMark]
"""Returns what a key is held by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a key is to be."""

    name: str
    workspace_id: str
    user_id: str | None = None
    scopes: Scopes = NO_SCOPES
    tags: Mapping[str, str] | None = None
    priority: PriorityWord = "normal"
    expires_at: int | None = None
    """Unix time in milliseconds."""


def key(connection: Connection, key_id: str) -> VirtualKey:
    """Return what is known of a key."""
    return found(connection, api_keys, VirtualKey, api_keys.c.id == key_id, what=f"key {key_id[:64]!r}")


def issue_key(connection: Connection, acting: Acting, wish: Wish, *, mark: Mark) -> tuple[str, VirtualKey]:
    """Make a key; return it, this once, with what is known of it.

    Raises:
        Conflict: The workspace is archived.
        InvalidRequest: It is for a user of another organisation, or would have ended already.
        PermissionDenied: It would allow more than the one who makes it may do.
    """
    where = _open_workspace(connection, wish.workspace_id)
    if wish.user_id is not None and user(connection, wish.user_id).organisation_id != where.organisation_id:
        raise NotFound(f"this organisation has no user {wish.user_id[:64]!r}", param="user_id")
    _check_end(wish.expires_at, acting)
    scopes = wish.scopes.checked()
    acting.may_give_to(wish.user_id, frozenset(scopes.permissions))
    plain, new = _made(
        connection,
        acting,
        {
            "organisation_id": where.organisation_id,
            "workspace_id": where.id,
            "user_id": wish.user_id,
            "name": wish.name,
            "scopes": scopes,
            "tags": dict(sorted((wish.tags or {}).items())),
            "priority": wish.priority,
            "expires_at": wish.expires_at,
        },
        mark,
    )
    _note(connection, acting, "key.create", new, {"name": wish.name})
    return plain, new


def change_key(
    connection: Connection, acting: Acting, key_id: str, values: Mapping[str, object], *, version: int | None = None
) -> VirtualKey:
    """Change `name`, `scopes`, `tags`, `priority` or `expires_at` of a key.

    Raises:
        Conflict: It is revoked.
        PermissionDenied: It allows, or would allow, more than the one who changes it may do.
    """
    before = key(connection, key_id)
    if before.revoked_at is not None:
        raise Conflict("this key is revoked")
    written = dict(values)
    scopes = written.get("scopes")
    if isinstance(scopes, Scopes):
        written["scopes"] = scopes = scopes.checked()
        acting.may_give_to(before.user_id, frozenset(before.scopes.permissions) | frozenset(scopes.permissions))
    if written.get("expires_at") is not None:
        _check_end(written["expires_at"], acting)
    changed(connection, api_keys, api_keys.c.id == key_id, written, version=version)
    acting.changed(connection, "key", key_id)
    _note(connection, acting, "key.update", before, {"fields": sorted(values)})
    return key(connection, key_id)


def rotate_key(
    connection: Connection, acting: Acting, key_id: str, *, overlap_s: int, mark: Mark, version: int | None = None
) -> tuple[str, VirtualKey]:
    """Make a key that is like another one, which is good for a while yet; return it, this once.

    Raises:
        Conflict: The other one is revoked, has expired, or was followed by another; or its workspace is archived.
        PermissionDenied: It allows more than the one who would hold it then may do.
    """
    before = key(connection, key_id)
    if before.revoked_at is not None:
        raise Conflict("this key is revoked; make a new one")
    if before.rotated_to is not None:
        raise Conflict(f"this key is followed by {before.rotated_to} already; rotate that one")
    if before.expires_at is not None and before.expires_at <= acting.now:
        raise Conflict("this key has expired, and one like it would have as well; make a new one")
    _open_workspace(connection, before.workspace_id)
    acting.may_give_to(before.user_id, frozenset(before.scopes.permissions))
    same = ("organisation_id", "workspace_id", "user_id", "name", "scopes", "tags", "priority", "expires_at")
    plain, new = _made(connection, acting, {name: getattr(before, name) for name in same}, mark)
    ends = min(acting.now + overlap_s * 1_000, before.expires_at or acting.now + MAX_OVERLAP_S * 1_000)
    written = {"rotated_to": new.id, "expires_at": ends}
    changed(connection, api_keys, api_keys.c.id == key_id, written, version=version)
    acting.changed(connection, "key", key_id)
    _note(connection, acting, "key.rotate", before, {"to": new.id, "overlap_s": overlap_s})
    return plain, new


def revoke_key(connection: Connection, acting: Acting, key_id: str, *, version: int | None = None) -> VirtualKey:
    """Have a key open nothing any more, at once."""
    before = key(connection, key_id)
    written = {"revoked_at": before.revoked_at or acting.now}
    changed(connection, api_keys, api_keys.c.id == key_id, written, version=version)
    acting.changed(connection, "key", key_id)
    _note(connection, acting, "key.revoke", before, {})
    return key(connection, key_id)


def _made(connection: Connection, acting: Acting, values: Mapping[str, object], mark: Mark) -> tuple[str, VirtualKey]:
    key_id = new_id("key")
    plain = new_key(key_id)
    row = {
        **values,
        "id": key_id,
        "shown": shown(key_id),
        "digest": mark(plain.encode()),
        "created_at": acting.now,
        "version": 1,
    }
    new = made(connection, api_keys, row, VirtualKey, taken="there is such a key already")
    acting.changed(connection, "key", key_id)
    return plain, new


def _open_workspace(connection: Connection, workspace_id: str) -> Workspace:
    where = workspace(connection, workspace_id)
    if where.archived_at is not None:
        raise Conflict("this workspace is archived; restore it first")
    return where


def _check_end(at: object, acting: Acting) -> None:
    if isinstance(at, int) and at <= acting.now:
        raise Conflict("expires_at: this moment is over", param="expires_at")


def _note(
    connection: Connection, acting: Acting, action: str, about: VirtualKey, details: Mapping[str, object]
) -> None:
    acting.note(
        connection,
        action,
        target=about.id,
        organisation_id=about.organisation_id,
        workspace_id=about.workspace_id,
        details=details,
    )
