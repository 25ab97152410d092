"""The real models in the real engine: SmolLM2 and MiniLM, whole, streamed, counted, stopped and brought down."""

from __future__ import annotations

import asyncio
import json
import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import httpx
import pytest

from narthex.config.settings import EmbeddedSettings
from narthex.errors import ContextTooLong, InternalError, InvalidRequest, ModelUnavailable
from narthex.providers.contract import Call, StreamReply, Timeouts, WholeReply
from narthex.providers.embedded.provider import EmbeddedProvider
from narthex.types.answers import ChatAnswer, FinishReason
from narthex.types.dialects import Dialect, Operation
from narthex.types.folding import fold
from narthex.types.messages import Text, ToolCall
from narthex.wire.openai_chat import OPENAI_CHAT
from tests.gateways import running
from tests.proof.waiting import until

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(180)]

Body = dict[str, object]

WEATHER: Body = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


@asynccontextmanager
async def _provider(models_dir: Path, **settings: object) -> AsyncIterator[EmbeddedProvider]:
    chosen = EmbeddedSettings.model_validate({"context_tokens": 1_024, **settings})
    provider = EmbeddedProvider(chosen, models_dir)
    try:
        yield provider
    finally:
        await provider.aclose()


def _call(body: Body, model: str) -> Call:
    is_chat = "messages" in body
    return Call(
        operation=Operation.CHAT if is_chat else Operation.EMBED,
        model=model,
        dialect=Dialect.OPENAI_CHAT if is_chat else Dialect.OPENAI_EMBEDDINGS,
        body=json.dumps({"model": model, **body}).encode(),
        stream=bool(body.get("stream")),
        timeouts=Timeouts(),
    )


def _said(text: str, **more: object) -> Body:
    return {"messages": [{"role": "user", "content": text}], "temperature": 0, "seed": 1, "max_tokens": 12, **more}


async def _whole(provider: EmbeddedProvider, body: Body) -> ChatAnswer:
    reply = await provider.send(_call(body, "smollm2"))
    assert isinstance(reply, WholeReply)
    return OPENAI_CHAT.decode_answer(reply.body)


async def _pieces(provider: EmbeddedProvider, body: Body) -> list[bytes]:
    reply = await provider.send(_call({**body, "stream": True}, "smollm2"))
    assert isinstance(reply, StreamReply)
    pieces: list[bytes] = []
    await reply.pump(pieces.append)
    return pieces


async def _vectors(provider: EmbeddedProvider, *texts: str) -> list[list[float]]:
    reply = await provider.send(_call({"input": list(texts)}, "minilm"))
    assert isinstance(reply, WholeReply)
    return [cast("list[float]", one["embedding"]) for one in json.loads(reply.body)["data"]]


def _text(answer: ChatAnswer, choice: int = 0) -> str:
    return "".join(part.text for part in answer.choices[choice].message.parts if isinstance(part, Text))


def _calls(answer: ChatAnswer) -> list[ToolCall]:
    return [part for part in answer.choices[0].message.parts if isinstance(part, ToolCall)]


