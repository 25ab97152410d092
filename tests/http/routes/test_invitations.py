"""Invitations, through the front door."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.gateways import RunningGateway, running
from tests.http.browsers import browser, first
from tests.http.routes.accounts import SETTINGS, Root, code

CHOSEN = {"name": "Bob", "password": "seven red foxes run"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """A server with several organisations."""
    with running(tmp_path_factory.mktemp("invitations"), **SETTINGS) as gateway, Root(gateway) as one:
        yield one


def accepted(one: httpx.Client, token: object, **more: str) -> httpx.Response:
    """Come in by an invitation."""
    return one.post("/api/auth/invitation/accept", json={"token": token, **more})


def test_somebody_is_invited_and_comes_in(tmp_path: Path) -> None:
    """From the link that was handed over to a session of their own; a page of another site accepts nothing."""
    with running(tmp_path) as gateway, first(gateway) as ada, browser(gateway) as bob:
        made = ada.post("/api/invitations", json={"email": "bob@example.org", "workspace_id": "ws_default"})
        assert (made.status_code, made.headers["etag"], made.headers["cache-control"]) == (200, '"1"', "no-store")
        told = made.json()
        assert told["path"] == f"/invitation#{told['token']}"
        token = told["token"]
        shown = bob.post("/api/auth/invitation", json={"token": token}).json()
        assert (shown["email"], shown["workspace"], shown["has_account"]) == ("bob@example.org", "Default", False)
        foreign = {"origin": "http://evil.example", "sec-fetch-site": "cross-site"}
        stolen = bob.post("/api/auth/invitation/accept", json={"token": token, **CHOSEN}, headers=foreign)
        assert code(stolen) == (403, "cross_site_request")
        assert accepted(bob, token, **CHOSEN).json()["status"] == "signed_in"
        assert bob.get("/api/me").json()["workspace_id"] == "ws_default"
        assert code(accepted(bob, token, **CHOSEN)) == (404, "invitation_unusable")
        assert code(bob.get("/api/invitations/" + told["id"])) == (403, "permission_denied")
        assert bob.get("/api/invitations").json()["data"] == []
        (row,) = ada.get("/api/invitations").json()["data"]
        assert (row["state"], row["accepted_by"]) == ("accepted", bob.get("/api/me").json()["user_id"])
        assert "token" not in row
        assert told["token"] not in ada.get("/api/audit").text
        _joins_signed_in(gateway, ada, bob)


def _joins_signed_in(gateway: RunningGateway, ada: httpx.Client, bob: httpx.Client) -> None:
    lab = ada.post("/api/workspaces", json={"slug": "lab"}).json()["id"]
    token = ada.post("/api/invitations", json={"email": "bob@example.org", "workspace_id": lab}).json()["token"]
    with browser(gateway) as thief:
        assert thief.post("/api/auth/invitation", json={"token": token}).json()["has_account"] is True
        assert code(accepted(thief, token, name="Bob", password="a password of the thief")) == (401, "sign_in_required")
    answer = accepted(bob, token)
    assert answer.json()["status"] == "signed_in"
    assert "set-cookie" not in answer.headers
    assert lab in [one["id"] for one in bob.get("/api/workspaces").json()["data"]]


def test_who_may_take_people_in_invites(root: Root) -> None:
    """Into a workspace with `members:write` there, into the organisation with `users:write`, and not above oneself."""
    organisation = root.organisation()
    workspace = root.workspace(organisation)
    wish = {"email": "eve@example.org", "workspace_id": workspace}
    some_words, few_words = ["members:write", "members:read"], ["members:read"]
    with root.caller(workspace, some_words) as some, root.caller(workspace, few_words) as few:
        assert code(few.post("/api/invitations", json=wish)) == (403, "permission_denied")
        assert code(some.post("/api/invitations", json={**wish, "role": "owner"})) == (403, "permission_denied")
        assert code(some.post("/api/invitations", json={"email": "eve@example.org"})) == (403, "permission_denied")
        role = root.made("/api/roles", name="greeter", permissions=["members:read"], organisation_id=organisation)[
            "name"
        ]
        made = some.post("/api/invitations", json={**wish, "role": role, "lifetime_s": 60}).json()
        assert made["expires_at"] - made["created_at"] == 60
        assert [one["id"] for one in some.get("/api/invitations").json()["data"]] == [made["id"]]
        assert few.get("/api/invitations").json()["data"] == []
        path = f"/api/invitations/{made['id']}"
        assert some.get(path).headers["etag"] == '"1"'
        assert code(few.post(f"{path}/revoke")) == (403, "permission_denied")
        assert code(some.post(f"{path}/revoke", headers={"if-match": '"7"'})) == (412, "version_conflict")
        assert some.post(f"{path}/revoke").json()["state"] == "revoked"
    everyone = root.made("/api/invitations", email="fay@example.org", organisation_id=organisation)
    told = root.client.get("/api/invitations", params={"organisation_id": organisation}).json()["data"]
    assert [one["id"] for one in told] == [everyone["id"], made["id"]]
    narrowed = root.client.get("/api/invitations", params={"workspace_id": workspace}).json()["data"]
    assert [one["id"] for one in narrowed] == [made["id"]]


@pytest.mark.parametrize("bad", [{"email": "x"}, {"email": "a@b", "lifetime_s": 1}, {"email": "a@b", "role": "chief"}])
def test_a_wish_that_cannot_be_is_told(root: Root, bad: dict[str, object]) -> None:
    """No address, too short a life, no such role."""
    assert root.client.post("/api/invitations", json=bad).status_code in {400, 404}
    assert root.client.get("/api/invitations/inv_none").status_code == 404
