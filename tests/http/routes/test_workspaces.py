"""Workspaces over HTTP."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from narthex.tenancy.documents import unseal
from narthex.tenancy.virtual_keys import PREFIX
from tests.gateways import running
from tests.http.routes.accounts import SETTINGS, Root, code

_PHRASE = "correct horse battery"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """A server with one key in its configuration."""
    with running(tmp_path_factory.mktemp("workspaces"), **SETTINGS) as gateway, Root(gateway) as one:
        yield one


def test_a_workspace_is_made_changed_and_put_away(root: Root) -> None:
    """Settings that are not named stay; its keys open nothing while it is archived."""
    made = root.made("/api/workspaces", slug="shop", settings={"default_model": "demo/m"})
    path = f"/api/workspaces/{made['id']}"
    assert made["name"] == "shop"
    changed = root.client.patch(path, json={"settings": {"caching": False}, "description": "For all"}).json()
    assert (changed["settings"]["default_model"], changed["settings"]["caching"]) == ("demo/m", False)
    with root.caller(str(made["id"]), ["keys:read"]) as client:
        assert client.get("/api/keys").status_code == 200
        assert root.client.post(f"{path}/archive").json()["archived_at"] is not None
        assert client.get("/api/keys").status_code == 401
        assert root.client.post(f"{path}/restore").json()["archived_at"] is None
        assert client.get("/api/keys").status_code == 200
    assert root.client.get(path).headers["etag"].startswith('"4-')


def test_what_is_no_workspace_is_refused(root: Root) -> None:
    """The field at fault is named, and nothing is made."""
    for body, status in (
        ({"slug": "No"}, 400),
        ({"slug": "a", "settings": {"currency": "EUR"}}, 400),
        ({"slug": "a", "colour": "red"}, 400),
        ({"slug": "a", "organisation_id": "org_no"}, 404),
        ({"slug": "a", "template_id": "ws_default"}, 404),
        ({"slug": "default"}, 409),
    ):
        answer = root.client.post("/api/workspaces", json=body)
        assert answer.status_code == status, (body, answer.text)
    assert root.client.post("/api/workspaces", content=b"[").status_code == 400
    change = root.client.patch("/api/workspaces/ws_default", json={"settings": {"retention_days": 0}})
    assert (code(change), change.json()["error"]["param"]) == ((400, "invalid_request"), "settings.retention_days")


def test_templates_are_found_and_used(root: Root) -> None:
    """The list is narrowed to them; what is made of one has its settings."""
    template = root.workspace(is_template=True, settings={"capture": "none"})
    listed = root.client.get("/api/workspaces", params={"is_template": "true", "archived": "false"}).json()
    assert [one["id"] for one in listed["data"]] == [template]
    made = root.made("/api/workspaces", slug="from-template", template_id=template)
    assert made["settings"] == listed["data"][0]["settings"]


def test_a_key_sees_its_own_workspace(root: Root) -> None:
    """Whatever it may do there, others are not there for it, and it makes none."""
    where, other = root.workspace(), root.workspace()
    with root.caller(where, ["workspaces:read", "workspaces:write"]) as client:
        assert [one["id"] for one in client.get("/api/workspaces").json()["data"]] == [where]
        assert client.get(f"/api/workspaces/{where}").status_code == 200
        assert code(client.get(f"/api/workspaces/{other}")) == (404, "not_found")
        assert client.post("/api/workspaces", json={"slug": "mine"}).status_code == 403
    with root.caller(where) as client:
        assert client.get("/api/workspaces").json()["data"] == []
        assert code(client.get(f"/api/workspaces/{where}")) == (403, "permission_denied")


def test_a_workspace_goes_out_and_comes_in(root: Root) -> None:
    """As a document; what cannot be imported is refused, and nothing is made."""
    where = root.workspace(settings={"default_model": "demo/m"})
    root.key(where)
    document = root.client.post(f"/api/workspaces/{where}/export", json={}).json()
    organisation = root.organisation()
    body = {"document": document, "organisation_id": organisation}
    (made,) = root.client.post("/api/workspace-imports", json=body).json()["data"]
    assert made["settings"]["default_model"] == "demo/m"
    assert root.client.post(f"/api/workspaces/{made['id']}/export", json={}).json() == document
    assert code(root.client.post("/api/workspace-imports", json=body)) == (409, "already_exists")
    sealed = root.client.post(f"/api/workspaces/{where}/export", json={"passphrase": _PHRASE}).json()["sealed"]
    assert root.gateway.gateway is not None
    mark = root.gateway.gateway.keyring.mark_of(PREFIX.encode())
    # It tells apart installations, not processes: another one of this installation takes it.
    assert base64.b64decode(json.loads(unseal(sealed, _PHRASE))["by"]) == mark
    newer = {**body, "document": {**document, "version": 2}}
    refused = root.client.post("/api/workspace-imports", json=newer)
    assert (code(refused), refused.json()["error"]["param"]) == ((400, "invalid_request"), "version")
