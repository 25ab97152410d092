"""The cache put together: in the real server, over HTTP."""

from __future__ import annotations

import asyncio
import json
import math
import time
from pathlib import Path

import httpx
import pytest

from narthex.app import Gateway
from narthex.config.cache_settings import CacheSettings
from tests.gateways import running, settings_for
from tests.pipeline.meaning_doubles import OTHERWISE, knows, soon, speaking
from tests.pipeline.meaning_doubles import call as question
from tests.pipeline.recalled import ZERO, call, house, said
from tests.stores.servers import running_redis
from tests.tenancy.waiting import until

ASKED = {**ZERO, "model": "s/scripted"}


def test_over_http_an_answer_is_given_again(tmp_path: Path) -> None:
    """The headers say how; the metrics count it; the ledger has it at no cost."""
    with (
        running(tmp_path, providers={"s": {"kind": "scripted"}}) as gateway,
        httpx.Client(base_url=gateway.url) as client,
    ):
        answers = [client.post("/v1/chat/completions", json=ASKED) for _ in range(2)]
        streamed = client.post("/v1/chat/completions", json={**ASKED, "stream": True})
        metrics = client.get("/metrics").text
    first, again = answers
    assert first.content == again.content
    assert [one.headers["x-narthex-cache"] for one in (*answers, streamed)] == ["MISS", "HIT", "HIT"]
    assert again.headers["cache-status"].startswith("narthex; hit; ttl=")
    assert (again.headers["age"], again.headers["x-narthex-cost"]) == ("0", "0")
    assert streamed.text.endswith("data: [DONE]\n\n")
    assert 'narthex_cache_hits_total{kind="hit"} 2' in metrics
    assert "narthex_cache_entries 1" in metrics


async def test_a_reload_changes_the_rules() -> None:
    """What is kept stays; who is given it is as the new settings have it."""
    provider, made = house()
    assert made.caching is not None
    assert await said(made, call()) == "answer 1"
    made.caching.adopt(CacheSettings(mode="asked", max_entry_bytes=2_048))
    assert await said(made, call()) == "answer 2"
    assert await said(made, call(x_narthex_cache="on")) == "answer 1"
    assert made.cache.max_entry_bytes == 2_048
    assert made.cache.alone_s == 60
    made.caching.adopt(CacheSettings(max_bytes=65_536, policy="lru", redis_alone_gives="all"))
    assert (made.cache.memory.policy_name, made.cache.alone_s) == ("lru", math.inf)
    assert len(provider.calls) == 2


async def test_a_reload_switches_the_semantic_cache_on_and_off() -> None:
    """With the rest as it was; what was known of questions goes with it, and its tasks end."""
    async with speaking() as (_, made):
        caching = made.caching
        assert caching is not None
        before, settings = caching.meaning, caching.policy.settings
        caching.adopt(settings.model_copy(update={"ttl_s": 60.0}))
        assert caching.meaning is before
        await said(made, question())
        await knows(made, 1)
        caching.adopt(CacheSettings())
        assert (caching.meaning, caching.desk.meaning, made.cache.when_gone) == (None, None, None)
        assert "narthex_cache_semantic_questions" not in "\n".join(caching.lines())
        await said(made, question(OTHERWISE))
        assert made.cache.figures.last_misses[-1].semantic == ""
        caching.adopt(settings)
        assert caching.meaning is not before
        assert "narthex_cache_semantic_questions 0" in "\n".join(caching.lines())
        # That of the one before, and that of this one's: the first ends.
        await soon(lambda: len(made.tasks) == 1)


def test_settings_are_those_of_the_server(tmp_path: Path) -> None:
    """They stand in the section `cache`."""
    assert settings_for(tmp_path, cache={"mode": "off"}).cache.mode == "off"


