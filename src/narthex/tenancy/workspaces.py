"""Workspaces: made, from a template if wanted, changed, put away and brought back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, insert

from narthex.errors import Conflict, InvalidRequest, NotFound
from narthex.stores.database.schema import members, workspaces
from narthex.tenancy.acting import Acting
from narthex.tenancy.editing import changed, found, made, slug_of
from narthex.tenancy.organisations import organisation
from narthex.tenancy.records import Workspace, WorkspaceSettings
from narthex.types.accounts import DEFAULT_WORKSPACE
from narthex.types.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWorkspace:
    """What a workspace is to be."""

    organisation_id: str
    slug: str
    """Its name in addresses, and as a tenant."""
    name: str
    """Its name for people."""
    description: str = ""
    settings: WorkspaceSettings | None = None
    """How its calls are treated; by default as in the template, else as the configuration says."""
    is_template: bool = False
    """Whether others are to be made from it."""
    template_id: str | None = None
    """What it is made from."""
    owner_id: str | None = None
    """Who owns it at first."""


def workspace(connection: Connection, workspace_id: str) -> Workspace:
    """Return a workspace."""
    what = f"workspace {workspace_id[:64]!r}"
    return found(connection, workspaces, Workspace, workspaces.c.id == workspace_id, what=what)


def create_workspace(
    connection: Connection,
    acting: Acting,
    wish: NewWorkspace,
) -> Workspace:
    """Make a workspace.

    Raises:
        AlreadyExists: The organisation has one of this slug.
        NotFound: The organisation has no such template.
    """
    organisation(connection, wish.organisation_id)
    settings, description = wish.settings, wish.description
    if wish.template_id is not None:
        template = _template(connection, wish.template_id, wish.organisation_id)
        settings, description = settings or template.settings, description or template.description
    values = {
        "id": new_id("ws"),
        "organisation_id": wish.organisation_id,
        "slug": slug_of(wish.slug),
        "name": wish.name,
        "description": description,
        "settings": settings or WorkspaceSettings(),
        "is_template": wish.is_template,
        "created_at": acting.now,
        "version": 1,
    }
    new = made(connection, workspaces, values, Workspace, taken=f"there is a workspace {wish.slug!r} already")
    acting.changed(connection, "workspace", new.id)
    if wish.owner_id is not None:
        _own(connection, acting, new.id, wish.owner_id)
    _note(connection, acting, "workspace.create", new, {"slug": wish.slug, "template": wish.template_id or ""})
    return new


def update_workspace(
    connection: Connection,
    acting: Acting,
    workspace_id: str,
    values: Mapping[str, object],
    *,
    version: int | None = None,
) -> Workspace:
    """Change `slug`, `name`, `description`, `settings` or `is_template` of a workspace.

    Of its settings those that are named change; what others have changed meanwhile stays.

    Raises:
        AlreadyExists: The organisation has one of this slug.
        InvalidRequest: A setting is unknown, or not of its kind.
        VersionConflict: It has another version.
    """
    before, written = workspace(connection, workspace_id), dict(values)
    if "slug" in values:
        slug_of(str(values["slug"]))
    if isinstance(settings := values.get("settings"), Mapping):
        written["settings"] = merged_settings(before.settings, settings)
    where = workspaces.c.id == workspace_id
    changed(connection, workspaces, where, written, version=version, taken="there is a workspace of this slug already")
    acting.changed(connection, "workspace", workspace_id)
    _note(connection, acting, "workspace.update", before, {"fields": sorted(values)})
    return workspace(connection, workspace_id)


def archive_workspace(
    connection: Connection, acting: Acting, workspace_id: str, *, version: int | None = None
) -> Workspace:
    """Put a workspace away: its keys open nothing, and what it has stays.

    Raises:
        Conflict: It is the one that the keys of the configuration belong to.
    """
    before = workspace(connection, workspace_id)
    if workspace_id == DEFAULT_WORKSPACE:
        raise Conflict("the keys of the configuration belong to this workspace; it cannot be archived")
    where = workspaces.c.id == workspace_id
    changed(connection, workspaces, where, {"archived_at": before.archived_at or acting.now}, version=version)
    acting.changed(connection, "workspace", workspace_id)
    _note(connection, acting, "workspace.archive", before, {})
    return workspace(connection, workspace_id)


def restore_workspace(
    connection: Connection, acting: Acting, workspace_id: str, *, version: int | None = None
) -> Workspace:
    """Bring a workspace back that was put away."""
    before = workspace(connection, workspace_id)
    changed(connection, workspaces, workspaces.c.id == workspace_id, {"archived_at": None}, version=version)
    acting.changed(connection, "workspace", workspace_id)
    _note(connection, acting, "workspace.restore", before, {})
    return workspace(connection, workspace_id)


def merged_settings(before: WorkspaceSettings, values: Mapping[str, object]) -> WorkspaceSettings:
    """Return settings with some of them changed.

    Raises:
        InvalidRequest: One of them is unknown, or not of its kind.
    """
    try:
        return msgspec.convert({**msgspec.to_builtins(before), **values}, WorkspaceSettings)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        where = path.rstrip("`").lstrip(".")
        named = f"settings.{where}" if where else "settings"
        raise InvalidRequest(f"{named}: {message}", param=named) from error


def _template(connection: Connection, template_id: str, organisation_id: str) -> Workspace:
    template = workspace(connection, template_id)
    if template.organisation_id != organisation_id or not template.is_template:
        raise NotFound(f"{template_id[:64]!r} is no template of this organisation", param="template_id")
    return template


def _own(connection: Connection, acting: Acting, workspace_id: str, owner_id: str) -> None:
    values = {"role": "owner", "source": "hand", "created_at": acting.now, "version": 1}
    connection.execute(insert(members).values(workspace_id=workspace_id, user_id=owner_id, **values))
    acting.changed(connection, "member", f"{workspace_id}/{owner_id}")


def _note(connection: Connection, acting: Acting, action: str, about: Workspace, details: Mapping[str, object]) -> None:
    acting.note(
        connection,
        action,
        target=about.id,
        organisation_id=about.organisation_id,
        workspace_id=about.id,
        details=details,
    )
