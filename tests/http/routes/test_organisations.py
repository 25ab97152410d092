"""Organisations over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateways import running
from tests.http.routes.accounts import SETTINGS, Root, code


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """A server with one key in its configuration."""
    with running(tmp_path_factory.mktemp("organisations"), **SETTINGS) as gateway, Root(gateway) as one:
        yield one


def test_an_organisation_is_made_and_renamed(root: Root) -> None:
    """Under its version; its slug stays, and is its alone."""
    made = root.made("/api/organisations", slug="acme")
    path = f"/api/organisations/{made['id']}"
    renamed = root.client.patch(path, json={"name": "Acme"}, headers={"if-match": '"1"'})
    assert (renamed.json()["name"], renamed.json()["slug"]) == ("Acme", "acme")
    assert code(root.client.patch(path, json={"name": "x"}, headers={"if-match": '"1"'})) == (412, "version_conflict")
    assert code(root.client.post("/api/organisations", json={"slug": "acme"})) == (409, "already_exists")
    assert root.client.get(path).json() == renamed.json()


def test_who_is_in_one_sees_no_other(root: Root) -> None:
    """Nor makes one: that is for who runs the server."""
    mine, other = root.organisation(), root.organisation()
    with root.caller(root.workspace(mine), ["organisation:read", "organisation:write"]) as client:
        assert [one["id"] for one in client.get("/api/organisations").json()["data"]] == [mine]
        assert client.get(f"/api/organisations/{mine}").status_code == 200
        assert code(client.get(f"/api/organisations/{other}")) == (404, "not_found")
        assert client.patch(f"/api/organisations/{mine}", json={"name": "x"}).status_code == 403
        assert client.post("/api/organisations", json={"slug": "new"}).status_code == 403
    with root.caller(root.workspace(mine)) as client:
        assert client.get("/api/organisations").json()["data"] == []
