"""Roles over HTTP."""

from __future__ import annotations

from pathlib import Path

from narthex.tenancy.permissions import BUILT_IN
from tests.gateways import running
from tests.http.routes.accounts import SETTINGS, Root, code


def test_roles_are_listed_made_changed_and_taken_away(tmp_path: Path) -> None:
    """The built-in ones come first, and stay as they are."""
    with running(tmp_path, **SETTINGS) as gateway, Root(gateway) as root:
        made = root.made("/api/roles", name="auditor", permissions=["audit:read"])
        path = f"/api/roles/{made['id']}"
        listed = root.client.get("/api/roles").json()["data"]
        assert [row["name"] for row in listed] == [*BUILT_IN, "auditor"]
        changed = root.client.patch(path, json={"permissions": ["usage:read"]}, headers={"if-match": '"1"'})
        assert changed.json()["permissions"] == ["usage:read"]
        assert code(root.client.patch(path, json={"permissions": ["x:y"]})) == (400, "invalid_request")
        assert code(root.client.post("/api/roles", json={"name": "owner", "permissions": []})) == (
            409,
            "already_exists",
        )
        assert root.client.get(path).headers["etag"].startswith('"2-')
        assert root.client.delete(path).json() == {"object": "role", "id": made["id"], "deleted": True}
        assert code(root.client.get(path)) == (404, "not_found")
