"""Keys of several organisations and workspaces, for tests of the control API."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Self

import httpx

from tests.gateways import KEY, RunningGateway
from tests.http.doors import Json

SETTINGS: Json = {
    "keys": [{"name": "root", "key": KEY}],
    "providers": {"demo": {"kind": "scripted", "script": {"models": ["m"], "reply": "ok"}}},
    "default_model": "demo/m",
}
_numbers = itertools.count(1)


class Root:
    """A client with the key of the configuration, and what it makes."""

    def __init__(self, gateway: RunningGateway) -> None:
        self.gateway = gateway
        self.client = self.with_key(KEY)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the connection."""
        self.client.close()

    def with_key(self, key: str) -> httpx.Client:
        """Return a client with another key."""
        return httpx.Client(base_url=self.gateway.url, headers={"authorization": f"Bearer {key}"}, timeout=30)

    def made(self, path: str, **body: object) -> Json:
        """Make something, and return what is told of it."""
        answer = self.client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        told: Json = answer.json()
        return told

    def organisation(self) -> str:
        """Make an organisation; return its ID."""
        return str(self.made("/api/organisations", slug=f"org-{next(_numbers)}")["id"])

    def workspace(self, organisation_id: str | None = None, **more: object) -> str:
        """Make a workspace; return its ID."""
        body = {"slug": f"ws-{next(_numbers)}", "organisation_id": organisation_id, **more}
        return str(self.made("/api/workspaces", **body)["id"])

    def key(self, workspace_id: str, permissions: Sequence[str] = (), **more: object) -> Json:
        """Make a key of a workspace; return what is told of it, with the key."""
        scopes = {"permissions": list(permissions), **_scopes(more)}
        return self.made("/api/keys", name="k", workspace_id=workspace_id, scopes=scopes, **more)

    def caller(self, workspace_id: str, permissions: Sequence[str] = (), **more: object) -> httpx.Client:
        """Return a client with a key of a workspace."""
        return self.with_key(str(self.key(workspace_id, permissions, **more)["key"]))


def _scopes(more: dict[str, object]) -> Mapping[str, object]:
    scopes = more.pop("scopes", {})
    assert isinstance(scopes, Mapping)
    return scopes


def code(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of an error."""
    return answer.status_code, str(answer.json()["error"]["code"])


def flushed(root: Root) -> None:
    """Wait until all that was noted stands in the audit log."""
    assert root.gateway.gateway is not None
    assert root.gateway.gateway.audit.flush()
