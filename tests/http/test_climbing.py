"""Through both doors: a cascade asks the next member when an answer does not pass its check."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import anthropic
import httpx
import openai
import pytest

from narthex.testing.acts import streamed, whole
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import anthropic_answer, anthropic_frames, openai_answer, openai_error, openai_frames
from tests.gateways import RunningGateway, recovering

BAD, GOOD = "The sum is four.", '{"sum": 4}'
SCHEMA = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
ASKED = {"model": "thrifty", "messages": [{"role": "user", "content": "2 + 2?"}]}
FORM = {"type": "json_schema", "json_schema": {"name": "sum", "schema": SCHEMA}}


@pytest.fixture
def upstreams() -> Iterator[list[ScriptedUpstream]]:
    """Open a cheap provider that answers badly, and a dear one on the other wire that answers well."""
    with ExitStack() as stack:
        cheap, dear = (stack.enter_context(ScriptedUpstream()) for _ in range(2))
        cheap.responder = lambda request: (
            streamed(openai_frames(BAD)) if request.json().get("stream") else whole(openai_answer(BAD))
        )
        dear.responder = lambda request: (
            streamed(anthropic_frames(GOOD)) if request.json().get("stream") else whole(anthropic_answer(GOOD))
        )
        yield [cheap, dear]


@pytest.fixture
def gateway(upstreams: list[ScriptedUpstream], tmp_path: Path) -> Iterator[RunningGateway]:
    """Run a server with a cascade over both."""
    cheap, dear = upstreams
    providers = {
        "cheap": {"kind": "openai", "base_url": f"{cheap.url}/v1", "models": ["m"]},
        "dear": {"kind": "anthropic", "base_url": dear.url, "models": ["n"]},
    }
    virtual = {
        "thrifty": {
            "strategy": "cascade",
            "members": ["cheap/m", "dear/n"],
            "check": {"request_schema": True, "must_not_match": "(?i)^I('|’)m sorry"},
        },
    }
    with recovering(tmp_path, providers=providers, virtual=virtual) as running:
        yield running


def client_of(gateway: RunningGateway) -> openai.OpenAI:
    """Return the official SDK, which retries nothing itself."""
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0)


@pytest.mark.parametrize("ordinary", [False, True])
def test_a_whole_answer(gateway: RunningGateway, upstreams: list[ScriptedUpstream], *, ordinary: bool) -> None:
    """What the request asks for decides: prose passes where it may, and leads to the next member where JSON is due."""
    headers = {"origin": gateway.url} if ordinary else {}
    create = client_of(gateway).chat.completions.with_raw_response.create
    answer = create(**ASKED, extra_headers=headers)  # type: ignore[call-overload]  # as a caller without types
    assert answer.parse().choices[0].message.content == BAD
    assert answer.headers["x-narthex-check"] == "passed"
    assert "x-narthex-attempts" not in answer.headers
    answer = create(**ASKED, response_format=FORM, extra_headers=headers)  # type: ignore[call-overload]  # as above
    assert answer.parse().choices[0].message.content == GOOD
    assert answer.headers["x-narthex-model"] == "dear/n"
    assert answer.headers["x-narthex-attempts"] == "cheap/m first not_json, dear/n cascade ok"
    assert answer.headers["x-narthex-check"] == "passed"
    assert answer.headers["x-narthex-route"] == "via=thrifty; by=cascade; to=cheap/m,dear/n"
    assert [len(one.requests) for one in upstreams] == [2, 1]


@pytest.mark.parametrize("ordinary", [False, True])
def test_a_stream(gateway: RunningGateway, *, ordinary: bool) -> None:
    """Not a word of what did not pass is delivered, the end tells of it, and the usage is that of both."""
    headers = {"origin": gateway.url} if ordinary else {}
    asked = {**ASKED, "response_format": FORM, "stream": True, "stream_options": {"include_usage": True}}
    create = client_of(gateway).chat.completions.with_raw_response.create
    answer = create(**asked, extra_headers=headers)  # type: ignore[call-overload]  # as a caller without types
    chunks = list(answer.parse())
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == GOOD
    (told,) = [chunk.narthex for chunk in chunks if "narthex" in (chunk.model_extra or {})]
    assert told == {"cascade": 2, "model": "dear/n", "check": "passed"}
    cheap = json.loads(openai_answer(BAD))["usage"]["completion_tokens"]
    dear = json.loads(anthropic_answer(GOOD))["usage"]["output_tokens"]
    assert chunks[-1].usage.completion_tokens == cheap + dear
    assert answer.headers["x-narthex-attempts"] == "cheap/m first not_json, dear/n cascade ok"


def test_anthropics_dialect(gateway: RunningGateway, upstreams: list[ScriptedUpstream]) -> None:
    """A caller of the other dialect gets the same, and a refusal in words is seen."""
    upstreams[0].responder = lambda _request: whole(openai_answer("I'm sorry, I can't."))
    client = anthropic.Anthropic(base_url=gateway.url, api_key="none", max_retries=0)
    answer = client.messages.with_raw_response.create(**ASKED, max_tokens=50)  # type: ignore[call-overload]  # as a caller without types
    assert answer.parse().content[0].text == GOOD
    assert answer.headers["x-narthex-attempts"] == "cheap/m first unwanted, dear/n cascade ok"


def test_failures_and_the_last_answer(gateway: RunningGateway, upstreams: list[ScriptedUpstream]) -> None:
    """Where the dear one is down, the cheap answer is given after all, and nothing says that it passed."""
    upstreams[1].always(whole(openai_error(), status=500))
    answer = client_of(gateway).chat.completions.with_raw_response.create(**ASKED, response_format=FORM)  # type: ignore[call-overload]  # as a caller without types
    assert answer.parse().choices[0].message.content == BAD
    assert answer.headers["x-narthex-check"] == "not_json"
    assert answer.headers["x-narthex-model"] == "cheap/m"
    assert answer.headers["x-narthex-attempts"].startswith("cheap/m first not_json, dear/n cascade upstream_error")


def test_it_is_counted(gateway: RunningGateway) -> None:
    """The metrics tell how often each member's answer passed, the log what was tried and consumed in all."""
    client_of(gateway).chat.completions.create(**ASKED, response_format=FORM)  # type: ignore[call-overload]  # as a caller without types
    metrics = httpx.get(f"{gateway.url}/metrics").text
    assert 'narthex_cascade_answers_total{virtual="thrifty",model="cheap/m",check="not_json"} 1' in metrics
    assert 'narthex_cascade_answers_total{virtual="thrifty",model="dear/n",check="passed"} 1' in metrics
    file = gateway.settings.data_dir / "logs" / "requests.jsonl"
    until = time.monotonic() + 10
    while not file.exists() and time.monotonic() < until:
        time.sleep(0.02)
    line = json.loads(file.read_text().splitlines()[0])
    assert [(one["way"], one.get("failure")) for one in line["attempts"]] == [("first", "not_json"), ("cascade", None)]
    assert line["route"] == {"virtual": "thrifty", "strategy": "cascade"}
    assert "rescued" not in line
