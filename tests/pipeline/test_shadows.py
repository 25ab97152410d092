"""Copies of calls: apart from callers' calls in every way, and never more than one attempt."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from narthex.errors import NarthexError, ProviderFailed
from narthex.pipeline.chain import lone_attempt
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.settle import Settlement
from narthex.pipeline.shadows import ShadowLimits, Shadows, acts_by_itself
from narthex.providers.contract import Reply
from narthex.resilience.places import Places
from narthex.routing.router import Router
from narthex.routing.virtual import Member, VirtualModel
from narthex.telemetry.request_log import RequestLine, RequestLog
from narthex.testing.wires import openai_answer, openai_embeddings, openai_frames
from narthex.types.dialects import Dialect, Operation
from tests.pipeline.doubles import CHAT, Double, House, exchange, streamed, surroundings, whole

GOOD = openai_answer("Good.")


class Bench:
    """Shadows around providers that do what a test says."""

    def __init__(self, *replies: Reply | NarthexError, **limits: float) -> None:
        self.up = Double()
        self.trial = Double(*replies, name="trial")
        self.house = House(self.up, self.trial, alias="trial/m")
        self.metrics = self.house.metrics
        self.log = RequestLog(Path("logs"), max_file_bytes=65_536, keep_files=1, metrics=self.metrics)
        self.down: set[str] = set()
        self.shadows = Shadows(
            catalog=self.house.catalog,
            router=self.house.router,
            settlement=Settlement(self.metrics.shadows, self.log),
            attempt=lone_attempt(self.house.tasks.spawn, Places()),
            spawn=self.house.tasks.spawn,
            available=lambda name: name not in self.down,
            limits=ShadowLimits(**limits),  # type: ignore[arg-type]  # as a test names them
        )

    async def copied(self, call: Exchange | None = None, model: str = "trial/m") -> RequestLine | None:
        """Have one call copied and settled; return its line."""
        call = call or self.call()
        self.shadows.take(call, model)
        await self.house.settled()
        lines = self.lines
        return lines[-1] if lines else None

    def call(self, **changes: object) -> Exchange:
        """Return a call that was served."""
        made = exchange({**CHAT, **changes})
        made.read_head()
        made.target = self.house.catalog.resolve("up/m")
        return made

    @property
    def lines(self) -> list[RequestLine]:
        """What was logged of copies."""
        return list(self.log._queue)

    @property
    def dropped(self) -> list[str]:
        """Reasons why copies were not sent."""
        lines = [line for line in self.shadows.dropped.lines() if line[0] != "#"]
        return [line.split('"')[1] for line in lines for _ in range(int(line.split()[-1]))]


async def test_a_copy_is_settled_apart() -> None:
    """It has a line of its own that names the call, and counts among the copies alone."""
    bench = Bench(whole(GOOD))
    call = bench.call()
    line = await bench.copied(call)
    assert line is not None
    assert (line.shadow_of, line.model, line.code) == (call.id, "trial/m", "ok")
    assert line.request_id != call.id
    assert line.output_tokens
    shadows = bench.metrics.shadows
    assert (shadows.total, shadows.active, shadows.failed) == (1, 0, 0)
    assert (bench.metrics.total, bench.house.lines) == (0, [])
    assert json.loads(bench.trial.calls[0].body)["model"] == "m"
    assert bench.trial.calls[0].on_trial
    assert bench.up.calls == []


@pytest.mark.parametrize("pieces", [openai_frames("One two three."), openai_frames("x" * 400_000)])
async def test_a_streamed_copy_is_read_to_its_end(pieces: list[bytes]) -> None:
    """Nobody reads the answer, and still it flows: it is taken and thrown away."""
    paused: list[str] = []
    bench = Bench(streamed(pieces, paused=paused))
    line = await bench.copied(bench.call(stream=True))
    assert line is not None
    assert (line.stream, line.code) == (True, "ok")
    assert line.first_frame_us is not None
    assert paused.count("pause") == paused.count("resume")


async def test_vectors_are_copied_and_counts_are_not() -> None:
    """A model for vectors may be tried as well; a count of tokens says nothing of a model."""
    bench = Bench(whole(openai_embeddings([[1.0]])))
    body = json.dumps({"model": "up/m", "input": "Hi"}).encode()
    line = await bench.copied(Exchange(Dialect.OPENAI_EMBEDDINGS, body, {}, Operation.EMBED))
    assert line is not None
    assert (line.operation, line.code) == ("embed", "ok")
    await bench.copied(Exchange(Dialect.ANTHROPIC_COUNT_TOKENS, b"{}", {}, Operation.COUNT_TOKENS))
    assert len(bench.lines) == 1
    assert bench.dropped == []


@pytest.mark.parametrize(
    ("stream", "reply"),
    [
        (False, ProviderFailed(provider="trial", retryable=True)),
        (False, whole(b"nonsense")),
        (True, streamed(openai_frames("One two three.")[:3])),
    ],
)
async def test_a_failing_copy_is_tried_once(stream: bool, reply: Reply | NarthexError) -> None:
    """Whatever goes wrong is written down; nothing is asked again, nor elsewhere, nor mended."""
    bench = Bench(reply)
    line = await bench.copied(bench.call(stream=stream))
    assert line is not None
    assert line.code.startswith("provider_")
    assert len(bench.trial.calls) == 1
    assert bench.metrics.shadows.failed == 1
    assert not bench.house.recovery.board.snapshot()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_copy_that_hangs_is_ended(stream: bool) -> None:
    """It has a deadline of its own, at whatever point it hangs."""
    bench = Bench(streamed(openai_frames("One two three.")[: 3 if stream else 0], hold=True), timeout_s=0.02)
    line = await bench.copied(bench.call(stream=True))
    assert line is not None
    assert line.code == "deadline_exceeded"
    assert bench.metrics.shadows.active == 0


async def test_only_so_many_are_under_way() -> None:
    """Beyond the limit copies are dropped and counted; a place that is free again is used."""
    bench = Bench(*(streamed([], hold=True) for _ in range(2)), whole(GOOD), max_active=2, timeout_s=0.05)
    for _ in range(5):
        bench.shadows.take(bench.call(stream=True), "trial/m")
    await asyncio.sleep(0)
    assert bench.dropped == ["busy"] * 3
    await bench.house.settled()
    assert len(bench.trial.calls) == 2
    line = await bench.copied()
    assert line is not None
    assert line.code == "ok"


async def test_a_copy_ends_with_the_house() -> None:
    """At the end of the server nothing is left, and what was cut off is written down as that."""
    bench = Bench(streamed(openai_frames("One two")[:2], hold=True))
    bench.shadows.take(bench.call(stream=True), "trial/m")
    await asyncio.sleep(0.01)
    assert bench.metrics.shadows.active == 1
    await bench.house.tasks.aclose()
    assert [line.code for line in bench.lines] == ["cancelled"]
    assert (bench.metrics.shadows.active, len(bench.house.tasks)) == (0, 0)


@pytest.mark.parametrize(
    ("model", "down", "reason"),
    [
        ("up/m", set[str](), "same"),
        ("nobody/m", set[str](), "unknown"),
        ("trial/m", {"trial/m"}, "unavailable"),
        ("alias", {"trial/m"}, "unavailable"),
    ],
)
async def test_a_copy_that_makes_no_sense_is_not_sent(model: str, down: set[str], reason: str) -> None:
    """Neither to who served the call, nor to nobody, nor to a model that is left alone; each is counted."""
    bench = Bench()
    bench.down = down
    assert await bench.copied(model=model) is None
    assert bench.dropped == [reason]
    assert bench.shadows._active == 0


async def test_a_virtual_model_may_be_tried() -> None:
    """Its first member that is there gets the copy, and no turn of a caller's is used up."""
    bench = Bench(*(whole(GOOD) for _ in range(3)))
    members = (Member(model="nobody/m"), Member(model="trial/m"))
    virtual = VirtualModel(name="mixed", members=members, strategy="order")
    bench.house.router.adopt(Router(*surroundings(bench.house.catalog), models=[virtual]))
    line = await bench.copied(model="mixed")
    assert line is not None
    assert line.model == "trial/m"


