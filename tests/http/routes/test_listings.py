"""The models there are: in OpenAI's shape, in Anthropic's, and in ours."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from narthex.testing.acts import whole
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import as_json, openai_models
from narthex.types.catalog import ModelFacts
from tests.http.doors import DEMO, House, Json, house

ANTHROPIC = {"anthropic-version": "2023-06-01"}
ALIASES = {"fast": "demo/m", "faster": "fast", "lost": "demo/none", "open": "up/anything"}
UP: Json = {"kind": "openai", "base_url": "http://127.0.0.1:9/v1"}
SETTINGS: Json = {"providers": {"demo": DEMO, "up": UP}, "aliases": ALIASES}


async def get(one: House, path: str, **headers: str) -> Json:
    """Return an answer's body."""
    response = await one.client.get(path, headers=headers)
    assert response.status_code == 200, response.text
    body: Json = response.json()
    return body


async def learn(one: House, *models: ModelFacts) -> None:
    """Have the house know these models, and no others, and have it ask nobody again."""
    await one.services.refresh()
    for provider in {model.provider for model in models}:
        one.gateway.catalog.learn(provider, (model for model in models if model.provider == provider), closed=True)


# -- OpenAI's ----------------------------------------------------------------------------------------------------------


async def test_openais_list(tmp_path: Path) -> None:
    """Models stand under `provider/model`, then the aliases; who owns them is the provider, as far as known."""
    async with house(tmp_path, **SETTINGS) as one:
        await learn(one, ModelFacts(id="m", provider="demo", created_at=1_700_000_000))
        body = await get(one, "/v1/models")
    entry = {"object": "model", "created": 1_700_000_000, "owned_by": "demo"}
    unknown = {"object": "model", "created": 0, "owned_by": "narthex"}
    assert body == {
        "object": "list",
        "data": [
            {"id": "demo/m", **entry},
            {"id": "fast", **entry},
            {"id": "faster", **entry},
            {"id": "lost", **unknown},
            {"id": "open", **unknown},
        ],
    }


@pytest.mark.parametrize(
    ("name", "owner"), [("demo/m", "demo"), ("fast", "demo"), ("faster", "demo"), ("m", "demo"), ("open", "narthex")]
)
async def test_one_model(tmp_path: Path, name: str, owner: str) -> None:
    """A model is shown under the name that was asked for: its own, a plain one, or an alias."""
    async with house(tmp_path, **SETTINGS) as one:
        body = await get(one, f"/v1/models/{name}")
    assert (body["id"], body["object"], body["owned_by"]) == (name, "model", owner)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("demo/n", "did you mean 'demo/m'?"),
        ("nowhere/x", "there is no model"),
        ("up/anything", "may work all the same"),
    ],
)
@pytest.mark.parametrize("headers", [{}, ANTHROPIC], ids=["openai", "anthropic"])
async def test_an_unknown_model(tmp_path: Path, name: str, words: str, headers: dict[str, str]) -> None:
    """What nothing is known about is not found, and the message says whether it may exist all the same."""
    async with house(tmp_path, **SETTINGS) as one:
        response = await one.client.get(f"/v1/models/{name}", headers=headers)
    assert response.status_code == 404
    assert words in response.json()["error"]["message"]
    assert "model_not_found" in response.text


async def test_no_name_is_no_model(tmp_path: Path) -> None:
    """The list with a slash behind it is no model without a name."""
    async with house(tmp_path, **SETTINGS) as one:
        assert (await one.client.get("/v1/models/")).status_code == 404


# -- Anthropic's -------------------------------------------------------------------------------------------------------


