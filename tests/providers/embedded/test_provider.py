"""The provider `local`, with a model in place of the real one."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from narthex.config.settings import EmbeddedSettings
from narthex.errors import (
    ContextTooLong,
    Failure,
    InternalError,
    InvalidRequest,
    ModelNotFound,
    ModelUnavailable,
    NarthexError,
    Overloaded,
    ProviderTimeout,
    UnsupportedContent,
)
from narthex.providers.contract import Call, StreamReply, Timeouts, WholeReply
from narthex.providers.embedded import native
from narthex.providers.embedded.provider import EmbeddedProvider
from narthex.types.dialects import Dialect, Operation
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest
from tests.providers.embedded.doubles import FakeModel, FakeOpener, answer_chunks
from tests.providers.embedded.gguf_files import chat_file, embedder_file

CHAT, VECTORS = "tiny", "vectors"
MESSAGES = [{"role": "user", "content": "hi"}]
REQUEST = ChatRequest(model=CHAT, messages=(Message(role="user", parts=(Text(text="one two three"),)),))


@asynccontextmanager
async def _provider(folder: Path, opener: FakeOpener, **settings: object) -> AsyncIterator[EmbeddedProvider]:
    (folder / f"{CHAT}.gguf").write_bytes(chat_file())
    (folder / f"{VECTORS}.gguf").write_bytes(embedder_file())
    chosen = EmbeddedSettings.model_validate({"idle_unload_s": 0, "chat_model": folder / f"{CHAT}.gguf", **settings})
    provider = EmbeddedProvider(chosen, folder, opener=opener)
    try:
        yield provider
    finally:
        await provider.aclose()


def _call(body: dict[str, object], *, model: str = CHAT, timeouts: Timeouts | None = None) -> Call:
    is_chat = "messages" in body
    return Call(
        operation=Operation.CHAT if is_chat else Operation.EMBED,
        model=model,
        dialect=Dialect.OPENAI_CHAT if is_chat else Dialect.OPENAI_EMBEDDINGS,
        body=json.dumps({"model": model, **body}).encode(),
        stream=bool(body.get("stream")),
        timeouts=timeouts or Timeouts(),
    )


async def _streamed(provider: EmbeddedProvider, body: dict[str, object]) -> bytes:
    reply = await provider.send(_call({**body, "stream": True}))
    assert isinstance(reply, StreamReply)
    heard: list[bytes] = []
    await reply.pump(heard.append)
    return b"".join(heard)


async def _whole(provider: EmbeddedProvider, call: Call) -> dict[str, object]:
    reply = await provider.send(call)
    assert isinstance(reply, WholeReply)
    assert reply.status == 200
    return cast("dict[str, object]", json.loads(reply.body))


async def test_answers_whole(tmp_path: Path) -> None:
    """One body in OpenAI's form: our name of the model, usage, nothing of the engine's own."""
    async with _provider(tmp_path, FakeOpener()) as provider:
        answer = await _whole(provider, _call({"messages": MESSAGES}))
    assert answer["model"] == CHAT
    assert answer["object"] == "chat.completion"
    assert str(answer["id"]).startswith("chatcmpl-")
    choice = cast("list[dict[str, object]]", answer["choices"])[0]
    assert cast("dict[str, object]", choice["message"])["content"] == "Hello"
    assert choice["finish_reason"] == "stop"
    usage = cast("dict[str, object]", answer["usage"])
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (3, 2, 5)
    assert not {"timings", "system_fingerprint"} & answer.keys()


async def test_answers_as_it_comes(tmp_path: Path) -> None:
    """Frames in OpenAI's form, usage where it is asked for, and the mark of the end."""
    async with _provider(tmp_path, FakeOpener()) as provider:
        plain = await _streamed(provider, {"messages": MESSAGES})
        counted = await _streamed(provider, {"messages": MESSAGES, "stream_options": {"include_usage": True}})
    frames = [json.loads(frame[6:]) for frame in plain.decode().split("\n\n")[:-2]]
    assert "".join(frame["choices"][0]["delta"].get("content") or "" for frame in frames) == "Hello"
    assert all(frame["model"] == CHAT for frame in frames)
    assert plain.endswith(b"data: [DONE]\n\n")
    assert b'"prompt_tokens"' not in plain
    assert b'"prompt_tokens":3' in counted


async def test_several_answers_at_once(tmp_path: Path) -> None:
    """As many as there are places are made together; who comes later waits, then is answered."""
    hold = threading.Event()
    model = FakeModel(hold=hold)
    async with _provider(tmp_path, FakeOpener(model), parallel=2) as provider:
        answers = asyncio.gather(*(_streamed(provider, {"messages": MESSAGES}) for _ in range(3)))
        async with asyncio.timeout(10):
            while len(model.requests) < 2:  # noqa: ASYNC110 - the double has no event
                await asyncio.sleep(0.002)
        hold.set()
        assert all(b"[DONE]" in answer for answer in await answers)