async def _settled(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the engine is in another process
            await asyncio.sleep(0.01)


def _process(provider: EmbeddedProvider, model: str = "smollm2") -> int:
    """Return the engine's process."""
    return cast("int", provider._engines[model]._native._process.pid)  # type: ignore[union-attr]  # it is loaded


def _cpu_ticks(process: int) -> int:
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


async def test_streams_the_answer_it_gives_whole(models_dir: Path) -> None:
    """Word by word or at once, with the same seed it is the same answer, with the same usage."""
    async with _provider(models_dir) as provider:
        whole = await _whole(provider, _said("Say hello."))
        pieces = await _pieces(provider, _said("Say hello.", stream_options={"include_usage": True}))
    streamed = fold(OPENAI_CHAT.parser().feed(b"".join(pieces)))
    assert len(pieces) > 3
    assert _text(whole) == _text(streamed) != ""
    assert whole.model == streamed.model == "smollm2"
    assert whole.usage is not None
    assert streamed.usage is not None
    assert whole.usage.input_tokens == streamed.usage.input_tokens
    assert streamed.usage.cache_read_tokens > 0


async def test_four_at_once_are_all_answered(models_dir: Path) -> None:
    """Together, each gets the whole answer to its own question."""
    async with _provider(models_dir) as provider:
        answers = await asyncio.gather(*(_pieces(provider, _said(f"Count from {n}.")) for n in range(4)))
    for pieces in answers:
        assert fold(OPENAI_CHAT.parser().feed(b"".join(pieces))).choices[0].finish_reason is not None


async def test_leaving_stops_the_engine(models_dir: Path) -> None:
    """Cancelled while it writes or while it reads the prompt, the engine comes to rest, and serves the next."""
    async with _provider(models_dir) as provider:
        await _whole(provider, _said("Hi", max_tokens=1))
        for body in (_said("Tell a long story.", max_tokens=900), _said("word " * 900, max_tokens=50)):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await _pieces(provider, body)
            engine = provider._engines["smollm2"]
            await _settled(lambda: engine.state == "idle")  # noqa: B023 - awaited within the turn
            process = _process(provider)
            before = -1
            # Ten times what is left of the batch that it was in the middle of.
            for _ in range(80):
                now = _cpu_ticks(process)
                if now == before:
                    break
                before = now
                await asyncio.sleep(0.1)
            else:
                pytest.fail("the engine goes on working for nobody")
        assert _text(await _whole(provider, _said("Say hello."))) != ""


async def test_a_schema_is_kept(models_dir: Path) -> None:
    """Whatever the model knows, the answer is JSON of the schema, references and all."""
    schema = {
        "type": "object",
        "properties": {
            "city": {"$ref": "#/$defs/name"},
            "size": {"enum": ["small", "big"]},
            "rank": {"type": "integer"},
        },
        "required": ["city", "size", "rank"],
        "additionalProperties": False,
        "$defs": {"name": {"type": "string", "maxLength": 20}},
    }
    form = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema}}
    async with _provider(models_dir) as provider:
        answer = json.loads(_text(await _whole(provider, _said("Paris", response_format=form, max_tokens=200))))
        free = json.loads(
            _text(await _whole(provider, _said("Paris", response_format={"type": "json_object"}, max_tokens=400)))
        )
        bad = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nope"}}}
        with pytest.raises(InvalidRequest, match="unrecognized type"):
            await _whole(provider, _said("Paris", response_format=bad))
    assert set(answer) == {"city", "size", "rank"}
    assert answer["size"] in ("small", "big")
    assert isinstance(answer["rank"], int)
    assert isinstance(free, dict)


async def test_tools_are_called(models_dir: Path) -> None:
    """A required tool is called with arguments of its schema, whole and in fragments; `none` calls nothing."""
    question = "What is the weather in Paris?"
    async with _provider(models_dir) as provider:
        asked = _said(question, tools=[WEATHER], tool_choice="required", parallel_tool_calls=False, max_tokens=100)
        whole = await _whole(provider, asked)
        pieces = await _pieces(provider, asked)
        none = await _whole(provider, _said(question, tools=[WEATHER], tool_choice="none"))
    streamed = fold(OPENAI_CHAT.parser().feed(b"".join(pieces)))
    for answer in (whole, streamed):
        assert answer.choices[0].finish_reason is FinishReason.TOOL_CALLS
        (call,) = _calls(answer)
        assert call.name == "get_weather"
        assert list(json.loads(call.arguments)) == ["city"]
    assert sum(b'"arguments"' in piece for piece in pieces) > 2
    assert _calls(none) == []
    assert _text(none) != ""


async def test_a_result_is_taken_into_account(models_dir: Path) -> None:
    """A conversation with calls and results, as clients send it back, is answered; going round ends in words."""
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}
    turn: list[Body] = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "18 degrees, sunny"},
    ]
    body = _said("What is the weather in Paris?", tools=[WEATHER], max_tokens=100)
    body["messages"] = [*cast("list[Body]", body["messages"]), *turn, *turn]
    async with _provider(models_dir) as provider:
        answer = await _whole(provider, body)
    assert _calls(answer) == []
    assert _text(answer) != ""