async def test_anthropics_list(tmp_path: Path) -> None:
    """Who sends Anthropic's version gets Anthropic's list: all on one page, with its ends and dates in ISO 8601."""
    async with house(tmp_path, **SETTINGS) as one:
        await learn(one, ModelFacts(id="m", provider="demo", created_at=1_700_000_000))
        body = await get(one, "/v1/models", **ANTHROPIC)
        single = await get(one, "/v1/models/demo/m", **ANTHROPIC)
    assert (body["has_more"], body["first_id"], body["last_id"]) == (False, "demo/m", "open")
    data = body["data"]
    assert isinstance(data, list)
    assert data[0] == single
    assert single == {
        "type": "model",
        "id": "demo/m",
        "display_name": "demo/m",
        "created_at": "2023-11-14T22:13:20Z",
    }


async def test_an_empty_list(tmp_path: Path) -> None:
    """Where there are no models the lists are empty, in each shape."""
    async with house(tmp_path, providers={}) as one:
        assert await get(one, "/v1/models") == {"object": "list", "data": []}
        assert await get(one, "/api/models") == {"object": "list", "data": []}
        empty = {"data": [], "has_more": False, "first_id": None, "last_id": None}
        assert await get(one, "/v1/models", **ANTHROPIC) == empty


@pytest.mark.parametrize("created", [-(10**15), -1, 0, None, 10**12, 10**30])
async def test_a_date_beyond_the_calendar_spoils_nothing(tmp_path: Path, created: int | None) -> None:
    """Whatever date a provider gives its model, the list is a list, and no date lies before 1970 or ahead of now."""
    async with house(tmp_path, **SETTINGS) as one:
        await learn(one, ModelFacts(id="m", provider="demo", created_at=created))
        body = await get(one, "/v1/models/demo/m", **ANTHROPIC)
        await get(one, "/v1/models")
    at = datetime.fromisoformat(str(body["created_at"]))
    assert datetime.fromtimestamp(0, UTC) <= at <= datetime.now(UTC)


# -- ours --------------------------------------------------------------------------------------------------------------


async def test_our_list(tmp_path: Path) -> None:
    """Ours says all that is known of a model, its aliases, and how its provider is."""
    facts = ModelFacts(
        id="m",
        provider="demo",
        capabilities=frozenset({"tools", "chat"}),
        context_tokens=4096,
        max_output_tokens=512,
        description="A script.",
    )
    async with house(tmp_path, **SETTINGS) as one:
        await learn(one, facts)
        body = await get(one, "/api/models")
    assert body["data"] == [
        {
            "name": "demo/m",
            "id": "m",
            "provider": "demo",
            "capabilities": ["chat", "tools"],
            "context_tokens": 4096,
            "max_output_tokens": 512,
            "dimensions": None,
            "aliases": ["fast", "faster"],
            "description": "A script.",
            "health": {"status": "ok", "detail": None},
        }
    ]


# -- asking ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/up/a", "/api/models"])
async def test_providers_are_asked_when_the_list_is(tmp_path: Path, path: str) -> None:
    """What a provider serves is asked of it when somebody wants to know, and answered with."""
    async with ScriptedUpstream() as upstream:
        upstream.always(whole(openai_models("a", "b")))
        providers = {"up": {"kind": "openai", "base_url": f"{upstream.url}/v1"}}
        async with house(tmp_path, providers=providers) as one:
            assert upstream.requests == []
            response = await one.client.get(path)
    assert response.status_code == 200
    assert "up/a" in response.text
    assert [request.path for request in upstream.requests] == ["/v1/models"]


async def test_a_provider_that_cannot_be_asked_hides_no_other(tmp_path: Path) -> None:
    """A provider that answers nonsense leaves the others on the list, and its health tells."""
    async with ScriptedUpstream() as upstream:
        upstream.always(whole(as_json({"data": 7}), status=500))
        providers = {"demo": DEMO, "up": {"kind": "openai", "base_url": f"{upstream.url}/v1"}}
        async with house(tmp_path, providers=providers) as one:
            body = await get(one, "/v1/models")
            status = await get(one, "/api/system/status")
    assert [entry["id"] for entry in cast("list[Json]", body["data"])] == ["demo/m"]
    far = cast("list[Json]", status["providers"])[1]
    assert (far["name"], cast("Json", far["health"])["status"]) == ("up", "degraded")
