"""Through both doors: models that cannot stream are streamed all the same, and it is told."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, cast

import anthropic
import httpx
import openai
import pytest
from anthropic.types import MessageParam
from openai.types.chat import ChatCompletionMessageParam

from narthex.testing.acts import delayed, whole
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import anthropic_answer, openai_answer
from tests.gateways import RunningGateway, running

TEXT = "A lighthouse keeper counts the ships that pass, and tells nobody how many there were. " * 6
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": json.dumps({"city": "Wien", "note": "a \u00fc " * 40})},
}
MESSAGES: Final[list[ChatCompletionMessageParam]] = [{"role": "user", "content": "Tell me."}]
TOLD: Final[list[MessageParam]] = [{"role": "user", "content": "Tell me."}]


@pytest.fixture
def upstreams() -> Iterator[list[ScriptedUpstream]]:
    """Open two providers that answer whole, whatever they are asked for."""
    with ExitStack() as stack:
        openly, other = (stack.enter_context(ScriptedUpstream()) for _ in range(2))
        openly.always(whole(openai_answer(TEXT)))
        other.always(whole(anthropic_answer(TEXT)))
        yield [openly, other]


@pytest.fixture
def gateway(upstreams: list[ScriptedUpstream], tmp_path: Path) -> Iterator[RunningGateway]:
    """Run a server that is told so of one provider of each wire, and of single models; `sly` says nothing."""
    first, second = upstreams
    providers = {
        "slow": {"kind": "openai", "base_url": f"{first.url}/v1", "models": ["m"], "streams": False},
        "old": {"kind": "anthropic", "base_url": second.url, "models": ["n"], "streams": False},
        "sly": {"kind": "openai", "base_url": f"{first.url}/v1", "models": ["m", "told"]},
        "demo": {"kind": "scripted", "script": {"replies": [{"reply": TEXT}]}, "streams": False},
    }
    models = {"sly/told": {"streams": False}}
    with running(tmp_path, providers=providers, models=models, timeouts={"first_token_s": 0.4}) as one:
        yield one


def openai_of(gateway: RunningGateway) -> openai.OpenAI:
    """Return OpenAI's SDK, which retries nothing itself."""
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0)


def anthropic_of(gateway: RunningGateway) -> anthropic.Anthropic:
    """Return Anthropic's SDK, which retries nothing itself."""
    return anthropic.Anthropic(base_url=gateway.url, api_key="none", max_retries=0)


def lines_of(gateway: RunningGateway, count: int) -> list[dict[str, object]]:
    """Wait for so many lines of the request log."""
    log = gateway.settings.data_dir / "logs" / "requests.jsonl"
    for _ in range(200):
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        if len(lines) >= count:
            return lines
        time.sleep(0.02)
    raise AssertionError(f"there are not {count} lines")


@pytest.mark.parametrize("ordinary", [False, True])
@pytest.mark.parametrize("model", ["slow/m", "old/n", "sly/m", "sly/told", "demo/scripted"])
def test_openai_chat(gateway: RunningGateway, model: str, *, ordinary: bool) -> None:
    """The text comes in small pieces, its usage and its end follow, and header and end tell that it is simulated."""
    create = openai_of(gateway).chat.completions.with_raw_response.create
    raw = create(
        model=model,
        messages=MESSAGES,
        stream=True,
        stream_options={"include_usage": True},
        extra_headers={"origin": gateway.url} if ordinary else {},
    )
    assert raw.headers["x-narthex-stream"] == "simulated"
    assert raw.headers["x-narthex-model"] == model
    chunks = list(raw.parse())
    said = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(said) == TEXT
    assert len(said) > 10
    assert max(map(len, said)) <= 48
    ending = next(chunk for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason)
    assert ending.choices[0].finish_reason == "stop"
    assert (ending.model_extra or {})["narthex"] == {"stream": "simulated"}
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0


@pytest.mark.parametrize("model", ["slow/m", "old/n", "demo/scripted"])
def test_anthropic_messages(gateway: RunningGateway, model: str) -> None:
    """Anthropic's SDK puts the message together, with what was read told at the beginning."""
    with anthropic_of(gateway).messages.stream(model=model, messages=TOLD, max_tokens=99) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()
    assert "".join(pieces) == TEXT
    assert len(pieces) > 10
    assert message.stop_reason == "end_turn"
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0


