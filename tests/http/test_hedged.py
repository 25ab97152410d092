"""Through the door and over sockets: a late provider is overtaken, and what was begun with it is ended."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from narthex.testing.acts import Answer, Stall, Wait, cut_after, silent, streamed, whole
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import anthropic_frames, openai_error, openai_frames
from tests.gateways import RawClient, RunningGateway, post, recovering

POEM = "the owl and the pussycat went to sea in a beautiful pea green boat"
ASKED = {"model": "up/m", "messages": [{"role": "user", "content": "Recite."}]}


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    """Open a provider."""
    with ScriptedUpstream() as opened:
        yield opened


@pytest.fixture
def spare() -> Iterator[ScriptedUpstream]:
    """Open another provider, on the other wire."""
    with ScriptedUpstream() as opened:
        opened.always(streamed(anthropic_frames(POEM)))
        yield opened


@pytest.fixture
def gateway(upstream: ScriptedUpstream, spare: ScriptedUpstream, tmp_path: Path) -> Iterator[RunningGateway]:
    """Run a server that knows its first provider as a quick one."""
    providers = {
        "up": {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["m"]},
        "spare": {"kind": "anthropic", "base_url": spare.url, "models": ["n"]},
    }
    hedging = {"enabled": True, "percent": 50, "minimum_calls": 4, "least_s": 0.05}
    with recovering(tmp_path, providers=providers, fallbacks={"up/m": ["spare/n"]}, hedging=hedging) as running:
        upstream.always(streamed(openai_frames("Quick.")))
        for _ in range(6):
            read(running)
        upstream.requests.clear()
        yield running


def client_of(gateway: RunningGateway) -> openai.OpenAI:
    """Return the official SDK, which retries nothing itself."""
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0)


def late(answer: Answer) -> Answer:
    """Return the answer, given long after it could be expected."""
    return (Wait(1.0), *answer)


def read(gateway: RunningGateway, **headers: str) -> tuple[str, str]:
    """Return the text of a streamed answer, and the story of its attempts."""
    answer = client_of(gateway).chat.completions.with_raw_response.create(**ASKED, stream=True, extra_headers=headers)  # type: ignore[call-overload]  # as a caller without types
    text = "".join(chunk.choices[0].delta.content or "" for chunk in answer.parse() if chunk.choices)
    return text, answer.headers.get("x-narthex-attempts", "")


def metric(gateway: RunningGateway, name: str) -> float:
    """Return a metric's value."""
    with urllib.request.urlopen(f"{gateway.url}/metrics", timeout=30) as response:
        lines = response.read().decode().splitlines()
    return float(next((line.rpartition(" ")[2] for line in lines if line.startswith(name + " ")), "0"))


def test_a_late_provider_is_overtaken(
    gateway: RunningGateway, upstream: ScriptedUpstream, spare: ScriptedUpstream
) -> None:
    """The second answers; the connection to the first is closed soon after, and both are told and counted."""
    upstream.always(silent())
    text, story = read(gateway)
    assert (text, story) == (POEM, "up/m first cancelled, spare/n hedge ok")
    upstream.wait_for(lambda: upstream.abandoned == 1)
    assert metric(gateway, 'narthex_hedges_total{event="won"}') == 1
    assert metric(gateway, 'narthex_hedge_input_tokens_total{model="up/m"}') > 0
    assert metric(gateway, "narthex_requests_active") == 0


def test_the_late_one_may_win_yet(gateway: RunningGateway, upstream: ScriptedUpstream, spare: ScriptedUpstream) -> None:
    """Where the second is slower still, its connection is the one that is closed."""
    spare.always(silent())
    upstream.always(late(streamed(openai_frames(POEM))))
    assert read(gateway) == (POEM, "up/m first ok, spare/n hedge cancelled")
    spare.wait_for(lambda: spare.abandoned == 1)
    assert metric(gateway, 'narthex_hedges_total{event="lost"}') == 1


def test_a_caller_may_do_without(gateway: RunningGateway, upstream: ScriptedUpstream, spare: ScriptedUpstream) -> None:
    """`x-narthex-hedge: off` spares a call its second attempt; another word is refused."""
    upstream.always(late(streamed(openai_frames(POEM))))
    assert read(gateway, **{"x-narthex-hedge": "off"}) == (POEM, "")
    assert spare.requests == []
    with pytest.raises(openai.BadRequestError, match="neither `on` nor `off`"):
        read(gateway, **{"x-narthex-hedge": "perhaps"})


def test_a_spent_budget_leaves_the_first_alone(
    gateway: RunningGateway, upstream: ScriptedUpstream, spare: ScriptedUpstream
) -> None:
    """No more second attempts are made than the budget allows, and the rest is waited for."""
    upstream.always((Wait(0.3), *streamed(openai_frames(POEM))))
    stories = [read(gateway)[1] for _ in range(10)]
    assert 0 < stories.count("") < 10
    assert len(spare.requests) == metric(gateway, 'narthex_hedges_total{event="begun"}') <= 8
    assert metric(gateway, 'narthex_hedges_total{event="refused"}') == stories.count("")


@pytest.mark.parametrize("answer", [whole(openai_error(), status=500), whole(openai_error(), status=401)])
def test_a_second_attempt_that_fails_costs_nothing(
    gateway: RunningGateway, upstream: ScriptedUpstream, spare: ScriptedUpstream, answer: Answer
) -> None:
    """The first goes on, and is the answer."""
    spare.always(answer)
    upstream.always(late(streamed(openai_frames(POEM))))
    text, story = read(gateway)
    assert text == POEM
    assert story.startswith("up/m first ok, spare/n hedge ")


def test_when_both_fail_recovery_goes_on(
    gateway: RunningGateway, upstream: ScriptedUpstream, spare: ScriptedUpstream
) -> None:
    """Both fail once: the call is answered all the same, by whom it is asked of again."""
    failing = whole(openai_error(), status=500)
    upstream.play(late(failing))
    spare.play(failing)
    upstream.always(streamed(openai_frames(POEM)))
    text, story = read(gateway)
    assert text == POEM
    assert story.startswith("up/m first upstream_error, spare/n hedge upstream_error, up/m retry ok")


def test_a_stream_is_rescued_after_a_hedge(
    gateway: RunningGateway, upstream: ScriptedUpstream, spare: ScriptedUpstream
) -> None:
    """The winner is cut, and the one that was late goes on: still one answer."""
    upstream.play(silent())
    spare.always(cut_after(streamed(anthropic_frames(POEM)), sends=8))
    upstream.always(streamed(openai_frames(POEM)))
    assert read(gateway)[0] == POEM


def test_a_caller_who_leaves_ends_both(
    gateway: RunningGateway, upstream: ScriptedUpstream, spare: ScriptedUpstream
) -> None:
    """Neither provider goes on for nobody."""
    upstream.always((Stall(),))
    spare.always((Stall(),))
    with RawClient(gateway.port) as client:
        client.send(post("/v1/chat/completions", json.dumps({**ASKED, "stream": True}).encode(), key=None))
        spare.wait_for(lambda: len(spare.requests) == 1)
    upstream.wait_for(lambda: upstream.abandoned == 1)
    spare.wait_for(lambda: spare.abandoned == 1)
    assert metric(gateway, 'narthex_hedges_total{event="dropped"}') == 1
