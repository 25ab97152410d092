"""Through the front door: a budget chooses who serves, and says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from tests.gateways import RunningGateway, running

ASKED = {"messages": [{"role": "user", "content": "How are you?"}]}
PRICED = {
    "best/m": {"input_usd_per_mtok": 10, "output_usd_per_mtok": 30},
    "cheap/m": {"input_usd_per_mtok": 1, "output_usd_per_mtok": 3},
}
TINY = {"usd": 0.000_001, "period": "month"}
"""Spent by the first call."""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[RunningGateway]:
    """Run a server with a model that goes on with the cheapest, and one that refuses."""
    providers = {name: {"kind": "scripted", "script": {"models": ["m"], "reply": name}} for name in ("best", "cheap")}
    paced = {"strategy": "paced", "members": ["best/m", "cheap/m"]}
    virtual = {
        "careful": {**paced, "budget": TINY},
        "strict": {**paced, "budget": {**TINY, "on_empty": "refuse"}},
    }
    with running(tmp_path, providers=providers, virtual=virtual, prices=PRICED) as server:
        yield server


def client_of(gateway: RunningGateway) -> openai.OpenAI:
    """Return the official SDK, which retries nothing itself."""
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0)


@pytest.mark.parametrize("stream", [False, True])
def test_the_best_serves_until_the_budget_is_spent(gateway: RunningGateway, *, stream: bool) -> None:
    """Then the cheapest does; the header tells why, and the metrics what was spent."""
    create = client_of(gateway).chat.completions.with_raw_response.create
    first = create(**ASKED, model="careful", stream=stream)  # type: ignore[call-overload]  # as a caller without types
    answer = first.parse()
    one = None if stream else answer.usage
    if stream:
        assert [chunk.choices[0].delta.content for chunk in answer if chunk.choices]
    assert first.headers["x-narthex-route"] == "via=careful; by=paced; why=on_pace; to=best/m,cheap/m"
    second = create(**ASKED, model="careful")  # type: ignore[call-overload]  # as above
    assert second.parse().choices[0].message.content == "cheap"
    assert second.headers["x-narthex-route"] == "via=careful; by=paced; why=spent; to=cheap/m"
    usage = second.parse().usage
    assert usage is not None
    spent = next(
        float(line.rpartition(" ")[2])
        for line in httpx.get(f"{gateway.url}/metrics").text.splitlines()
        if line.startswith('narthex_budget_spent_usd{virtual="careful"')
    )
    if one is not None:
        micro = one.prompt_tokens * 10 + one.completion_tokens * 30 + usage.prompt_tokens + usage.completion_tokens * 3
        assert spent == pytest.approx(micro / 1_000_000)
    assert spent > TINY["usd"]  # type: ignore[operator]  # a number


def test_a_refusal_says_until_when(gateway: RunningGateway) -> None:
    """A 429 of its own code, with the time to the next period; other names go on."""
    client = client_of(gateway)
    client.chat.completions.create(**ASKED, model="strict")  # type: ignore[call-overload]  # as a caller without types
    with pytest.raises(openai.RateLimitError) as raised:
        client.chat.completions.create(**ASKED, model="strict")  # type: ignore[call-overload]  # as above
    assert raised.value.code == "budget_spent"
    assert 0 < int(raised.value.response.headers["retry-after"]) <= 31 * 86_400
    answer = client.chat.completions.create(**ASKED, model="best/m")  # type: ignore[call-overload]  # as above
    assert answer.choices[0].message.content == "best"
