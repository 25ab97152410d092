"""Through both doors: a call that nobody could answer gets what is registered, and never takes it for a model's."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import anthropic
import httpx
import openai
import pytest

from narthex.pipeline.answers import FailedCall
from narthex.testing.acts import cut_after, streamed, whole
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import openai_error, openai_frames
from tests.gateways import RunningGateway, recovering

LATER = "I cannot answer now. Please try again later."
ASKED = {"messages": [{"role": "user", "content": "Recite."}]}
HERE = "tests.http.test_standing_in"


def sorry(failed: FailedCall) -> str | None:
    """Tell the caller what failed; nothing to those who ask for the one model."""
    return None if failed.model == "up/mute" else f"{failed.model} failed: {failed.attempts}"


async def zeros(failed: FailedCall) -> list[list[float]]:
    """Give vectors that mean nothing."""
    return [[0.0, 1.0] for _ in getattr(failed.request, "inputs", ())]


def guess(_failed: FailedCall) -> int:
    """Count no tokens."""
    return 11


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    """Open a provider that is down."""
    with ScriptedUpstream() as opened:
        opened.always(whole(openai_error(), status=500))
        yield opened


@pytest.fixture
def gateway(upstream: ScriptedUpstream, tmp_path: Path) -> Iterator[RunningGateway]:
    """Run a server with registered answers of every kind."""
    providers = {
        "up": {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["m", "told", "mute", "e"]},
        "ant": {"kind": "anthropic", "base_url": upstream.url, "models": ["c"]},
    }
    answers = [
        {"models": ["up/told", "up/mute"], "compute": f"{HERE}:sorry"},
        {"models": ["up/m", "ant/c"], "text": LATER},
        {"operation": "embed", "compute": f"{HERE}:zeros"},
        {"operation": "count_tokens", "compute": f"{HERE}:guess"},
    ]
    with recovering(tmp_path, providers=providers, answers=answers) as running:
        yield running


def client_of(gateway: RunningGateway) -> openai.OpenAI:
    """Return the official SDK, which retries nothing itself."""
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0)


@pytest.mark.parametrize("ordinary", [False, True])
def test_a_whole_answer_in_openais_dialect(gateway: RunningGateway, *, ordinary: bool) -> None:
    """The SDK gets an answer; its model, two headers and the usage say that no model gave it."""
    headers = {"origin": gateway.url} if ordinary else {}
    answer = client_of(gateway).chat.completions.with_raw_response.create(**ASKED, model="up/m", extra_headers=headers)  # type: ignore[call-overload]  # as a caller without types
    completion = answer.parse()
    assert completion.choices[0].message.content == LATER
    assert completion.model == "narthex/fallback"
    assert completion.usage is not None
    assert completion.usage.total_tokens == 0
    assert answer.headers["x-narthex-model"] == "narthex/fallback"
    assert answer.headers["x-narthex-fallback"] == "static"
    assert answer.headers["x-narthex-attempts"].startswith("up/m first upstream_error, ")
    assert answer.headers["x-narthex-attempts"].endswith("narthex/fallback static ok")


@pytest.mark.parametrize("ordinary", [False, True])
def test_a_stream_in_openais_dialect(gateway: RunningGateway, *, ordinary: bool) -> None:
    """A stream looks like any other, and its last chunk says what it is."""
    headers = {"origin": gateway.url} if ordinary else {}
    asked = {**ASKED, "model": "up/told", "stream": True, "stream_options": {"include_usage": True}}
    create = client_of(gateway).chat.completions.with_raw_response.create
    answer = create(**asked, extra_headers=headers)  # type: ignore[call-overload]  # as a caller without types
    chunks = list(answer.parse())
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text.startswith("up/told failed: up/told first upstream_error")
    assert {chunk.model for chunk in chunks} == {"narthex/fallback"}
    (told,) = [chunk.narthex for chunk in chunks if "narthex" in (chunk.model_extra or {})]
    assert told == {"fallback": "computed", "after": "upstream_error"}
    assert chunks[-1].usage.total_tokens == 0
    assert answer.headers["x-narthex-fallback"] == "computed"


def test_both_forms_in_anthropics_dialect(gateway: RunningGateway) -> None:
    """Anthropic's SDK gets the same, whole and streamed."""
    client = anthropic.Anthropic(base_url=gateway.url, api_key="none", max_retries=0)
    message = client.messages.create(**ASKED, model="ant/c", max_tokens=50)  # type: ignore[call-overload]  # as a caller without types
    assert (message.content[0].text, message.model, message.stop_reason) == (LATER, "narthex/fallback", "end_turn")
    assert message.usage.output_tokens == 0
    with client.messages.stream(**ASKED, model="ant/c", max_tokens=50) as stream:  # type: ignore[arg-type]  # as above
        final = stream.get_final_message()
        assert stream.response.headers["x-narthex-fallback"] == "static"
    assert (final.content[0].text, final.model) == (LATER, "narthex/fallback")  # type: ignore[union-attr]  # it is text
    count = client.messages.count_tokens(**ASKED, model="ant/c")  # type: ignore[arg-type]  # as above
    assert count.input_tokens == 11


