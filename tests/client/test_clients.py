"""What both clients promise, held by one suite over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from narthex.client.values import Generation, GenerationEvent, Liveness, Status
from narthex.errors import (
    AuthenticationFailed,
    BodyTooLarge,
    BrokenAnswer,
    ClientError,
    GatewayTimeout,
    GatewayUnreachable,
    ModelNotFound,
    NarthexError,
    Overloaded,
    ProviderTimeout,
)
from narthex.testing import ScriptedUpstream
from narthex.testing.acts import (
    Answer,
    Close,
    Reset,
    Stall,
    cut,
    cut_after,
    hung_up,
    silent,
    split,
    streamed,
    then,
    whole,
)
from narthex.testing.wires import as_json, openai_frames
from narthex.types.answers import ChatAnswer, EmbeddingAnswer
from narthex.types.events import Ended, TextDelta
from narthex.types.messages import Text
from tests.client.answers import MODEL, STATUS, error_body, event, failed, generated, generation_frames
from tests.client.either import either

KINDS = pytest.mark.parametrize("kind", ["blocking", "nonblocking"])


@pytest.fixture
def gateway() -> Iterator[ScriptedUpstream]:
    """Return what stands for a gateway."""
    with ScriptedUpstream() as running:
        yield running


@KINDS
async def test_generates(kind: str, gateway: ScriptedUpstream) -> None:
    """A prompt is answered by a generation, asked with key and options."""
    gateway.play(generated())
    async with either(kind, gateway.url, api_key="secret-key") as client:
        found = await client.call("generate", "Why is the sky blue?", model="local/smollm2", max_output_tokens=9)
    assert isinstance(found, Generation)
    assert found.text == "Blue, mostly."
    (request,) = gateway.requests
    assert (request.method, request.path) == ("POST", "/api/generate")
    assert request.headers["authorization"] == "Bearer secret-key"
    assert request.json()["max_output_tokens"] == 9


@KINDS
async def test_streams_a_generation(kind: str, gateway: ScriptedUpstream) -> None:
    """A streamed prompt gives its text as it comes, and the whole generation at the end."""
    gateway.play(split(generated(generation_frames("Blue, ", "mostly.")), bytes_each=7))
    async with either(kind, gateway.url) as client:
        stream = await client.open("generate", "Why?")
        events = [event async for event in stream]
        assert stream.stream.request_id == "req_head"
    steps = [event for event in events if isinstance(event, GenerationEvent)]
    assert [step.text for step in steps] == ["Blue, ", "mostly.", ""]
    assert steps[-1].generation is not None
    assert steps[-1].generation.model == "local/smollm2"


@KINDS
async def test_chats(kind: str, gateway: ScriptedUpstream) -> None:
    """A conversation is continued whole, in the inner vocabulary."""
    async with either(kind, gateway.url) as client:
        found = await client.call("chat", "Hi", model="m", temperature=0.5)
    assert isinstance(found, ChatAnswer)
    assert found.choices[0].message.parts == (Text(text="Hello from upstream."),)
    assert gateway.requests[0].json()["temperature"] == 0.5


@KINDS
async def test_streams_a_chat(kind: str, gateway: ScriptedUpstream) -> None:
    """And as it comes, to its end."""
    async with either(kind, gateway.url) as client:
        events = await client.events("chat", "Hi")
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Hello from upstream."
    assert isinstance(events[-1], Ended)


@KINDS
async def test_asks_the_rest(kind: str, gateway: ScriptedUpstream) -> None:
    """Vectors, models, status and health are asked and read."""
    async with either(kind, f"{gateway.url}/behind/a/proxy/") as client:
        vectors = await client.call("embed", ["a", "b"], model="e")
        assert isinstance(vectors, EmbeddingAnswer)
        assert len(vectors.vectors) == 2
        gateway.play(whole(as_json({"data": [MODEL]})), whole(as_json(STATUS)), whole(b'{"status":"ok","version":"1"}'))
        models = await client.call("models")
        assert isinstance(models, tuple)
        assert isinstance(await client.call("status"), Status)
        assert await client.call("health") == Liveness(status="ok", version="1")
    assert [request.path for request in gateway.requests] == [
        f"/behind/a/proxy{path}" for path in ("/v1/embeddings", "/api/models", "/api/system/status", "/health")
    ]


@KINDS
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (401, "invalid_api_key", AuthenticationFailed),
        (404, "model_not_found", ModelNotFound),
        (503, "overloaded", Overloaded),
        (504, "provider_timeout", ProviderTimeout),
    ],
)
async def test_errors_are_typed(
    kind: str, gateway: ScriptedUpstream, status: int, code: str, error: type[NarthexError], *, streaming: bool
) -> None:
    """The gateway's error comes back as its class with all facts, and the connection lives on."""
    gateway.play(failed(status, "Because.", code=code, param="model"), generated())
    async with either(kind, gateway.url) as client:
        with pytest.raises(error, match="Because") as caught:
            await (client.open if streaming else client.call)("generate", "x")
        assert (caught.value.status, caught.value.param) == (status, "model")
        assert (caught.value.request_id, caught.value.retry_after_s) == ("req_body", 3)
        await client.call("generate", "again")
    assert gateway.opened == 1


