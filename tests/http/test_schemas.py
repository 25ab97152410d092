"""The schemas of the document, held against those who read and write what they describe."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import jsonschema_rs
import pytest
from jsonschema_rs import Draft202012Validator

from narthex.errors import InvalidRequest, NarthexError, ProviderLimited
from narthex.http.schemas import COUNT, SCHEMAS, TEXT, nullable, record, ref
from narthex.http.surfaces import error_body
from narthex.types.dialects import Dialect
from tests.http.doors import Json, house

ROUTES = {
    "GenerateRequest": "/api/generate",
    "ChatCompletionRequest": "/v1/chat/completions",
    "MessagesRequest": "/v1/messages",
    "CountTokensRequest": "/v1/messages/count_tokens",
    "EmbeddingsRequest": "/v1/embeddings",
}
"""Where a body of each schema goes."""

HI: Json = {"role": "user", "content": "Hi"}
PROMPT: Json = {"prompt": "Hi"}
CHAT: Json = {"model": "demo/m", "messages": [HI]}
MESSAGE: Json = {**CHAT, "max_tokens": 5}
CALL: Json = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOL: Json = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def validator(name: str) -> Draft202012Validator:
    """Return a validator of one schema of the document."""
    return Draft202012Validator({**ref(name), "components": {"schemas": dict(SCHEMAS)}})


def fits(name: str, value: object) -> bool:
    """Return whether a value is as the document says."""
    return validator(name).is_valid(value)


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_each_schema_is_one(name: str) -> None:
    """Every schema is valid JSON Schema as OpenAPI 3.1 has it (2020-12), and so is all that it points to."""
    jsonschema_rs.meta.validate({**SCHEMAS[name], "$schema": "https://json-schema.org/draft/2020-12/schema"})
    validator(name)


def test_the_words_that_schemas_are_made_of() -> None:
    """The building blocks say what they are called after, and leave their parts as they were."""
    shape = record({"name": TEXT, "age": nullable(COUNT)}, ("name",), description="A person.")
    check = Draft202012Validator(shape)
    assert shape["description"] == "A person."
    assert check.is_valid({"name": "A", "age": None, "more": 1})
    assert check.is_valid({"name": "A", "age": 0})
    assert not check.is_valid({"age": 1})
    assert not check.is_valid({"name": "A", "age": -1})
    assert TEXT == {"type": "string"}


ACCEPTED: list[tuple[str, Json]] = [
    ("GenerateRequest", PROMPT),
    ("GenerateRequest", {**PROMPT, "model": None, "schema": None, "root": None, "stop": None, "seed": 0}),
    ("GenerateRequest", {**PROMPT, "format": "json", "schema": {"type": "object"}, "temperature": 2}),
    ("GenerateRequest", {**PROMPT, "format": "xml", "root": "answer", "stream": True, "stop": ["END"]}),
    ("ChatCompletionRequest", CHAT),
    ("ChatCompletionRequest", {"messages": [HI], "unheard_of": 1, "user": None}),
    ("ChatCompletionRequest", {**CHAT, "stream": None, "n": 8, "stop": "END", "seed": -1, "tool_choice": "auto"}),
    ("ChatCompletionRequest", {**CHAT, "messages": [HI, {"role": "assistant", "tool_calls": [CALL]}]}),
    ("ChatCompletionRequest", {**CHAT, "messages": [{"role": "tool", "tool_call_id": "c", "content": "1"}]}),
    ("ChatCompletionRequest", {**CHAT, "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}),
    ("ChatCompletionRequest", {**CHAT, "tools": [TOOL], "response_format": {"type": "json_object"}}),
    ("MessagesRequest", MESSAGE),
    ("MessagesRequest", {**MESSAGE, "system": "Be brief.", "stop_sequences": ["END"], "temperature": 0.5}),
    ("MessagesRequest", {**MESSAGE, "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}),
    ("CountTokensRequest", CHAT),
    ("EmbeddingsRequest", {"model": "demo/m", "input": "Hi"}),
    ("EmbeddingsRequest", {"model": "demo/m", "input": ["Hi", "there"], "encoding_format": "base64"}),
]

NONSENSE: tuple[object, ...] = ({}, [], "x", None, 7)

REFUSED: list[tuple[str, object]] = [
    *itertools.product(ROUTES, NONSENSE),
    ("GenerateRequest", {"prompt": ""}),
    ("GenerateRequest", {**PROMPT, "unheard_of": 1}),
    ("GenerateRequest", {**PROMPT, "format": "yaml"}),
    ("GenerateRequest", {**PROMPT, "schema": {"type": "object"}}),
    ("GenerateRequest", {**PROMPT, "format": "json", "root": "a"}),
    ("GenerateRequest", {**PROMPT, "format": "xml", "root": "1a"}),
    ("GenerateRequest", {**PROMPT, "format": "xml", "schema": {"type": "object"}}),
    ("GenerateRequest", {**PROMPT, "temperature": 2.1}),
    ("GenerateRequest", {**PROMPT, "temperature": -0.1}),
    ("GenerateRequest", {**PROMPT, "max_output_tokens": 0}),
    ("GenerateRequest", {**PROMPT, "max_output_tokens": 1_000_001}),
    ("GenerateRequest", {**PROMPT, "seed": -1}),
    ("GenerateRequest", {**PROMPT, "seed": 2_147_483_648}),
    ("GenerateRequest", {**PROMPT, "stop": ["x"] * 17}),
    ("GenerateRequest", {**PROMPT, "stop": [""]}),
    ("ChatCompletionRequest", {**CHAT, "messages": []}),
    ("ChatCompletionRequest", {**CHAT, "messages": [{"role": "wizard", "content": "x"}]}),
    ("ChatCompletionRequest", {**CHAT, "messages": [{"role": "tool", "content": "x"}]}),
    ("ChatCompletionRequest", {**CHAT, "n": 0}),
    ("ChatCompletionRequest", {**CHAT, "temperature": "hot"}),
    ("ChatCompletionRequest", {**CHAT, "tools": [{"type": "function"}]}),
    ("MessagesRequest", CHAT),
    ("MessagesRequest", {**MESSAGE, "messages": []}),
    ("MessagesRequest", {**MESSAGE, "messages": [{"role": "wizard", "content": "x"}]}),
    ("MessagesRequest", {**MESSAGE, "max_tokens": -1}),
    ("MessagesRequest", {**MESSAGE, "messages": [{"role": "user", "content": [{"type": "tool_use"}]}]}),
    ("CountTokensRequest", {**CHAT, "messages": []}),
    ("EmbeddingsRequest", {"model": "demo/m", "input": []}),
    ("EmbeddingsRequest", {"model": "demo/m", "input": 7}),
]


@pytest.mark.parametrize(("name", "body"), ACCEPTED, ids=str)
async def test_what_fits_is_answered(tmp_path: Path, name: str, body: Json) -> None:
    """A body that the document allows is one that the server takes."""
    assert fits(name, body)
    async with house(tmp_path) as one:
        response = await one.client.post(ROUTES[name], json=body)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(("name", "body"), REFUSED, ids=str)
async def test_what_does_not_fit_is_refused(tmp_path: Path, name: str, body: object) -> None:
    """A body that the document forbids is one that the server refuses."""
    assert not fits(name, body)
    async with house(tmp_path) as one:
        response = await one.client.post(ROUTES[name], json=body)
    assert response.status_code == 400, response.text


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest("no", param="messages.0"),
        InvalidRequest(),
        NarthexError(retry_after_s=1),
        ProviderLimited("slow down", provider="up"),
    ],
    ids=str,
)
def test_errors_are_as_documented(error: NarthexError) -> None:
    """What every surface says when something is wrong is what the document says: these fields, and no others."""
    for dialect, name in ((Dialect.OPENAI_CHAT, "Error"), (Dialect.ANTHROPIC_MESSAGES, "AnthropicError")):
        body: Json = json.loads(error_body(dialect, error, "req_1"))
        validator(name).validate(body)
        assert not fits(name, {**body, "more": 1})
        assert not fits(name, {name: value for name, value in body.items() if name != "error"})


ANSWERS: list[tuple[str, str, Json | None, str]] = [
    ("GET", "/v1/models", None, "ModelList"),
    ("GET", "/v1/models/demo/m", None, "Model"),
    ("GET", "/api/models", None, "NativeModels"),
    ("POST", "/api/generate", PROMPT, "Generation"),
    ("POST", "/v1/chat/completions", CHAT, "ChatCompletion"),
    ("POST", "/v1/messages", MESSAGE, "Messages"),
    ("POST", "/v1/messages/count_tokens", CHAT, "CountTokens"),
    ("POST", "/v1/embeddings", {"model": "demo/m", "input": ["Hi", "there"]}, "Embeddings"),
]


@pytest.mark.parametrize(("method", "path", "body", "name"), ANSWERS, ids=lambda value: str(value)[:30])
async def test_answers_are_as_documented(tmp_path: Path, method: str, path: str, body: Json | None, name: str) -> None:
    """Each route answers what its schema says; another route's answer would not pass for it."""
    async with house(tmp_path, aliases={"fast": "demo/m"}) as one:
        answer = (await one.client.request(method, path, json=body)).json()
    validator(name).validate(answer)
    assert not fits(name, {"error": {"message": "x"}})
