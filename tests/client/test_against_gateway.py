"""Both clients against the real server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import cast

import jsonschema_rs
import pytest

from narthex.client.routes import Route
from narthex.client.values import Generation, GenerationEvent, Liveness, Model, Status
from narthex.errors import AuthenticationFailed, ModelNotFound, NarthexError, ProviderLimited, ProviderOverloaded
from narthex.testing import RunningGateway, running_gateway, scripted_gateway
from narthex.types.answers import ChatAnswer, EmbeddingAnswer, FinishReason
from narthex.types.events import Ended, TextDelta
from narthex.types.folding import fold
from narthex.types.messages import Text, ToolCall
from narthex.types.requests import ReasoningSettings, Tool
from tests.client.either import either

KINDS = pytest.mark.parametrize("kind", ["blocking", "nonblocking"])
SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "blue"]}, "count": {"type": "integer"}},
    "required": ["colour", "count"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    """Return a gateway whose model is scripted."""
    with scripted_gateway(reply="You said: {prompt}", directives=True, dimensions=8) as running:
        yield running


@KINDS
async def test_prompts_are_answered(kind: str, gateway: RunningGateway) -> None:
    """Whole and streamed, a prompt has the same answer, by the default model."""
    async with either(kind, gateway.url) as client:
        whole = await client.call("generate", "Hello")
        steps = await client.events("generate", "Hello")
    assert isinstance(whole, Generation)
    assert (whole.text, whole.model, whole.finish_reason) == ("You said: Hello", "scripted/scripted", "stop")
    texts = [step.text for step in steps if isinstance(step, GenerationEvent)]
    assert "".join(texts) == whole.text
    last = steps[-1]
    assert isinstance(last, GenerationEvent)
    assert last.generation is not None
    assert (last.generation.output, last.generation.usage) == (whole.output, whole.usage)


@KINDS
async def test_text_comes_as_it_is_written(kind: str, gateway: RunningGateway) -> None:
    """A model that takes its time is heard piece by piece."""
    async with either(kind, gateway.url) as client:
        steps = await client.events("generate", "[[drip 10]] [[tokens 8]]")
    assert len([step for step in steps if getattr(step, "text", "")]) > 3


@KINDS
async def test_json_fits_its_schema(kind: str, gateway: RunningGateway) -> None:
    """A generation in JSON comes parsed."""
    async with either(kind, gateway.url) as client:
        found = await client.call("generate", "Some", format="json", schema=SCHEMA)
    assert isinstance(found, Generation)
    assert jsonschema_rs.is_valid(SCHEMA, found.output)


@KINDS
async def test_conversations_are_continued(kind: str, gateway: RunningGateway) -> None:
    """Whole and streamed, with tools and reasoning, a chat is what the model said."""
    tool = Tool(name="clock", parameters={"type": "object", "properties": {"zone": {"type": "string"}}})
    async with either(kind, gateway.url) as client:
        whole = await client.call("chat", "What does the clock say?", tools=(tool,))
        events = await client.events("chat", "Hi", reasoning=ReasoningSettings(effort="low"))
    assert isinstance(whole, ChatAnswer)
    assert whole.choices[0].finish_reason is FinishReason.TOOL_CALLS
    assert isinstance(whole.choices[0].message.parts[0], ToolCall)
    assert isinstance(events[-1], Ended)
    folded = fold(events)  # type: ignore[arg-type]  # the harness does not know which events
    assert Text(text="You said: Hi") in folded.choices[0].message.parts
    assert folded.usage is not None


@KINDS
async def test_the_rest_answers(kind: str, gateway: RunningGateway) -> None:
    """Vectors, models, status and health come in their values."""
    async with either(kind, gateway.url) as client:
        vectors = await client.call("embed", ["one", "two"], model="scripted/scripted")
        assert isinstance(vectors, EmbeddingAnswer)
        assert [len(vector) for vector in vectors.vectors] == [8, 8]
        (model,) = cast("tuple[Model, ...]", await client.call("models"))
        assert (model.name, model.provider) == ("scripted/scripted", "scripted")
        status = await client.call("status")
        assert isinstance(status, Status)
        assert status.status == "ok"
        assert status.requests.total >= 1
        assert isinstance(await client.call("health"), Liveness)
        route = await client.call("explain", at=datetime(2026, 3, 4, tzinfo=UTC), tags=["x"])
        assert isinstance(route, Route)
        assert (route.model, route.facts["tags"]) == ("scripted/scripted", ["x"])


@KINDS
@pytest.mark.parametrize(
    ("prompt", "options", "kind_of_error"),
    [
        ("x", {"model": "scripted/nothing"}, ModelNotFound),
        ("[[fail 503]]", {}, ProviderOverloaded),
        ("[[rate_limit 7]]", {}, ProviderLimited),
    ],
)
async def test_errors_keep_their_class(
    kind: str, gateway: RunningGateway, prompt: str, options: dict[str, object], kind_of_error: type[NarthexError]
) -> None:
    """What the server raised is what the client raises, with the request's ID."""
    async with either(kind, gateway.url) as client:
        for method in ("generate", "chat"):
            with pytest.raises(kind_of_error) as caught:
                await client.call(method, prompt, **options)
            assert caught.value.request_id
            if isinstance(caught.value, ProviderLimited):
                assert caught.value.retry_after_s == pytest.approx(7)
                assert caught.value.retryable


@KINDS
@pytest.mark.parametrize("fault", ["disconnect 2", "truncate 2", "corrupt 2", "stream_error 2"])
@pytest.mark.parametrize("method", ["generate", "chat"])
async def test_a_stream_that_breaks_raises(kind: str, gateway: RunningGateway, method: str, fault: str) -> None:
    """However the model breaks off, what came before it is handed out, and then the client raises."""
    async with either(kind, gateway.url) as client:
        stream = await client.open(method, f"[[{fault}]] a few words for it to say")
        seen: list[object] = []
        with pytest.raises(NarthexError):
            await stream.read_into(seen)
    assert any(isinstance(step, TextDelta) or getattr(step, "text", "") for step in seen)
    assert not any(isinstance(step, Ended) or getattr(step, "done", False) for step in seen)


@KINDS
async def test_leaving_frees_the_server(kind: str, gateway: RunningGateway) -> None:
    """An answer that is left does not go on."""
    async with either(kind, gateway.url) as client:
        stream = await client.open("generate", "[[drip 5]] [[tokens 1000]]")
        await stream.next()
        await stream.close()
        deadline = time.monotonic() + 5
        while True:
            status = await client.call("status")
            assert isinstance(status, Status)
            if status.requests.active == 0:
                break
            assert time.monotonic() < deadline


@KINDS
async def test_keys_are_presented(kind: str) -> None:
    """A gateway with keys lets in who has one."""
    key = "a-key-of-some-length"
    with running_gateway({"keys": [{"name": "me", "key": key}]}) as gateway:
        async with either(kind, gateway.url) as client:
            with pytest.raises(AuthenticationFailed):
                await client.call("models")
        async with either(kind, gateway.url, api_key=key) as client:
            assert await client.call("models") == ()