@KINDS
@pytest.mark.parametrize("method", ["generate", "chat"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda frames: streamed(frames[:-2]),
        lambda frames: cut_after(streamed(frames), sends=3),
        lambda frames: cut_after(streamed(frames), sends=3, by=Reset()),
        lambda frames: (*streamed(frames[:2], ended=False), Close()),
        lambda frames: cut(streamed(frames), after_bytes=len(b"".join(frames)) // 2),
    ],
    ids=["clean end", "closed", "reset", "no last chunk", "inside a frame"],
)
async def test_a_broken_stream_never_looks_whole(
    kind: str, gateway: ScriptedUpstream, method: str, spoil: Callable[[list[bytes]], Answer]
) -> None:
    """However a stream breaks off, iterating raises, and what came before does not end as an answer ends."""
    frames = generation_frames("a", "b", "c") if method == "generate" else openai_frames("a b c", usage=False)
    gateway.play(spoil(frames))
    seen: list[object] = []
    async with either(kind, gateway.url) as client:
        stream = await client.open(method, "x")
        with pytest.raises(ClientError):
            await stream.read_into(seen)
        assert await stream.next() is None
    assert not any(isinstance(step, Ended) or getattr(step, "done", False) for step in seen)


@KINDS
async def test_an_error_inside_a_stream_is_raised(kind: str, gateway: ScriptedUpstream) -> None:
    """What the gateway reports after it began is raised where it comes."""
    frames = [*generation_frames("a")[:1], event("error", error_body("Gone.", code="provider_timeout"))]
    gateway.play(generated(frames))
    async with either(kind, gateway.url) as client:
        stream = await client.open("generate", "x")
        assert await stream.next() == GenerationEvent(text="a")
        with pytest.raises(ProviderTimeout, match="Gone"):
            await stream.next()


@KINDS
@pytest.mark.parametrize(
    "answer",
    [hung_up(), cut(generated(), after_bytes=20), cut(generated(), after_bytes=150), whole(b"<html>Welcome</html>")],
    ids=["nothing", "half a head", "half a body", "not a gateway"],
)
async def test_a_broken_answer_is_told(kind: str, gateway: ScriptedUpstream, answer: Answer) -> None:
    """An answer that is cut or something else raises, and is not asked for again."""
    gateway.play(answer)
    async with either(kind, gateway.url) as client:
        with pytest.raises(BrokenAnswer):
            await client.call("generate", "x")
    assert len(gateway.requests) == 1


@KINDS
async def test_an_early_answer_is_heard(kind: str) -> None:
    """A gateway that refuses a body before it has read it is heard, not taken for a broken connection."""
    body = as_json(error_body("Too large.", code="body_too_large"))
    head = b"HTTP/1.1 413 No\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)

    left = asyncio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + body)
        writer.write_eof()
        with contextlib.suppress(ConnectionError):
            # What was sent so far is read, so that closing does not break off the answer.
            while await reader.read(65_536):
                pass
        writer.close()
        left.set()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with either(kind, f"http://127.0.0.1:{port}") as client:
        with pytest.raises(BodyTooLarge, match="Too large"):
            await client.call("generate", "x" * 20_000_000)
    await left.wait()
    server.close()
    await server.wait_closed()


