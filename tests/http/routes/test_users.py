"""People and service accounts over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateways import running
from tests.http.routes.accounts import SETTINGS, Root, code


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """A server with one key in its configuration."""
    with running(tmp_path_factory.mktemp("users"), **SETTINGS) as gateway, Root(gateway) as one:
        yield one


def test_a_user_is_made_changed_and_acts_no_more(root: Root) -> None:
    """A key of a service account opens nothing while the account is disabled."""
    robot = root.made("/api/users", name="Robot", kind="service")
    where = root.workspace()
    root.made(f"/api/workspaces/{where}/members", user_id=robot["id"])
    with root.caller(where, user_id=robot["id"]) as client:
        assert client.get("/api/me").json()["user_name"] == "Robot"
        path = f"/api/users/{robot['id']}"
        assert root.client.patch(path, json={"disabled": True}).json()["disabled_at"] is not None
        assert client.get("/api/me").status_code == 401
        root.client.patch(path, json={"disabled": False, "name": "R2"})
        assert client.get("/api/me").json()["user_name"] == "R2"


def test_what_is_no_user_is_refused(root: Root) -> None:
    """A person has an e-mail address, which is theirs alone; a role is one that there is."""
    root.made("/api/users", name="A", email="a@example.org")
    for body, status in (
        ({"name": "A"}, 400),
        ({"name": "A", "email": "A@example.org"}, 409),
        ({"name": "A", "email": "nobody"}, 400),
        ({"name": "A", "email": "b@example.org", "role": "king"}, 404),
    ):
        assert root.client.post("/api/users", json=body).status_code == status, body


def test_everybody_sees_who_they_are(root: Root) -> None:
    """A key its workspace and permissions, the key of the configuration that it runs the server."""
    where = root.workspace()
    with root.caller(where, ["usage:read"]) as client:
        me = client.get("/api/me").json()
        assert (me["workspace_id"], me["permissions"], me["is_operator"]) == (
            where,
            ["models:call", "usage:read"],
            False,
        )
        assert code(client.put("/api/me/workspace", json={"workspace_id": where})) == (403, "permission_denied")
    assert root.client.get("/api/me").json()["is_operator"] is True
    assert code(root.client.put("/api/me/workspace", json={"workspace_id": where})) == (409, "conflict")