def test_what_was_asked_by_who_was_erased_is_forgotten(tmp_path: Path) -> None:
    """At once, of the person alone; and what is asked under the name afterwards is kept again."""
    with (
        running(tmp_path, providers={"s": {"kind": "scripted"}}) as gateway,
        httpx.Client(base_url=gateway.url) as client,
    ):
        for user in ("eve", "bob"):
            client.post("/v1/chat/completions", json={**ASKED, "user": user, "seed": len(user) + ord(user[0])})
        assert len(client.get("/api/cache/entries").json()["data"]) == 2
        erased = client.post("/api/end-users/erase", json={"end_user": "eve"})
        # Whether or not the ledger has anything of them by now.
        assert erased.status_code in {200, 404}, erased.text
        left: list[object] = []
        for _ in range(400):
            left = client.get("/api/cache/entries").json()["data"]
            if len(left) == 1:
                break
            time.sleep(0.01)
        assert len(left) == 1
        again = client.post("/v1/chat/completions", json={**ASKED, "user": "bob", "seed": 3 + ord("b")})
        assert again.headers["x-narthex-cache"] == "HIT"


def test_the_cache_is_warmed_at_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With the requests of a file; one that fails is named, and keeps the others from nothing."""
    file = tmp_path / "warm.jsonl"
    lines = [json.dumps(ASKED), "", json.dumps({**ASKED, "model": "s/none"})]
    file.write_text("\n".join(lines), encoding="utf-8")
    cache = {"warm": str(file)}
    with (
        running(tmp_path / "data", providers={"s": {"kind": "scripted"}}, cache=cache) as gateway,
        httpx.Client(base_url=gateway.url) as client,
    ):
        for _ in range(400):
            if "the cache is warmed" in caplog.text or client.get("/api/cache/entries").json()["data"]:
                break
            time.sleep(0.01)
        assert client.post("/v1/chat/completions", json=ASKED).headers["x-narthex-cache"] == "HIT"
    assert "request 2 of" in caplog.text


@pytest.mark.parametrize(("changes", "why"), [({"warm": "none.jsonl"}, "cannot be read"), ({"warm_as": "x"}, "'x'")])
async def test_what_cannot_be_warmed_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, changes: dict[str, str], why: str
) -> None:
    """The server starts all the same."""
    cache = {"warm": str(tmp_path / "none.jsonl"), **changes}
    async with Gateway(settings_for(tmp_path, cache=cache)) as gateway:
        for _ in range(400):
            if why in caplog.text:
                break
            await asyncio.sleep(0.01)
        assert gateway.settings.cache.warm is not None
    assert why in caplog.text


async def asked(gateway: Gateway) -> str | None:
    """Ask, and return how it was answered."""
    one = call(ASKED)
    answer = await gateway.engine.handle(one)
    assert answer.whole
    return dict(one.told).get("cache-status")


async def test_gateways_at_one_redis_share_answers(tmp_path: Path) -> None:
    """What one was answered the other gives as well, until either declares it void."""
    with running_redis(tmp_path) as server:
        redis = {"url": server.url, "timeout_s": 5, "connect_timeout_s": 5}
        made = [
            settings_for(
                tmp_path / name, providers={"s": {"kind": "scripted"}}, redis=redis, cache={"redis_budget_ms": 5_000}
            )
            for name in ("one", "other")
        ]
        async with Gateway(made[0]) as one, Gateway(made[1]) as other:
            for each in (one, other):
                session = each.caching.places.session
                assert session is not None
                await until(lambda session=session: session.link.up, within_s=10)  # type: ignore[misc]
            assert "uri-miss" in str(await asked(one))
            await until(lambda: one.caching.cache.below[0].figures.written == 1, within_s=10)
            assert str(await asked(other)).endswith("detail=redis")
            assert "detail" not in str(await asked(other))
            other.caching.cache.declare_void(patterns=["model:*"])
            cache = one.caching.cache
            await until(lambda: not any(cache.is_alive(held.entry) for held in cache.memory), within_s=10)
            assert "detail=void" in str(await asked(one))
            assert 'narthex_cache_tier_looks_total{tier="redis",outcome="hit"} 1' in list(other.caching.lines())
