"""What a workspace settles acts on its calls, through either door and on every surface."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx
import pytest

from tests.gateways import running
from tests.http.doors import Json
from tests.http.routes.accounts import SETTINGS, Root, code

ANTHROPIC = {"anthropic-version": "2023-06-01"}
PIPELINED = {"origin": "http://localhost"}
"""By this a call comes in by the ordinary door."""
HOUSE: Json = {
    **SETTINGS,
    "providers": {
        "demo": {"kind": "scripted", "script": {"models": ["m", "n"], "reply": "ok"}},
        "other": {"kind": "scripted", "script": {"models": ["m", "x"], "reply": "ok"}},
    },
    "aliases": {"fast": "demo/m", "slow": "other/x"},
    "virtual": {"mixed": {"members": ["other/x", "demo/n"]}, "far": {"members": ["other/x"]}},
    "merges": {"both": {"models": ["demo/m", "other/x"]}, "near": {"models": ["demo/m", "demo/n"]}},
}


DISK: Json = {"measure": "storage_bytes", "period": "total", "subject_kind": "workspace", "subject": "*"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """A server with two providers."""
    with running(tmp_path_factory.mktemp("settings"), **HOUSE) as gateway, Root(gateway) as one:
        yield one


def chat(client: httpx.Client, *, door: Mapping[str, object] | None = None, **more: object) -> httpx.Response:
    """Call a model."""
    body = {"messages": [{"role": "user", "content": "x"}], **more}
    headers = {name: str(value) for name, value in (door or {}).items()}
    return client.post("/v1/chat/completions", json=body, headers=headers)


def settled(root: Root, **settings: object) -> httpx.Client:
    """Return a client with a key of a new workspace with these settings."""
    return root.caller(root.workspace(settings=settings))


def names(answer: httpx.Response, member: str = "id") -> list[str]:
    """Return the models of a list."""
    assert answer.status_code == 200, answer.text
    return [str(one[member]) for one in answer.json()["data"]]


@pytest.mark.parametrize("door", [{}, PIPELINED])
def test_the_default_model_is_for_calls_that_name_none(root: Root, door: Json) -> None:
    """And the default provider is where a plain name is looked for first; what is named whole is what is meant."""
    with settled(root, default_model="demo/n", default_provider="other") as client:
        said = {"": "demo/n", "m": "other/m", "demo/m": "demo/m", "fast": "demo/m", "n": "demo/n"}
        for asked, served in said.items():
            answer = chat(client, door=door, **({"model": asked} if asked else {}))
            assert answer.headers["x-narthex-model"] == served, asked
    with root.caller(root.workspace()) as client:
        assert chat(client, door=door).headers["x-narthex-model"] == "demo/m"


def test_only_allowed_models_are_called(root: Root) -> None:
    """Whichever surface asks, and whatever name leads there; of a virtual model the members that are allowed serve."""
    bodies: Sequence[tuple[str, Json]] = (
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
        ("/v1/messages", {"messages": [{"role": "user", "content": "x"}], "max_tokens": 5}),
        ("/v1/messages/count_tokens", {"messages": [{"role": "user", "content": "x"}]}),
        ("/v1/responses", {"input": "x"}),
        ("/v1/embeddings", {"input": "x"}),
        ("/api/generate", {"prompt": "x"}),
    )
    with settled(root, allowed_models=["demo/*"]) as client:
        for path, body in bodies:
            for model in ("other/x", "slow", "far"):
                answer = client.post(path, json={**body, "model": model})
                assert answer.status_code == 403, (path, model, answer.text)
                assert "demo/*" in answer.text
            assert client.post(path, json={**body, "model": "demo/m"}).status_code != 403
        assert chat(client, model="mixed").headers["x-narthex-model"] == "demo/n"
        assert chat(client, model="near").status_code == 200


def test_lists_hold_what_may_be_called_and_no_more(root: Root) -> None:
    """Narrowed by the workspace, and by the key within it, in each shape; single models are as the lists are."""
    where = root.workspace(settings={"allowed_models": ["demo/*"]})
    with root.caller(where) as client:
        seen = names(client.get("/v1/models"))
        assert seen == ["demo/m", "demo/n", "fast", "mixed", "near"]
        assert names(client.get("/v1/models", headers=ANTHROPIC)) == seen
        assert names(client.get("/api/models"), "name") == ["demo/m", "demo/n"]
        for name in (*names(root.client.get("/v1/models")), "n", "x"):
            for headers in ({}, ANTHROPIC):
                answer = client.get(f"/v1/models/{name}", headers=headers)
                assert answer.status_code == (200 if name in {*seen, "n"} else 404), name
    with root.caller(where, scopes={"models": ["demo/n", "slow"]}) as client:
        assert names(client.get("/v1/models")) == ["demo/n", "mixed"]
    with root.caller(root.workspace(), scopes={"models": ["slow", "mixed"]}) as client:
        assert names(client.get("/v1/models")) == ["slow", "mixed"]
    with settled(root, default_provider="other") as client:
        assert client.get("/v1/models/m").json()["owned_by"] == "other"
    assert len(names(root.client.get("/v1/models"))) == 10


def lines(root: Root, key_id: object) -> list[Json]:
    """Return what the request log has of the calls of a key."""
    file = root.gateway.settings.data_dir / "logs" / "requests.jsonl"
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return [line for line in map(json.loads, text.splitlines()) if line["key"] == key_id]


def wait_for_lines(root: Root, key_id: object) -> list[Json]:
    """Return the same, once there is something."""
    deadline = time.monotonic() + 10
    while not (found := lines(root, key_id)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_a_workspace_may_keep_nothing(root: Root) -> None:
    """Its calls have no line in the request log; what asks to be kept is refused, and nothing else is."""
    where, plain = root.workspace(settings={"capture": "none"}), root.workspace()
    key, other = root.key(where), root.key(plain)
    with root.with_key(str(key["key"])) as client:
        assert chat(client).status_code == 200
        assert code(chat(client, stream=True, door={"x-narthex-record": "on"})) == (403, "permission_denied")
        assert chat(client, stream=True, door={"x-narthex-record": "off"}).status_code == 200
        for more in ({"store": True}, {"background": True}):
            assert code(client.post("/v1/responses", json={"input": "x", **more})) == (403, "permission_denied")
        made = client.post("/v1/responses", json={"input": "x"})
        assert made.status_code == 200
        assert client.get(f"/v1/responses/{made.json()['id']}").status_code == 404
        name = "stream-of-none"
        assert chat(client, stream=True, door={"x-narthex-stream-id": name}).status_code == 200
        assert client.post(f"/v1/streams/{name}/record").status_code == 403
        assert client.get("/v1/recordings").json()["data"] == []
    with root.with_key(str(other["key"])) as client:
        assert chat(client).status_code == 200
    assert [line["workspace"] for line in wait_for_lines(root, other["id"])] == [plain]
    assert lines(root, key["id"]) == []


def test_a_workspace_may_record_everything(root: Root) -> None:
    """Each answer, whether its caller asks for it or not, and of that workspace alone."""
    with settled(root, capture="content") as client, root.caller(root.workspace()) as other:
        for door in ({}, {"x-narthex-record": "off"}, PIPELINED):
            assert chat(client, stream=True, door=door).text.rstrip().endswith("[DONE]")
        assert chat(client).status_code == 200
        assert chat(other, stream=True).status_code == 200
        found = client.get("/v1/recordings").json()["data"]
        assert sorted(one["streamed"] for one in found) == [False, True, True, True]
        told = client.get(f"/v1/recordings/{found[0]['id']}")
        assert "ok" in told.text
        assert other.get("/v1/recordings").json()["data"] == []


def test_whole_answers_of_every_surface_are_recorded(root: Root) -> None:
    """Each as one event; a count of tokens is none."""
    said: Json = {"model": "demo/m", "messages": [{"role": "user", "content": "x"}]}
    with settled(root, capture="content") as client:
        for path, body in (
            ("/v1/chat/completions", said),
            ("/v1/chat/completions", {**said, "model": "both"}),
            ("/v1/messages", {**said, "max_tokens": 5}),
            ("/v1/messages/count_tokens", said),
            ("/v1/responses", {"model": "demo/m", "input": "x"}),
            ("/v1/embeddings", {"model": "demo/m", "input": "x"}),
        ):
            assert client.post(path, json=body).status_code == 200, path
        found = client.get("/v1/recordings").json()["data"]
    assert sorted(one["dialect"] for one in found) == [
        *("anthropic.messages", "openai.chat", "openai.chat", "openai.embeddings", "openai.responses")
    ]
    assert {(one["streamed"], one["status"], one["last_seq"]) for one in found} == {(False, "whole", 1)}


def test_recordings_of_whole_answers_are_as_those_of_others(root: Root) -> None:
    """They are read and played, which is noted; they take up storage, and can be deleted."""
    where = root.workspace(settings={"capture": "content"})
    with root.caller(where) as client:
        answer = chat(client, model="demo/m")
        name = answer.headers["x-request-id"]
        _, event, last = (json.loads(line) for line in client.get(f"/v1/recordings/{name}").text.splitlines())
        assert answer.text in event["data"]
        assert last["end"]["report"]["usage"]["output_tokens"] > 0
        assert f"data: {answer.text}\n\n" in client.get(f"/v1/recordings/{name}/replay?speed=max").text
        asked = {"action": "content.read", "workspace_id": where}
        events = root.client.get("/api/audit", params=asked).json()["data"]
        assert [one["target"] for one in events] == [f"recording:{name}"] * 2
        assert root.client.post("/api/limits", json={**DISK, "workspace_id": where, "amount": 600}).status_code == 200
        full = chat(client)
        assert (full.status_code, full.headers["x-narthex-not-kept"]) == (200, "storage_bytes")
        assert client.delete(f"/v1/recordings/{name}").status_code == 200
        assert client.get("/v1/recordings").json()["data"] == []


def test_where_nothing_is_recorded_calls_go_on(tmp_path: Path) -> None:
    """A workspace that wants everything recorded is no reason to refuse its calls."""
    settings: Json = {**SETTINGS, "streams": {"max_recordings": 0}}
    with running(tmp_path, **settings) as gateway, Root(gateway) as root, settled(root, capture="content") as client:
        assert chat(client, stream=True).status_code == 200


def test_settings_act_at_once(root: Root) -> None:
    """On a connection that is open, without a restart."""
    where = root.workspace()
    with root.caller(where) as client:
        assert chat(client, model="other/x").status_code == 200
        body = {"settings": {"allowed_models": ["demo/*"]}}
        assert root.client.patch(f"/api/workspaces/{where}", json=body).status_code == 200
        assert chat(client, model="other/x").status_code == 403
        body = {"settings": {"allowed_models": []}}
        assert root.client.patch(f"/api/workspaces/{where}", json=body).status_code == 200
        assert chat(client, model="other/x").status_code == 200