async def test_choices_stops_and_probabilities(models_dir: Path) -> None:
    """`n`, `stop`, `seed` and `logprobs` do what they say."""
    async with _provider(models_dir) as provider:
        several = await _whole(provider, _said("Hi", n=2, logprobs=True, top_logprobs=2, temperature=1, max_tokens=4))
        again = await _whole(provider, _said("Hi", n=2, temperature=1, max_tokens=4))
        text = _text(await _whole(provider, _said("Count: one two three", max_tokens=30)))
        word = text.split()[3]
        cut = await _whole(provider, _said("Count: one two three", max_tokens=30, stop=[word]))
    assert len(several.choices) == 2
    logprobs = several.choices[0].logprobs
    assert logprobs is not None
    assert all(len(token.top) == 2 and token.logprob <= 0 for token in logprobs)
    assert [_text(several, n) for n in range(2)] == [_text(again, n) for n in range(2)]
    assert word not in _text(cut)
    assert text.startswith(_text(cut))


async def test_tokens_are_counted_exactly(models_dir: Path) -> None:
    """The count before a call is the usage reported after it: with a system prompt, tools, results, any script."""
    bodies = [
        _said("Hello there, wörld 🎉 <|im_end|> 你好"),
        {**_said("x"), "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]},
        _said("What is the weather?", tools=[WEATHER], tool_choice="auto"),
    ]
    async with _provider(models_dir) as provider:
        for body in bodies:
            request = OPENAI_CHAT.decode_request(json.dumps({"model": "smollm2", **body}).encode())
            counted = await provider.count_tokens("smollm2", request)
            answer = await _whole(provider, {**body, "max_tokens": 1})
            assert answer.usage is not None
            assert counted == answer.usage.input_tokens
        words = OPENAI_CHAT.decode_request(json.dumps({"model": "minilm", **_said("a cat")}).encode())
        # With the marks that the embedder puts before and after.
        assert await provider.count_tokens("minilm", words) == 4


async def test_vectors_tell_likeness(models_dir: Path) -> None:
    """Of length one, 384 numbers, and nearer for texts of like meaning."""
    async with _provider(models_dir) as provider:
        cat, feline, stocks = await _vectors(
            provider, "A cat sits on the mat.", "A feline rests on a rug.", "Stock prices fell on Monday."
        )
        (alone,) = await _vectors(provider, "A cat sits on the mat.")

    def likeness(one: list[float], other: list[float]) -> float:
        return math.fsum(x * y for x, y in zip(one, other, strict=True))

    assert len(cat) == 384
    for vector in (cat, feline, stocks):
        assert likeness(vector, vector) == pytest.approx(1, abs=1e-4)
    assert likeness(cat, feline) > likeness(cat, stocks) + 0.2
    assert likeness(cat, alone) == pytest.approx(1, abs=1e-3)


async def test_what_does_not_fit_is_told_in_tokens(models_dir: Path) -> None:
    """Prompts and texts beyond the window are refused with both numbers, and with the input at fault."""
    async with _provider(models_dir) as provider:
        with pytest.raises(ContextTooLong, match=r"1024 tokens.*\d{4} tokens"):
            await _whole(provider, _said("word " * 2_000))
        with pytest.raises(ContextTooLong, match="512 tokens") as caught:
            await _vectors(provider, "short", "word " * 600)
        assert caught.value.param == "input.1"


async def test_unloads_and_loads_again(models_dir: Path) -> None:
    """Left alone, the process of the engine is gone; the next call brings it back."""
    async with _provider(models_dir, idle_unload_s=0.05) as provider:
        for _ in range(2):
            await _whole(provider, _said("Hi", max_tokens=1))
            process = _process(provider)
            await _settled(lambda: provider._engines["smollm2"].state == "unloaded")
            await _settled(lambda: not Path(f"/proc/{process}").exists())  # noqa: B023 - awaited within the turn


async def test_a_fault_of_the_engine_is_survived(models_dir: Path) -> None:
    """Killed in the middle of an answer, the answer fails, and the next call is answered."""
    async with _provider(models_dir) as provider:
        reply = await provider.send(_call(_said("Tell a story.", max_tokens=900, stream=True), "smollm2"))
        assert isinstance(reply, StreamReply)
        os.kill(_process(provider), signal.SIGKILL)
        with pytest.raises(InternalError, match="ended unexpectedly"):
            await reply.pump(lambda _: None)
        assert _text(await _whole(provider, _said("Say hello."))) != ""


async def test_damaged_weights_are_told(models_dir: Path, tmp_path: Path) -> None:
    """A file that was cut is refused by its size; one whose inside is nonsense by the engine; each with the remedy."""
    cut = tmp_path / "smollm2.gguf"
    cut.write_bytes((models_dir / "smollm2.gguf").read_bytes()[:1_000_000])
    own = tmp_path / "own.gguf"
    shutil.copy(models_dir / "smollm2.gguf", own)
    with own.open("r+b") as file:
        found = file.read(4_000_000).index(b"blk.0.attn_q.weight")
        file.seek(found)
        file.write(b"xxx")
    async with _provider(tmp_path) as provider:
        with pytest.raises(ModelUnavailable, match="narthex models install smollm2"):
            await _whole(provider, _said("Hi"))
        with pytest.raises(ModelUnavailable, match="damaged"):
            await provider.send(_call(_said("Hi"), "own"))
        assert provider.health().status == "degraded"


async def test_the_loop_is_free_while_a_model_loads(models_dir: Path) -> None:
    """Loading is another process's work: the event loop turns many times meanwhile."""
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)
            turns += 1

    async with _provider(models_dir) as provider:
        turning = asyncio.ensure_future(turn())
        await _whole(provider, _said("Hi", max_tokens=1))
        turning.cancel()
    # In this process, loading would hold the interpreter for nearly all of its time, and allow a handful of turns.
    assert turns > 50


