"""Members of workspaces over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateways import running
from tests.http.routes.accounts import SETTINGS, Root, code


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """A server with one key in its configuration."""
    with running(tmp_path_factory.mktemp("members"), **SETTINGS) as gateway, Root(gateway) as one:
        yield one


def person(root: Root, name: str) -> str:
    """Make a person of the default organisation; return their ID."""
    return str(root.made("/api/users", name=name, email=f"{name}@example.org")["id"])


def test_a_member_is_taken_in_changed_and_taken_out(root: Root) -> None:
    """Under a version, and listed; the last owner stays."""
    where, one, other = root.workspace(), person(root, "one"), person(root, "other")
    path = f"/api/workspaces/{where}/members"
    assert root.made(path, user_id=one, role="owner")["source"] == "hand"
    root.made(path, user_id=other)
    assert {row["role"] for row in root.client.get(path).json()["data"]} == {"owner", "member"}
    assert code(root.client.delete(f"{path}/{one}")) == (409, "conflict")
    late = root.client.patch(f"{path}/{other}", json={"role": "owner"}, headers={"if-match": '"9"'})
    assert code(late) == (412, "version_conflict")
    assert root.client.patch(f"{path}/{other}", json={"role": "owner"}).json()["version"] == 2
    assert root.client.delete(f"{path}/{one}").json()["deleted"] is True
    assert code(root.client.get(f"{path}/{one}")) == (404, "not_found")
    assert code(root.client.post(path, json={"user_id": other})) == (409, "already_exists")
    assert code(root.client.post(path, json={"user_id": "usr_no"})) == (404, "not_found")


def test_a_key_gives_no_role_above_its_own(root: Root) -> None:
    """It takes in who may do as much as it does, and nobody who may do more."""
    where, someone = root.workspace(), person(root, "someone")
    with root.caller(where, ["members:read", "members:write"]) as client:
        path = f"/api/workspaces/{where}/members"
        assert code(client.post(path, json={"user_id": someone, "role": "owner"})) == (403, "permission_denied")
        role = root.made("/api/roles", name="caller", permissions=["models:call"])["name"]
        assert client.post(path, json={"user_id": someone, "role": role}).status_code == 200
