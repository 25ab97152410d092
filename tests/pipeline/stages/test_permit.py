"""Calls are held to the models that their caller may use."""

from __future__ import annotations

import itertools
from pathlib import Path

import httpx
import pytest

from tests.gateways import KEY, RunningGateway, recovering, running
from tests.http.doors import Json

_NUMBERS = itertools.count(1)
SCRIPT: Json = {"kind": "scripted", "script": {"models": ["m", "n"], "reply": "{model}"}}


def issued(gateway: RunningGateway, *models: str, **settings: object) -> httpx.Client:
    """Return a client with a key of a new workspace, good for these models."""
    with httpx.Client(base_url=gateway.url, headers={"x-api-key": KEY}, timeout=20) as root:
        workspace = root.post("/api/workspaces", json={"slug": f"w{next(_NUMBERS)}", "settings": settings})
        assert workspace.status_code == 200, workspace.text
        body = {"name": "k", "workspace_id": workspace.json()["id"], "scopes": {"models": models}}
        key = root.post("/api/keys", json=body).json()["key"]
    return httpx.Client(base_url=gateway.url, headers={"x-api-key": key}, timeout=20)


def ask(client: httpx.Client, model: str | None) -> tuple[int, str]:
    """Return the status of a call, and who answered or the code of the error."""
    body: Json = {"messages": [{"role": "user", "content": "x"}], **({} if model is None else {"model": model})}
    answer = client.post("/v1/chat/completions", json=body)
    if answer.status_code == 200:
        return 200, answer.headers["x-narthex-model"]
    return answer.status_code, answer.json()["error"]["code"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> object:
    """A server with two models, an alias, and a virtual model of both."""
    with running(
        tmp_path_factory.mktemp("permit"),
        keys=[{"name": "root", "key": KEY}],
        providers={"demo": SCRIPT, "other": SCRIPT},
        aliases={"fast": "demo/n"},
        virtual={"both": {"members": ["demo/n", "other/m"]}},
        fallbacks={"demo/m": ["other/m"]},
        default_model="demo/m",
    ) as one:
        yield one


def test_a_key_is_held_to_its_models(gateway: RunningGateway) -> None:
    """What fits is served, by its name or another; what does not is refused with what would."""
    with issued(gateway, "demo/m") as client:
        assert ask(client, "demo/m") == (200, "demo/m")
        assert ask(client, None) == (200, "demo/m")
        assert ask(client, "demo/n") == (403, "permission_denied")
        assert ask(client, "fast") == (403, "permission_denied")
        assert ask(client, "both") == (403, "permission_denied")


def test_an_alias_that_is_allowed_leads_where_it_leads(gateway: RunningGateway) -> None:
    """Who may use a name may use what it stands for, and not that by its own name."""
    with issued(gateway, "fast", "both") as client:
        assert ask(client, "fast") == (200, "demo/n")
        assert ask(client, "demo/n")[0] == 403
        assert ask(client, "both")[0] == 200


def test_of_several_members_those_are_asked_that_are_allowed(gateway: RunningGateway) -> None:
    """A virtual model serves a key with those of its members that the key may use."""
    with issued(gateway, "other/*") as client:
        assert [ask(client, "both") for _ in range(3)] == [(200, "other/m")] * 3


def test_a_workspace_has_its_models(gateway: RunningGateway) -> None:
    """Its default model is for calls that name none, its provider for plain names; what it allows is a bound too."""
    settings = {"default_model": "other/n", "default_provider": "other", "allowed_models": ["other/*"]}
    with issued(gateway, **settings) as client:
        assert ask(client, None) == (200, "other/n")
        assert ask(client, "m") == (200, "other/m")
        assert ask(client, "demo/m")[0] == 403


def test_nobody_falls_back_to_what_is_not_allowed(tmp_path: Path) -> None:
    """A model that fails is not stood in for by one that the key may not use; without the bound it is."""
    with recovering(
        tmp_path,
        keys=[{"name": "root", "key": KEY}],
        providers={
            "down": {"kind": "scripted", "script": {"models": ["m"], "faults": [{"fault": "fail"}]}},
            "other": SCRIPT,
        },
        fallbacks={"down/m": ["other/m"]},
        default_model="down/m",
    ) as gateway:
        with issued(gateway) as client:
            assert ask(client, "down/m") == (200, "other/m")
        with issued(gateway, "down/*") as client:
            assert ask(client, "down/m")[0] >= 500