@pytest.mark.parametrize("model", ["slow/m", "old/n"])
def test_openai_responses(gateway: RunningGateway, model: str) -> None:
    """The events of a response come as ever, and the response says that they are simulated."""
    events = list(openai_of(gateway).responses.create(model=model, input="Tell me.", stream=True))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == TEXT
    assert len(deltas) > 10
    done = events[-1]
    assert done.type == "response.completed"
    assert (done.response.model_extra or {})["narthex"] == {"stream": "simulated"}


def test_the_provider_is_asked_for_a_whole_answer(gateway: RunningGateway, upstreams: list[ScriptedUpstream]) -> None:
    """Where the setting says so no stream is asked for; where it does not, the answer decides."""
    for model, streams in (("slow/m", False), ("sly/told", False), ("sly/m", True)):
        body = {"model": model, "messages": MESSAGES, "stream": True, "stream_options": {"include_usage": True}}
        assert httpx.post(f"{gateway.url}/v1/chat/completions", json=body).status_code == 200
        asked = upstreams[0].requests[-1].json()
        assert (asked["stream"], "stream_options" in asked) == (streams, streams)


def test_tool_calls_and_reasons_to_end(gateway: RunningGateway, upstreams: list[ScriptedUpstream]) -> None:
    """A tool call comes with its arguments in pieces, which join to what the model wrote."""
    answer = json.loads(openai_answer(""))
    answer["choices"][0] |= {
        "message": {"role": "assistant", "content": None, "tool_calls": [CALL]},
        "finish_reason": "tool_calls",
    }
    upstreams[0].always(whole(json.dumps(answer).encode()))
    chunks = list(openai_of(gateway).chat.completions.create(model="slow/m", messages=MESSAGES, stream=True))
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
    assert calls[0].id == "call_1"
    arguments = [call.function.arguments or "" for call in calls if call.function]
    assert "".join(arguments) == cast("dict[str, str]", CALL["function"])["arguments"]
    assert len(arguments) > 5
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_limits_of_a_beginning_do_not_cut_a_whole_answer(
    gateway: RunningGateway, upstreams: list[ScriptedUpstream]
) -> None:
    """What takes longer than a first token may is waited for, as it is whole; a stream's beginning is not."""
    upstreams[0].always(delayed(whole(openai_answer(TEXT)), 0.9))
    body = {"model": "slow/m", "messages": MESSAGES, "stream": True}
    assert httpx.post(f"{gateway.url}/v1/chat/completions", json=body).status_code == 200
    assert httpx.post(f"{gateway.url}/v1/chat/completions", json=body | {"model": "sly/m"}).status_code == 504


def test_errors_are_errors(gateway: RunningGateway, upstreams: list[ScriptedUpstream]) -> None:
    """A refusal, and an answer that is none, are told with their status before anything is streamed."""
    body = {"model": "slow/m", "messages": MESSAGES, "stream": True}
    for status, sent in ((429, b'{"error": {"message": "slow down"}}'), (200, b'{"no": "answer"}'), (200, b"<html>")):
        upstreams[0].always(whole(sent, status=status))
        told = httpx.post(f"{gateway.url}/v1/chat/completions", json=body)
        assert told.status_code >= 400
        assert "x-narthex-stream" not in told.headers


def test_the_log_tells_and_the_bill_is_whole(gateway: RunningGateway) -> None:
    """The line says that the stream was simulated; who leaves in the middle is billed what the provider billed."""
    body = {"model": "slow/m", "messages": MESSAGES, "stream": True}
    url = f"{gateway.url}/v1/chat/completions"
    assert httpx.post(url, json=body).status_code == 200
    gateway.gateway.simulation.tokens_per_s = 20  # type: ignore[union-attr]  # it runs
    with httpx.stream("POST", url, json=body) as answer:
        next(answer.iter_bytes())
    first, second = lines_of(gateway, 2)
    assert first["simulated"] is second["simulated"] is True
    assert (first.get("code"), second["code"]) == (None, "cancelled")
    assert first["output_tokens"] == second["output_tokens"]
    assert "estimated" not in second


def test_streams_of_others_are_not_marked(gateway: RunningGateway, upstreams: list[ScriptedUpstream]) -> None:
    """A whole answer to a call for one is nothing to tell."""
    told = httpx.post(f"{gateway.url}/v1/chat/completions", json={"model": "slow/m", "messages": MESSAGES})
    assert told.status_code == 200
    assert "x-narthex-stream" not in told.headers
    assert "simulated" not in lines_of(gateway, 1)[0]