@pytest.mark.parametrize("end", ["", "os.kill(os.getpid(), signal.SIGKILL)"], ids=["unclosed", "killed"])
def test_no_engine_outlives_its_server(models_dir: Path, end: str) -> None:
    """Ended without a goodbye, or killed, the server takes the engine with it."""
    program = f"""
import asyncio, os, signal
from pathlib import Path
from narthex.providers.embedded.native import NativeOptions, open_native
path = Path({str(models_dir / "minilm.gguf")!r})
model = open_native(NativeOptions(path=path, kind="embeddings", threads=1, context_tokens=512, parallel=1))
print(model._process.pid, flush=True)
{end}
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert ran.stderr == ""
    process = Path(f"/proc/{ran.stdout.strip()}")

    async def gone() -> None:
        await _settled(lambda: not process.exists())

    asyncio.run(gone())


# -- the same question in other words ----------------------------------------------------------------------------------


@pytest.fixture
def asker(models_dir: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a server that answers questions which mean the same, by the real embedder."""
    semantic = {"enabled": True, "budget_ms": 10_000, "sampled_percent": 0}
    changes: dict[str, object] = {
        "embedded": {"enabled": True, "models_dir": models_dir},
        "providers": {"s": {"kind": "scripted"}},
        "cache": {"semantic": semantic},
    }
    with running(tmp_path, **changes) as gateway, httpx.Client(base_url=gateway.url, timeout=60) as client:
        yield client


def test_the_embedder_finds_the_same_question_and_no_other(asker: httpx.Client) -> None:
    """Over HTTP: asked in other words it is answered again; with another number, another name or denied it is not."""

    def how(text: str) -> str:
        body = {"model": "s/scripted", "temperature": 0, "messages": [{"role": "user", "content": text}]}
        return asker.post("/v1/chat/completions", json=body).headers["x-narthex-cache"]

    assert how("What is the capital of France?") == "MISS"
    assert how("How do I reset my router?") == "MISS"
    until(lambda: asker.get("/api/cache/stats").json()["semantic"]["questions"] == 2)
    for text in (
        "How do I reset my router in 3 steps?",
        "How do I not reset my router?",
        "What's the capital of Spain?",
    ):
        assert how(text) == "MISS"
    assert how("How can I reset my router?") == "SEMANTIC HIT"
    assert how("hi, what is the best way to reset a router?") == "SEMANTIC HIT"
    reasons = [miss["semantic"] for miss in asker.get("/api/cache/misses").json()["data"]]
    assert reasons[1:3] == ["negation", "number"]