async def test_leaving_stops_the_model(tmp_path: Path) -> None:
    """A reader that leaves in the middle ends the generation, and its place is free again."""
    model = FakeModel(forever=True, chunks=answer_chunks("word")[:-2])
    async with _provider(tmp_path, FakeOpener(model), parallel=1) as provider:
        reply = await provider.send(_call({"messages": MESSAGES, "stream": True}))
        assert isinstance(reply, StreamReply)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await reply.pump(lambda _: None)
        assert await asyncio.to_thread(model.stopped.wait, 10)
        model.forever, model.chunks = False, answer_chunks("again")
        assert b"again" in await _streamed(provider, {"messages": MESSAGES})


async def test_leaving_before_the_first_word_stops_it_too(tmp_path: Path) -> None:
    """Given up while the prompt is read, the engine hears of it with the next sign of progress."""
    progress = answer_chunks()[:1]
    model = FakeModel(forever=True, chunks=progress)
    async with _provider(tmp_path, FakeOpener(model)) as provider:
        with pytest.raises(ProviderTimeout, match="first_token_s") as caught:
            await provider.send(_call({"messages": MESSAGES}, timeouts=Timeouts(first_token_s=0.05)))
        assert caught.value.failure is Failure.FIRST_TOKEN_TIMEOUT
        assert await asyncio.to_thread(model.stopped.wait, 10)
        model.stopped.clear()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await provider.send(_call({"messages": MESSAGES}))
        assert await asyncio.to_thread(model.stopped.wait, 10)


async def test_what_fails_before_the_first_word_fails_as_a_whole(tmp_path: Path) -> None:
    """Before anything is said, an error is an error and no stream."""
    model = FakeModel(chunks=[], error=ContextTooLong("too long"))
    async with _provider(tmp_path, FakeOpener(model)) as provider:
        for stream in (True, False):
            with pytest.raises(ContextTooLong, match="too long"):
                await provider.send(_call({"messages": MESSAGES, "stream": stream}))


async def test_what_fails_later_breaks_the_stream(tmp_path: Path) -> None:
    """After the first word there is no end, and the failure is raised; a whole answer is none."""
    model = FakeModel(chunks=answer_chunks("Hel")[:-2], error=InternalError("died"))
    async with _provider(tmp_path, FakeOpener(model)) as provider:
        with pytest.raises(InternalError, match="died"):
            await _streamed(provider, {"messages": MESSAGES})
        model.error = None
        with pytest.raises(InternalError, match="no end"):
            await _streamed(provider, {"messages": MESSAGES})
        with pytest.raises(InternalError, match="no end"):
            await provider.send(_call({"messages": MESSAGES}))


async def test_makes_vectors(tmp_path: Path) -> None:
    """Embeddings in OpenAI's form."""
    async with _provider(tmp_path, FakeOpener()) as provider:
        answer = await _whole(provider, _call({"input": ["a", "bcd"]}, model=VECTORS))
        packed = await _whole(provider, _call({"input": "a", "encoding_format": "base64"}, model=VECTORS))
    data = cast("list[dict[str, object]]", answer["data"])
    assert [one["embedding"] for one in data] == [[1.0, 0.5], [3.0, 0.5]]
    assert answer["model"] == VECTORS
    assert answer["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
    assert isinstance(cast("list[dict[str, object]]", packed["data"])[0]["embedding"], str)


@pytest.mark.parametrize(
    ("body", "model", "error"),
    [
        ({"messages": MESSAGES}, VECTORS, UnsupportedContent),
        ({"input": "a"}, CHAT, UnsupportedContent),
        ({"messages": MESSAGES}, "nope", ModelNotFound),
        ({"messages": MESSAGES}, "smollm2", ModelUnavailable),
        ({"input": "a"}, "minilm", ModelUnavailable),
        ({"messages": "hi"}, CHAT, InvalidRequest),
        ({"messages": MESSAGES, "n": 99}, CHAT, InvalidRequest),
        ({"input": ""}, VECTORS, InvalidRequest),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y"}}]}]},
            CHAT,
            UnsupportedContent,
        ),
    ],
)
async def test_what_it_cannot_do_is_refused(
    tmp_path: Path, body: dict[str, object], model: str, error: type[NarthexError]
) -> None:
    """Each refusal has its type, and nothing is loaded for it."""
    opener = FakeOpener()
    async with _provider(tmp_path, opener) as provider:
        with pytest.raises(error):
            await provider.send(_call(body, model=model))
    assert opener.opened == []


