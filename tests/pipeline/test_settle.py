"""What is written down: once per call, as the provider told it or marked as an estimate, and never what was said."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import cast

import msgspec
import pytest

from narthex.errors import Cancelled, Failure, ModelNotFound, NarthexError, ProviderRejected, TruncatedAnswer
from narthex.pipeline.gateway import Engine
from narthex.pipeline.settle import Settlement
from narthex.providers.contract import Reply
from narthex.resilience.decisions import Policy
from narthex.routing.pacing import Spending
from narthex.routing.plan import Plan
from narthex.routing.router import Router
from narthex.routing.virtual import Member, VirtualModel
from narthex.telemetry.metrics import Metrics
from narthex.testing.wires import anthropic_frames, as_json, openai_answer, openai_frames
from narthex.types.answers import FinishReason
from narthex.types.dialects import Dialect
from narthex.types.events import Ended, Finished, Started, TextDelta, UsageReported
from narthex.types.usage import Usage
from tests.pipeline.doubles import CHAT, INNER, Double, House, exchange, read, streamed, surroundings, told, whole

SECRETS = ("PROMPT-4711", "ANSWER-4711", "KEY-4711-0123456789", "NAME-4711")


async def test_usage_is_what_the_provider_reported() -> None:
    """Tokens in the log and in the metrics are those of the provider, to the last one, and not marked."""
    told_usage = {
        "prompt_tokens": 123,
        "completion_tokens": 45,
        "total_tokens": 168,
        "prompt_tokens_details": {"cached_tokens": 100},
        "completion_tokens_details": {"reasoning_tokens": 40},
    }
    house = House(Double(whole(as_json({**json.loads(openai_answer("x")), "usage": told_usage}))))
    await house.engine.handle(exchange(CHAT))
    (line,) = house.lines
    assert (line.input_tokens, line.output_tokens, line.cache_read_tokens, line.reasoning_tokens) == (123, 45, 100, 40)
    assert not line.estimated
    assert (house.metrics.input_tokens, house.metrics.output_tokens) == (123, 45)


@pytest.mark.parametrize("stream", [False, True])
async def test_usage_that_nobody_told_is_an_estimate(*, stream: bool) -> None:
    """Where the provider tells no usage it is estimated, and marked as that."""
    answer = json.loads(openai_answer("one two three"))
    del answer["usage"]
    reply = streamed(openai_frames("one two three", usage=False)) if stream else whole(as_json(answer))
    house = House(Double(reply))
    call = exchange({**CHAT, "stream": stream})
    await read(await house.engine.handle(call))
    await house.settled()
    (line,) = house.lines
    assert line.estimated
    assert call.usage is not None
    assert call.usage.estimated
    assert line.input_tokens == len(call.body) // 4
    assert line.output_tokens is not None
    assert line.output_tokens > 0


async def test_a_cut_stream_keeps_what_was_told_and_marks_it() -> None:
    """A stream cut midway settles what the provider told so far, and counts what it wrote as an estimate."""
    body = {**CHAT, "max_tokens": 5, "stream": True}
    house = House(
        Double(streamed(anthropic_frames("one two three")[:5]), dialects=frozenset({Dialect.ANTHROPIC_MESSAGES}))
    )
    answer = await house.engine.handle(exchange(body, dialect=Dialect.ANTHROPIC_MESSAGES))
    await read(answer)
    await house.settled()
    assert isinstance(answer.error, TruncatedAnswer)
    (line,) = house.lines
    assert line.estimated
    assert line.input_tokens == 9
    assert (line.status, line.code, line.failure) == (502, "provider_truncated_answer", "truncated")


async def test_events_without_usage_are_counted() -> None:
    """A provider inside that tells no usage is settled by the pieces that it wrote."""
    events = (
        Started(id="1", model="m", created_at=1),
        TextDelta(text="a"),
        Finished(reason=FinishReason.STOP),
        Ended(),
    )
    house = House(Double(told(*events), dialects=INNER))
    await read(await house.engine.handle(exchange({**CHAT, "stream": True})))
    await house.settled()
    assert house.lines[0].estimated


async def test_usage_told_in_events_is_taken() -> None:
    """A provider inside that tells its usage is settled by that."""
    events = (
        Started(id="1", model="m", created_at=1),
        TextDelta(text="a"),
        Finished(reason=FinishReason.STOP),
        UsageReported(usage=Usage(input_tokens=7, output_tokens=2)),
        Ended(),
    )
    house = House(Double(told(*events), dialects=INNER))
    await read(await house.engine.handle(exchange({**CHAT, "stream": True})))
    await house.settled()
    (line,) = house.lines
    assert (line.input_tokens, line.output_tokens, line.estimated) == (7, 2, False)


async def test_a_line_tells_what_became_of_the_call() -> None:
    """The line has the names of the model, the caller, the outcome and the times, as the call went."""
    house = House(Double(whole(openai_answer("x", model="m-1"))), keys=[("team", "sk-1")])
    call = exchange(CHAT, headers={b"authorization": b"Bearer sk-1"})
    await house.engine.handle(call)
    (line,) = house.lines
    assert (line.request_id, line.operation, line.surface, line.key) == (call.id, "chat", "openai.chat", "team")
    assert (line.model_asked, line.model, line.model_answered) == ("up/m", "up/m", "m-1")
    assert (line.status, line.code, line.stream, line.failure) == (200, "ok", False, None)
    assert line.duration_us is not None
    assert line.first_frame_us is not None
    assert line.duration_us >= line.first_frame_us >= 0
    assert (line.bytes_in, line.bytes_out) == (len(call.body), len(openai_answer("x", model="m-1")))


async def test_a_refused_call_leaves_a_line_too() -> None:
    """A call that never reached a model is in the log with its error, without times and tokens that it has not."""
    house = House(Double(), keys=[("team", "sk-1")])
    with pytest.raises(ModelNotFound):
        await house.engine.handle(exchange({**CHAT, "model": "x" * 5_000}, headers={b"x-api-key": b"sk-1"}))
    (line,) = house.lines
    assert (line.status, line.code, line.model) == (404, "model_not_found", None)
    assert (line.first_frame_us, line.input_tokens, line.output_tokens) == (None, None, None)
    assert len(line.model_asked) == 256


OUTCOMES: list[tuple[Reply | NarthexError, bool]] = [
    (whole(openai_answer("x")), False),
    (ProviderRejected(provider="up"), False),
    (streamed(openai_frames("x")), True),
    (streamed(openai_frames("x")[:2]), True),
    (whole(b"nonsense"), False),
]
"""Each way a call can go, with whether it is streamed: two well, three badly."""


async def test_the_numbers_add_up() -> None:
    """Calls begun are the sum of all outcomes, and none is under way when all have ended."""
    house = House(Double(*(reply for reply, _ in OUTCOMES)))
    for _, stream in OUTCOMES:
        with suppress(NarthexError):
            await read(await house.engine.handle(exchange({**CHAT, "stream": stream})))
    with pytest.raises(ModelNotFound):
        await house.engine.handle(exchange({**CHAT, "model": "none/none"}))
    await house.settled()
    metrics = house.metrics
    series = metrics._series
    assert (metrics.active, metrics.failed) == (0, 4)
    assert metrics.total == 6 == sum(one.requests for one in series.values()) == len(house.lines)
    failures = {"provider_rejected", "provider_truncated_answer", "provider_malformed_answer", "model_not_found"}
    assert {key[2] for key in series} == {"ok", *failures}
    assert sum(one.input_tokens for one in series.values()) == metrics.input_tokens
    assert sum(one.output_tokens for one in series.values()) == metrics.output_tokens


async def test_a_caller_who_leaves_is_settled_once() -> None:
    """A stream that its reader cancels is settled as cancelled, once, with what it consumed."""
    house = House(Double(streamed(openai_frames("one two three")[:3], hold=True)))
    answer = await house.engine.handle(exchange({**CHAT, "stream": True}))
    answer.cancel()
    await house.settled()
    (line,) = house.lines
    assert (line.code, line.status) == (Cancelled.code, 499)
    assert line.estimated
    assert house.metrics.active == 0


async def test_no_line_holds_what_was_said() -> None:
    """Neither prompt nor answer nor key stands in a line, whatever became of the call."""
    prompt, answer, key, name = SECRETS
    body = {**CHAT, "messages": [{"role": "user", "content": prompt, "name": name}], "user": name}
    good = whole(openai_answer(answer))
    replies: list[Reply | NarthexError] = [
        good,
        whole(b'{"error": {"message": "%b %b"}}' % (prompt.encode(), answer.encode()), status=400),
        streamed(openai_frames(answer)),
        streamed(openai_frames(answer)[:3]),
        whole(answer.encode()),
    ]
    house = House(Double(*replies), keys=[("team", key)])
    for number in range(len(replies)):
        call = exchange({**body, "stream": number in (2, 3)}, headers={b"authorization": b"Bearer " + key.encode()})
        try:
            await read(await house.engine.handle(call))
        except Exception:  # noqa: BLE001, S112 - what is written matters here, not what is raised
            continue
    await house.settled()
    written = msgspec.json.encode(house.lines).decode() + house.metrics.render()
    assert len(house.lines) == len(replies)
    assert [secret for secret in SECRETS if secret in written] == []


def _fields(house: House) -> dict[str, object]:
    """Return the one line that was logged, as it is written."""
    (line,) = house.lines
    return cast("dict[str, object]", json.loads(msgspec.json.encode(line)))


async def test_a_line_of_a_plain_call_tells_no_story() -> None:
    """Where all went well at once, neither attempts nor a decision are written."""
    house = House(Double(whole(openai_answer("x"))))
    await house.engine.handle(exchange(CHAT))
    assert not {"attempts", "rescued", "route"} & _fields(house).keys()


async def test_a_line_tells_what_was_tried() -> None:
    """A call that another model saved has its attempts in order, and the way that saved it."""
    rejected = ProviderRejected(provider="up", failure=Failure.OVERLOADED)
    house = House(Double(rejected), Double(whole(openai_answer("x")), name="other"))
    house.fallbacks = ("other/m",)
    await house.engine.handle(exchange(CHAT))
    line = _fields(house)
    assert (line["rescued"], line["model"], line.get("code")) == ("fallback", "other/m", None)
    first, second = cast("list[dict[str, object]]", line["attempts"])
    assert first.pop("duration_us") is not None
    assert second.pop("duration_us") is not None
    assert first == {"target": "up/m", "way": "first", "failure": "overloaded"}
    assert second == {"target": "other/m", "way": "fallback"}


async def test_a_line_of_a_lost_call_is_not_rescued() -> None:
    """What was tried in vain is written, and nothing is said to be saved; a single attempt is in the line itself."""
    rejected = ProviderRejected(provider="up", failure=Failure.OVERLOADED)
    house = House(Double(rejected, rejected), Double(rejected, name="other"))
    house.fallbacks = ("other/m",)
    with pytest.raises(ProviderRejected):
        await house.engine.handle(exchange(CHAT))
    house.fallbacks = ()
    with pytest.raises(ProviderRejected):
        await house.engine.handle(exchange(CHAT))
    lost, single = house.lines
    assert [one.way for one in lost.attempts] == ["first", "fallback"]
    assert (lost.rescued, single.rescued, single.attempts) == (None, None, ())
    assert (lost.failure, single.failure) == ("overloaded", "overloaded")


async def test_a_line_tells_of_a_stream_that_was_carried_on() -> None:
    """A stream that broke and was brought to its end has both attempts in its line."""
    up = Double(streamed(openai_frames("one two three")[:4]), streamed(openai_frames("one two three")))
    house = House(up)
    house.recovery.policy = Policy(retries=1)
    await read(await house.engine.handle(exchange({**CHAT, "stream": True})))
    await house.settled()
    (line,) = house.lines
    assert (line.code, line.rescued) == ("ok", "told")
    assert [(one.way, one.failure) for one in line.attempts] == [("first", "truncated"), ("told", None)]


async def test_a_line_tells_what_was_decided() -> None:
    """A call to a virtual model has its name and strategy; one that was sent straight to its model has nothing."""
    house = House(Double(whole(openai_answer("x")), whole(openai_answer("x"))))
    quick = VirtualModel(name="quick", strategy="order", members=(Member(model="up/m"),))
    house.router.adopt(Router(*surroundings(house.catalog), models=[quick]))
    await house.engine.handle(exchange({**CHAT, "model": "quick"}))
    await house.engine.handle(exchange(CHAT))
    decided, plain = house.lines
    assert msgspec.to_builtins(decided.route) == {"virtual": "quick", "strategy": "order"}
    assert plain.route is None


async def test_budgets_are_charged_with_what_calls_consumed() -> None:
    """Whole, streamed and cut alike, and only where there was something to decide."""
    charged: list[tuple[str, int]] = []

    class Books(Spending):
        def charge(self, plan: Plan, model: str, usage: Usage) -> None:
            charged.append((model, usage.total_tokens))

    model = VirtualModel(name="quick", members=(Member(model="up/m"),))
    replies = (
        whole(openai_answer("x")),
        streamed(openai_frames("x y", finish=None, done=False)),
        whole(openai_answer("x")),
    )
    house = House(Double(*replies), virtual=[model])
    house.engine = Engine(house._stages, Settlement(house.metrics, None, Books(lambda: 0.0, lambda _name: None)))
    one = exchange({**CHAT, "model": "quick"})
    await house.engine.handle(one)
    assert one.usage is not None
    assert charged == [("up/m", one.usage.total_tokens)]
    two = exchange({**CHAT, "model": "quick", "stream": True})
    await read(await house.engine.handle(two))
    assert two.usage is not None
    assert charged[1:] == [("up/m", two.usage.total_tokens)]
    await house.engine.handle(exchange(CHAT))
    assert len(charged) == 2


def test_a_part_that_is_let_go_costs_what_it_had_cost_before() -> None:
    """One that had an answer set aside, and was let go while it asked another, is billed for both."""
    part = exchange(CHAT)
    part.merged_into, part.sent = "req_1", True
    part.usage = Usage(input_tokens=10, output_tokens=20)
    metrics = Metrics()
    settlement = Settlement(metrics, None)
    settlement.begin()
    settlement.end(part, Cancelled())
    assert part.usage is not None
    assert (part.usage.output_tokens, part.usage.estimated) == (20, True)
    assert part.usage.input_tokens > 10
