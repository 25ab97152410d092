"""Through both doors: what a provider does to a call is mended before its caller hears of it, and told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anthropic
import openai
import pytest

from narthex.testing.acts import cut_after, hung_up, streamed, whole
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import anthropic_frames, openai_answer, openai_error, openai_frames
from tests.gateways import RunningGateway, recovering

POEM = "the owl and the pussycat went to sea in a beautiful pea green boat"
ASKED = {"model": "up/m", "messages": [{"role": "user", "content": "Recite."}]}


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    """Open a provider."""
    with ScriptedUpstream() as opened:
        yield opened


@pytest.fixture
def spare() -> Iterator[ScriptedUpstream]:
    """Open another provider."""
    with ScriptedUpstream() as opened:
        yield opened


@pytest.fixture
def gateway(upstream: ScriptedUpstream, spare: ScriptedUpstream, tmp_path: Path) -> Iterator[RunningGateway]:
    """Run a server with two providers, the second a fallback on the other wire."""
    providers = {
        "up": {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["m", "last"]},
        "spare": {"kind": "anthropic", "base_url": spare.url, "models": ["n", "first"]},
    }
    with recovering(
        tmp_path, providers=providers, fallbacks={"up/m": ["spare/n"], "spare/first": ["up/last"]}
    ) as running:
        yield running


def client_of(gateway: RunningGateway) -> openai.OpenAI:
    """Return the official SDK, which retries nothing itself."""
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0)


@pytest.mark.parametrize("ordinary", [False, True])
def test_a_failing_provider_is_asked_again(gateway: RunningGateway, upstream: ScriptedUpstream, ordinary: bool) -> None:
    """A 500 and a hang-up cost the caller nothing, and the headers tell the story, at both doors."""
    upstream.play(whole(openai_error(), status=500), hung_up(), whole(openai_answer(POEM)))
    headers = {"origin": gateway.url} if ordinary else {}
    answer = client_of(gateway).chat.completions.with_raw_response.create(**ASKED, extra_headers=headers)  # type: ignore[call-overload]  # as a caller without types
    assert answer.parse().choices[0].message.content == POEM
    tried = answer.headers["x-narthex-attempts"].split(", ")
    assert [one.split(" ", 1)[0] for one in tried][-1] in {"up/m", "spare/n"}
    assert tried[0] == "up/m first upstream_error"
    assert tried[-1].endswith(" ok")


def test_a_fallback_speaks_for_the_first(
    gateway: RunningGateway, upstream: ScriptedUpstream, spare: ScriptedUpstream
) -> None:
    """A refused key sends the call to the next model, which is the one that the answer names."""
    upstream.always(whole(openai_error("No.", code="invalid_api_key"), status=401))
    spare.always(streamed(anthropic_frames(POEM)))
    answer = client_of(gateway).chat.completions.with_raw_response.create(**ASKED, stream=True)  # type: ignore[call-overload]  # as a caller without types
    text = "".join(chunk.choices[0].delta.content or "" for chunk in answer.parse() if chunk.choices)
    assert text == POEM
    assert answer.headers["x-narthex-model"] == "spare/n"
    assert answer.headers["x-narthex-attempts"] == "up/m first authentication, spare/n fallback ok"


@pytest.mark.parametrize("sends", range(2, 9))
def test_a_cut_stream_is_whole_for_the_sdk(
    gateway: RunningGateway, upstream: ScriptedUpstream, spare: ScriptedUpstream, sends: int
) -> None:
    """Wherever the provider cuts, OpenAI's SDK reads one answer to its end."""
    upstream.always(cut_after(streamed(openai_frames(POEM)), sends=sends))
    spare.always(streamed(anthropic_frames(POEM)))
    chunks = list(client_of(gateway).chat.completions.create(**ASKED, stream=True))  # type: ignore[call-overload]  # as a caller without types
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == POEM
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert len({chunk.id for chunk in chunks}) == 1


@pytest.mark.parametrize("sends", range(3, 12, 2))
def test_a_cut_stream_is_whole_on_the_other_wire(
    gateway: RunningGateway, upstream: ScriptedUpstream, spare: ScriptedUpstream, sends: int
) -> None:
    """Anthropic's SDK reads one message as well, begun by one model and ended by another."""
    spare.always(cut_after(streamed(anthropic_frames(POEM)), sends=sends))
    upstream.always(streamed(openai_frames(POEM)))
    client = anthropic.Anthropic(base_url=gateway.url, api_key="none", max_retries=0)
    asked = {"model": "spare/first", "max_tokens": 100, "messages": ASKED["messages"]}
    with client.messages.stream(**asked) as stream:  # type: ignore[arg-type]  # as a caller without types
        stream.until_done()
    assert stream.get_final_text() == POEM


def test_when_nothing_helps_the_truth_is_told(
    gateway: RunningGateway, upstream: ScriptedUpstream, spare: ScriptedUpstream
) -> None:
    """An error tells what was tried."""
    upstream.always(whole(openai_error(), status=500))
    spare.always(hung_up())
    with pytest.raises(openai.APIStatusError) as caught:
        client_of(gateway).chat.completions.create(**ASKED)  # type: ignore[call-overload]  # as a caller without types
    assert caught.value.response.headers["x-narthex-attempts"].startswith("up/m first upstream_error, up/m retry")
    assert caught.value.status_code in {502, 503}


def test_a_virtual_model_shares_its_calls(upstream: ScriptedUpstream, spare: ScriptedUpstream, tmp_path: Path) -> None:
    """Members take turns by weight, the answer says who was chosen and why, and the name is listed like any model."""
    upstream.always(whole(openai_answer(POEM)))
    spare.always(whole(openai_answer(POEM)))
    providers = {
        "a": {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["m"]},
        "b": {"kind": "openai", "base_url": f"{spare.url}/v1", "models": ["m"]},
    }
    virtual = {"quick": {"strategy": "weighted", "members": [{"model": "a/m", "weight": 3}, "b/m"]}}
    with recovering(tmp_path, providers=providers, virtual=virtual) as running:
        client = client_of(running)
        asked = {**ASKED, "model": "quick"}
        answers = [client.chat.completions.with_raw_response.create(**asked) for _ in range(8)]  # type: ignore[call-overload]  # as a caller without types
        assert "quick" in [model.id for model in client.models.list()]
    assert (len(upstream.requests), len(spare.requests)) == (6, 2)
    assert {answer.headers["x-narthex-model"] for answer in answers} == {"a/m", "b/m"}
    assert answers[0].headers["x-narthex-route"].startswith("via=quick; by=weighted; to=")