@KINDS
async def test_silence_ends_in_a_timeout(kind: str, gateway: ScriptedUpstream) -> None:
    """Nobody is waited for longer than `timeout_s`, before the answer or inside it."""
    gateway.play(silent(), cut_after(generated(generation_frames("a", "b")), sends=2, by=Stall()))
    async with either(kind, gateway.url, timeout_s=0.1) as client:
        with pytest.raises(GatewayTimeout, match=r"nothing for 0\.1 s"):
            await client.call("generate", "x")
        stream = await client.open("generate", "x")
        assert await stream.next() == GenerationEvent(text="a")
        with pytest.raises(GatewayTimeout):
            await stream.next()
    await gateway.disconnected(answers=2)


@KINDS
async def test_nothing_listens(kind: str) -> None:
    """Where no gateway is, the message says how to start one."""
    with ScriptedUpstream() as gone:
        url = gone.url
    async with either(kind, url) as client:
        with pytest.raises(GatewayUnreachable, match="narthex serve"):
            await client.call("health")


@KINDS
async def test_connections_are_used_again(kind: str, gateway: ScriptedUpstream) -> None:
    """Whole and streamed answers leave their connection to the next call."""
    gateway.play(generated(), generated(generation_frames("a")), generated())
    async with either(kind, gateway.url) as client:
        await client.call("generate", "1")
        await client.events("generate", "2")
        await client.call("generate", "3")
    assert gateway.opened == 1
    await gateway.all_closed()


@KINDS
async def test_a_connection_that_ended_is_not_used(kind: str, gateway: ScriptedUpstream) -> None:
    """A kept connection that the gateway has closed meanwhile costs nothing but a new one."""
    gateway.play(then(generated(), Close()), generated())
    async with either(kind, gateway.url) as client:
        await client.call("generate", "1")
        await gateway.all_closed()
        await client.call("generate", "2")
    assert gateway.opened == 2


@KINDS
async def test_leaving_a_stream_ends_it(kind: str, gateway: ScriptedUpstream) -> None:
    """Whoever leaves an answer closes its connection, and the gateway notices."""
    gateway.play(streamed([*generation_frames("a")[:1], *[b": still here\n\n"] * 1_000], delay_s=0.02))
    async with either(kind, gateway.url) as client:
        stream = await client.open("generate", "x")
        assert await stream.next() == GenerationEvent(text="a")
        left_at = time.monotonic()
        await stream.close()
        assert await gateway.disconnected() >= left_at
        assert await stream.next() is None


@KINDS
async def test_tls_is_verified(kind: str, tmp_path: Path) -> None:
    """A gateway behind TLS is talked to only if its certificate is trusted."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    with ScriptedUpstream(tls=server) as gateway:
        gateway.always(generated())
        async with either(kind, gateway.url, ca_file=str(ca_file)) as client:
            assert isinstance(await client.call("generate", "x"), Generation)
        async with either(kind, gateway.url) as client:
            with pytest.raises(GatewayUnreachable, match="ca_file"):
                await client.call("generate", "x")
        wrong_name = gateway.url.replace("localhost", "127.0.0.1")
        async with either(kind, wrong_name, ca_file=str(ca_file)) as client:
            with pytest.raises(GatewayUnreachable, match="TLS"):
                await client.call("generate", "x")


@KINDS
async def test_a_closed_client_asks_nothing(kind: str, gateway: ScriptedUpstream) -> None:
    """After closing, every call is refused before it is sent."""
    async with either(kind, gateway.url) as client:
        pass
    with pytest.raises(ClientError, match="closed"):
        await client.call("health")
    assert gateway.requests == []