async def test_an_idempotency_key_stays_with_the_call() -> None:
    """A provider sees it neither with the call nor with the copy; other headers go along."""
    bench = Bench(whole(GOOD))
    headers = {b"idempotency-key": b"one", b"traceparent": b"00-aa-bb-01"}
    await bench.copied(exchange(CHAT, headers=headers))
    assert dict(bench.trial.calls[0].headers) == {"traceparent": "00-aa-bb-01"}


FUNCTION = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("changes", "acts"),
    [
        ({}, False),
        ({"tools": []}, False),
        ({"tools": [FUNCTION]}, False),
        ({"tools": [{"name": "f", "input_schema": {}}]}, False),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, False),
        ({"tools": [FUNCTION, {"type": "web_search_20250305", "name": "web_search"}]}, True),
        ({"tools": [{"type": "code_execution_20250522", "name": "code_execution"}]}, True),
        ({"mcp_servers": [{"type": "url", "url": "https://example.com"}]}, True),
        ({"mcp_servers": []}, False),
        ({"web_search_options": {}}, True),
        ({"tools": "all"}, True),
    ],
)
def test_tools_that_a_provider_runs_are_known(changes: dict[str, object], acts: bool) -> None:
    """What a model only asks for is harmless; what runs at the provider would be done twice."""
    assert acts_by_itself(json.dumps({**CHAT, **changes}).encode()) is acts


async def test_nothing_is_done_twice() -> None:
    """A call whose tools run at the provider is not copied."""
    bench = Bench()
    assert await bench.copied(bench.call(tools=[{"type": "web_search_20250305", "name": "web_search"}])) is None
    assert bench.dropped == ["tools"]