def test_both_forms_of_responses(gateway: RunningGateway) -> None:
    """So does a caller of OpenAI's responses, and the end of its stream tells it too."""
    responses = client_of(gateway).responses
    answer = responses.with_raw_response.create(model="up/m", input="Recite.")
    assert (answer.parse().output_text, answer.parse().model) == (LATER, "narthex/fallback")
    assert answer.headers["x-narthex-fallback"] == "static"
    with responses.stream(model="up/m", input="Recite.") as stream:
        final = stream.get_final_response()
    assert final.output_text == LATER
    assert (final.model_extra or {})["narthex"] == {"fallback": "static", "after": "upstream_error"}


def test_vectors(gateway: RunningGateway) -> None:
    """Embeddings are answered by a function only, and say so."""
    answer = client_of(gateway).embeddings.with_raw_response.create(model="up/e", input=["a", "b"])
    assert [one.embedding for one in answer.parse().data] == [[0.0, 1.0], [0.0, 1.0]]
    assert answer.parse().model == "narthex/fallback"
    assert answer.headers["x-narthex-fallback"] == "computed"


def test_the_native_route(gateway: RunningGateway) -> None:
    """`POST /api/generate` names it as its model too."""
    answer = httpx.post(f"{gateway.url}/api/generate", json={"prompt": "Hi", "model": "up/m"})
    assert answer.json()["text"] == LATER
    assert answer.json()["model"] == answer.headers["x-narthex-model"] == "narthex/fallback"
    assert answer.headers["x-narthex-fallback"] == "static"


def test_without_one_the_error_is_told(gateway: RunningGateway) -> None:
    """A function that declines, and a model without a registered answer, leave the error as it was."""
    for model in ("up/mute", "up/e"):
        with pytest.raises(openai.InternalServerError) as raised:
            client_of(gateway).chat.completions.create(**ASKED, model=model)  # type: ignore[call-overload]  # as a caller without types
        assert raised.value.code == "provider_failed"


def test_a_wrong_request_is_told_so(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """What the caller can mend is never covered: a request that the provider refuses, a model that is not there."""
    upstream.always(whole(openai_error("No such field.", kind="invalid_request_error"), status=400))
    with pytest.raises(openai.BadRequestError):
        client_of(gateway).chat.completions.create(**ASKED, model="up/m")  # type: ignore[call-overload]  # as a caller without types
    with pytest.raises(openai.NotFoundError):
        client_of(gateway).chat.completions.create(**ASKED, model="up/none")  # type: ignore[call-overload]  # as above


def test_a_stream_that_delivered_something_never_gets_one(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """What broke in the middle, and could not be rescued, ends in its error."""
    upstream.play(cut_after(streamed(openai_frames("one two three four five")), sends=4))
    stream = client_of(gateway).chat.completions.create(**ASKED, model="up/m", stream=True)  # type: ignore[call-overload]  # as a caller without types
    said: list[str] = []

    def read() -> None:
        for chunk in stream:
            said.append(chunk.choices[0].delta.content or "")  # noqa: PERF401 - what came before the error counts

    with pytest.raises(openai.APIError):
        read()
    assert "".join(said).startswith("one")
    assert LATER not in "".join(said)


def test_it_is_counted_apart(gateway: RunningGateway) -> None:
    """The log and the metrics name no model, tell the failure behind it, and count nothing as rescued."""
    client_of(gateway).chat.completions.create(**ASKED, model="up/m")  # type: ignore[call-overload]  # as a caller without types
    metrics = httpx.get(f"{gateway.url}/metrics").text
    assert 'narthex_requests_total{operation="chat",model="narthex/fallback",outcome="ok"} 1' in metrics
    assert 'narthex_fallback_answers_total{kind="static"} 1' in metrics
    assert 'narthex_calls_lost_total{failure="upstream_error"} 1' in metrics
    assert "narthex_calls_rescued_total{" not in metrics
    file = gateway.settings.data_dir / "logs" / "requests.jsonl"
    until = time.monotonic() + 10
    while not file.exists() and time.monotonic() < until:
        time.sleep(0.02)
    line = json.loads(file.read_text().splitlines()[0])
    assert (line["model"], line["registered"], line["failure"]) == ("narthex/fallback", "static", "upstream_error")
    assert (line.get("code", "ok"), line.get("rescued")) == ("ok", None)
    assert line["attempts"][-1] == {**line["attempts"][-1], "target": "narthex/fallback", "way": "static"}
