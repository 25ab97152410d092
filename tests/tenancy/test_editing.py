"""Rows that people change."""

from __future__ import annotations

import pytest

from narthex.errors import AlreadyExists, InvalidRequest, NotFound, VersionConflict
from narthex.stores.database import Database
from narthex.stores.database.schema import organisations, roles
from narthex.tenancy.editing import changed, found, listed, slug_of
from narthex.tenancy.organisations import create_organisation, organisation
from narthex.tenancy.paging import Page
from narthex.tenancy.records import Organisation, Role
from narthex.tenancy.roles import create_role
from tests.tenancy.towns import NOW, Town


def test_a_row_is_changed_under_its_version(database: Database) -> None:
    """Who has read an old version changes nothing; each change counts on."""
    town = Town(database)
    one = town.organisation()
    where = organisations.c.id == one.id
    town.do(lambda connection: changed(connection, organisations, where, {"name": "A"}, version=1))
    with pytest.raises(VersionConflict):
        town.do(lambda connection: changed(connection, organisations, where, {"name": "B"}, version=1))
    after = database.read_now(lambda connection: organisation(connection, one.id))
    assert (after.name, after.version) == ("A", 2)


def test_a_name_is_taken_once(database: Database) -> None:
    """Making and renaming tell that there is one already, and what was begun with it is undone."""
    town = Town(database)
    one, other = town.organisation(), town.organisation()
    with pytest.raises(AlreadyExists, match=one.slug):
        town.do(lambda connection: create_organisation(connection, town.by(), slug=one.slug, name="x"))
    where = organisations.c.id == other.id
    with pytest.raises(AlreadyExists, match="taken"):
        town.do(
            lambda connection: changed(
                connection, organisations, where, {"slug": one.slug}, version=None, taken="taken"
            )
        )


def test_what_is_not_there_is_told(database: Database) -> None:
    """A row that is looked for and not found is named."""
    with pytest.raises(NotFound, match="there is no thing"):
        database.read_now(
            lambda connection: found(
                connection, organisations, Organisation, organisations.c.id == "org_no", what="thing"
            )
        )


def test_lists_are_read_part_by_part(database: Database) -> None:
    """Every row comes once, the newest first, also where many are of one moment, and where no moment is kept."""
    town = Town(database)
    for number in range(7):
        slug = f"o{number}"
        town.do(create_organisation, town.by(now=NOW + number // 3), slug=slug, name=slug)
    seen: list[Organisation] = []
    after: str | None = None
    for _ in range(4):
        page = Page(2, after)
        part = town.do(listed, organisations, Organisation, [], page)
        seen += part.items
        after = part.next
    assert after is None
    assert sorted(one.slug for one in seen) == [f"o{number}" for number in range(7)]
    assert [one.created_at for one in seen] == sorted((one.created_at for one in seen), reverse=True)


def test_lists_without_moments_are_read_part_by_part(database: Database) -> None:
    """Roles come in the order of their IDs."""
    town = Town(database)
    home = town.organisation()
    for number in range(3):
        name = f"r{number}"
        town.do(create_role, town.by(), organisation_id=home.id, name=name, permissions=[])
    first = database.read_now(lambda one: listed(one, roles, Role, [], Page(2)))
    rest = database.read_now(lambda one: listed(one, roles, Role, [], Page(2, first.next)))
    assert {one.name for one in (*first.items, *rest.items)} == {"r0", "r1", "r2"}
    assert rest.next is None


@pytest.mark.parametrize("text", ["", "A", "-a", "a b", "a" * 64, "ä"])
def test_slugs_are_plain(text: str) -> None:
    """Lower-case letters, digits and hyphens."""
    assert slug_of("shop-1") == "shop-1"
    with pytest.raises(InvalidRequest):
        slug_of(text)
