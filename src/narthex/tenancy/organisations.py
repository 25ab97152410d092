"""Organisations: who shares nothing with others on this installation."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from narthex.stores.database.schema import organisations, workspaces
from narthex.tenancy.acting import Acting
from narthex.tenancy.editing import changed, found, made, slug_of
from narthex.tenancy.records import Organisation
from narthex.types.accounts import DEFAULT_ORGANISATION, DEFAULT_WORKSPACE
from narthex.types.ids import new_id


def organisation(connection: Connection, organisation_id: str) -> Organisation:
    """Return an organisation."""
    return found(
        connection,
        organisations,
        Organisation,
        organisations.c.id == organisation_id,
        what=f"organisation {organisation_id[:64]!r}",
    )


def create_organisation(connection: Connection, acting: Acting, *, slug: str, name: str) -> Organisation:
    """Make an organisation, with nothing and nobody in it.

    Raises:
        AlreadyExists: Another one has the slug.
    """
    values = {
        "id": new_id("org"),
        "slug": slug_of(slug),
        "name": name,
        "settings": {},
        "created_at": acting.now,
        "version": 1,
    }
    new = made(connection, organisations, values, Organisation, taken=f"there is an organisation {slug!r} already")
    acting.changed(connection, "organisation", new.id)
    acting.note(connection, "organisation.create", target=new.id, organisation_id=new.id, details={"slug": slug})
    return new


def update_organisation(
    connection: Connection, acting: Acting, organisation_id: str, *, name: str, version: int | None = None
) -> Organisation:
    """Rename an organisation."""
    organisation(connection, organisation_id)
    where = organisations.c.id == organisation_id
    changed(connection, organisations, where, {"name": name}, version=version)
    acting.changed(connection, "organisation", organisation_id)
    acting.note(
        connection,
        "organisation.update",
        target=organisation_id,
        organisation_id=organisation_id,
        details={"name": name},
    )
    return organisation(connection, organisation_id)


def ensure_defaults(connection: Connection, acting: Acting) -> None:
    """Make the organisation and the workspace that the local user and the keys of the configuration belong to."""
    if connection.execute(select(func.count()).where(organisations.c.id == DEFAULT_ORGANISATION)).scalar_one():
        return
    common = {"created_at": acting.now, "version": 1}
    connection.execute(
        organisations.insert().values(id=DEFAULT_ORGANISATION, slug="default", name="Default", settings={}, **common)
    )
    connection.execute(
        workspaces.insert().values(
            id=DEFAULT_WORKSPACE,
            organisation_id=DEFAULT_ORGANISATION,
            slug="default",
            name="Default",
            description="",
            settings={},
            is_template=False,
            **common,
        )
    )
    acting.changed(connection, "organisation", DEFAULT_ORGANISATION)
    acting.changed(connection, "workspace", DEFAULT_WORKSPACE)
    acting.note(connection, "organisation.create", target=DEFAULT_ORGANISATION, organisation_id=DEFAULT_ORGANISATION)
