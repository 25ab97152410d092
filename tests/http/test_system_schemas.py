"""The schemas of probes and of the status, held against what the API answers."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import jsonschema_rs
import pytest
from jsonschema_rs import Draft202012Validator

from narthex.http.schemas import SCHEMAS, ref
from narthex.http.system_schemas import SYSTEM
from tests.http.doors import DEMO, Json, house


def fits(name: str, value: object) -> bool:
    """Return whether a value is as the document says."""
    components = {"schemas": {**SCHEMAS, **SYSTEM}}
    return Draft202012Validator({**ref(name), "components": components}).is_valid(value)


@pytest.mark.parametrize("name", sorted(SYSTEM))
def test_every_schema_is_a_schema(name: str) -> None:
    """Each is well-formed JSON Schema."""
    jsonschema_rs.meta.validate({**SYSTEM[name], "$schema": "https://json-schema.org/draft/2020-12/schema"})


@pytest.mark.parametrize(
    ("path", "name"), [("/health", "Probe"), ("/readyz", "Probe"), ("/api/system/status", "SystemStatus")]
)
async def test_answers_are_as_documented(tmp_path: Path, path: str, name: str) -> None:
    """Each route answers what its schema says, with no field more."""
    async with house(tmp_path) as opened:
        answer = (await opened.client.get(path)).json()
    assert fits(name, answer)
    assert not fits(name, {**answer, "more": 1})


async def test_keys_are_told_as_documented(tmp_path: Path) -> None:
    """A provider with several keys is described with each of them, and with nothing else of them."""
    many = {"kind": "openai", "base_url": "http://127.0.0.1:9/v1", "models": ["a"], "api_keys": ["sk-1", "sk-2"]}
    async with house(tmp_path, providers={"demo": DEMO, "many": many}) as opened:
        status: Json = (await opened.client.get("/api/system/status")).json()
    told = cast("list[Json]", status["providers"])[1]
    keys = cast("list[Json]", told["keys"])
    assert fits("ProviderStatus", told)
    assert [fits("KeyStatus", key) for key in keys] == [True, True]
    assert not fits("ProviderStatus", {**told, "keys": [{**keys[0], "key": "sk-1"}]})
    assert not fits("ProviderStatus", {name: value for name, value in told.items() if name != "keys"})