async def test_long_bodies_are_read_beside_the_loop(tmp_path: Path) -> None:
    """A body of many kilobytes is answered like a short one."""
    messages = [{"role": "user", "content": "word " * 10_000}]
    async with _provider(tmp_path, FakeOpener()) as provider:
        answer = await _whole(provider, _call({"messages": messages}))
    assert answer["model"] == CHAT


async def test_counts_tokens(tmp_path: Path) -> None:
    """By the model's template for chats, by its tokenizer for vectors; refusals are those of a call."""
    async with _provider(tmp_path, FakeOpener()) as provider:
        assert await provider.count_tokens(CHAT, REQUEST) == 1
        assert await provider.count_tokens(VECTORS, REQUEST) == 3
        with pytest.raises(ModelUnavailable, match="narthex models install smollm2"):
            await provider.count_tokens("smollm2", REQUEST)


async def test_too_many_are_refused(tmp_path: Path) -> None:
    """Beyond the places and the queue, a call is told to come back."""
    hold = threading.Event()
    async with _provider(tmp_path, FakeOpener(FakeModel(hold=hold)), parallel=1, max_waiting=0) as provider:
        first = asyncio.ensure_future(provider.send(_call({"messages": MESSAGES})))
        async with asyncio.timeout(10):
            while provider.health().status != "ok":  # noqa: ASYNC110 - health is what is asked
                await asyncio.sleep(0.002)
        with pytest.raises(Overloaded):
            await provider.send(_call({"messages": MESSAGES}))
        hold.set()
        await first


async def test_health_and_status_follow_the_model(tmp_path: Path) -> None:
    """Idle, loading with its progress, ready; and both tell the same."""
    opener = FakeOpener(hold=threading.Event())
    async with _provider(tmp_path, opener) as provider:
        assert provider.health().status == "idle"
        assert provider.status()["loaded"] is False
        first = asyncio.ensure_future(provider.send(_call({"messages": MESSAGES})))
        async with asyncio.timeout(10):
            while not opener.opened:  # noqa: ASYNC110 - the double has no event
                await asyncio.sleep(0.002)
        assert (provider.health().status, provider.health().detail) == ("loading", "70%")
        assert provider.status()["progress"] == pytest.approx(0.7)
        assert opener.hold is not None
        opener.hold.set()
        await first
        assert provider.health().status == "ok"
        status = provider.status()
        assert (status["installed"], status["loaded"], status["model"], status["progress"]) == (True, True, CHAT, 1.0)


async def test_a_model_that_does_not_load_is_degraded(tmp_path: Path) -> None:
    """The reason of the last failure is what health tells."""
    async with _provider(tmp_path, FakeOpener(error=ModelUnavailable("damaged; mend it"))) as provider:
        with pytest.raises(ModelUnavailable):
            await provider.send(_call({"messages": MESSAGES}))
        assert (provider.health().status, provider.health().detail) == ("degraded", "damaged; mend it")
        assert provider.status()["detail"] == "damaged; mend it"


async def test_nothing_installed_is_down_and_says_how_to_mend_it(tmp_path: Path) -> None:
    """The models are still listed, so that a call hears the remedy."""
    provider = EmbeddedProvider(EmbeddedSettings(), tmp_path / "none", opener=FakeOpener())
    assert [facts.name for facts in await provider.list_models()] == ["local/smollm2", "local/minilm"]
    health = provider.health()
    assert health.status == "down"
    assert "narthex models install smollm2" in (health.detail or "")
    assert provider.status()["installed"] is False
    await provider.aclose()


async def test_a_processor_that_will_not_do_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Health says so before anyone calls, and a call hears the same."""
    monkeypatch.setattr(native, "missing_instructions", lambda: ("avx2",))
    async with _provider(tmp_path, FakeOpener()) as provider:
        assert provider.health().status == "down"
        with pytest.raises(ModelUnavailable, match="AVX2"):
            await provider.send(_call({"messages": MESSAGES}))


async def test_runs_as_the_settings_say(tmp_path: Path) -> None:
    """Threads, window and places reach the engine; by default, all cores but one."""
    opener = FakeOpener()
    async with _provider(tmp_path, opener, threads=3, context_tokens=512, parallel=2) as provider:
        await provider.send(_call({"messages": MESSAGES}))
    (options,) = opener.opened
    assert (options.threads, options.context_tokens, options.parallel) == (3, 512, 2)


async def test_closing_ends_answers_under_way(tmp_path: Path) -> None:
    """At the end of the server nothing goes on, and nothing more is taken."""
    model = FakeModel(forever=True, chunks=answer_chunks("word")[:-2])
    async with _provider(tmp_path, FakeOpener(model)) as provider:
        reply = await provider.send(_call({"messages": MESSAGES, "stream": True}))
        assert isinstance(reply, StreamReply)
        await provider.aclose()
        assert model.is_closed
        with pytest.raises(Overloaded, match="stopping"):
            await provider.send(_call({"messages": MESSAGES}))
