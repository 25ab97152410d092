"""A provider with several keys, over real sockets: turns, rests, refusals, and what the caller hears of them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from narthex.errors import Failure, ProviderAuthentication, ProviderLimited, ProviderUnreachable
from narthex.providers.contract import Call, KeyHolding, Reply, StreamReply, Timeouts, WholeReply
from narthex.providers.key_books import LEAST_REST_S, REST_S, ProviderKeys
from narthex.providers.remote import RemoteProvider, RemoteSettings
from narthex.providers.remote_keys import KeyedProvider
from narthex.providers.transport.origin import Origin
from narthex.resilience.cooling import KeyPool
from narthex.testing.acts import Answer, hung_up, silent, whole
from narthex.testing.clock import FakeClock
from narthex.testing.upstream import HealthyProvider, ReceivedRequest, ScriptedUpstream
from narthex.testing.wires import anthropic_error, openai_answer, openai_error
from narthex.types.dialects import Dialect, Operation
from narthex.types.keys import KeyId

SECRETS = ("sk-first-secret-1", "sk-second-secret-2", "sk-third-secret-3")
FIRST, SECOND, THIRD = SECRETS
LIMITED = whole(openai_error("Slow down.", code="rate_limit_exceeded"), status=429)
REVOKED = whole(openai_error("Wrong key.", code="invalid_api_key"), status=401)
UNPAID = whole(openai_error("No credit.", code="insufficient_quota"), status=429)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A keyed provider, what it talks to, and the clock of its keys."""

    provider: KeyedProvider
    upstream: ScriptedUpstream
    clock: FakeClock
    answers: dict[str, Answer]
    """What is answered to a key in place of the healthy answer."""

    async def call(self, *, stream: bool = False, timeouts: Timeouts | None = None, on_trial: bool = False) -> Reply:
        """Make one call."""
        call = self._request(stream=stream, timeouts=timeouts)
        call.on_trial = on_trial
        return await self.provider.send(call)

    async def begun(self, prefix: bytes) -> str:
        """Make one call that begins in a certain way, and return the key that was shown."""
        call = self._request(stream=False, timeouts=None)
        call.prefix = prefix
        await self.provider.send(call)
        return self.shown()[-1]

    async def status(self, timeouts: Timeouts | None = None) -> int:
        """Make one call and return the status of its answer."""
        reply = await self.call(timeouts=timeouts)
        assert isinstance(reply, WholeReply)
        return reply.status

    def shown(self) -> list[str]:
        """Return the keys that the upstream was shown, in order."""
        return [key_of(request) for request in self.upstream.requests]

    def states(self) -> list[str]:
        """Return the state of each key, in order."""
        return [report.state.value for report in self.provider.key_reports()]

    def _request(self, *, stream: bool, timeouts: Timeouts | None) -> Call:
        is_openai = Dialect.OPENAI_CHAT in self.provider.dialects
        return Call(
            operation=Operation.CHAT,
            model="gpt-test",
            dialect=Dialect.OPENAI_CHAT if is_openai else Dialect.ANTHROPIC_MESSAGES,
            body=b'{"model":"gpt-test","stream":%b,"messages":[]}' % (b"true" if stream else b"false"),
            stream=stream,
            timeouts=timeouts or Timeouts(),
        )


def key_of(request: ReceivedRequest) -> str:
    """Return the key that a request shows."""
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    return bearer or request.headers.get("x-api-key", "")


@asynccontextmanager
async def bench(
    answers: Mapping[str, Answer] | None = None, *, secrets: tuple[str, ...] = SECRETS, kind: str = "openai"
) -> AsyncIterator[Bench]:
    """Give a provider with these keys, of which some are answered in their own way."""
    special, healthy, clock = dict(answers or {}), HealthyProvider("Hello.", ("gpt-test",)), FakeClock()

    def respond(request: ReceivedRequest) -> Answer:
        return special.get(key_of(request)) or healthy(request)

    by_id = {KeyId(f"key-{number}"): secret for number, secret in enumerate(secrets, start=1)}
    async with ScriptedUpstream(respond) as upstream:
        settings = RemoteSettings(name="many", kind=kind, origin=Origin.parse(f"{upstream.url}/v1"))
        keys = ProviderKeys(secrets=by_id, turns=KeyPool(by_id, clock=clock), clock=clock)
        provider = KeyedProvider(settings, keys)
        try:
            yield Bench(provider=provider, upstream=upstream, clock=clock, answers=special)
        finally:
            await provider.aclose()


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_keys_take_turns(kind: str) -> None:
    """Each key carries the same share of the calls, shown as the wire wants it."""
    async with bench(kind=kind) as one:
        for _ in range(9):
            assert await one.status() == 200
        assert one.shown() == [*SECRETS] * 3


async def test_calls_that_begin_alike_use_the_same_key() -> None:
    """One that is limited passes them all to the next, and has them again afterwards."""
    limited = whole(openai_error("Slow down.", code="rate_limit_exceeded"), status=429, headers={"retry-after": "30"})
    async with bench() as one:
        foretold = one.provider.next_key(b"Be brief.")
        first = await one.begun(b"Be brief.")
        assert foretold == f"key-{SECRETS.index(first) + 1}"
        assert {await one.begun(b"Be brief.") for _ in range(4)} == {first}
        assert len({await one.begun(b"%d" % number) for number in range(20)}) == 3
        one.answers[first] = limited
        (second,) = {await one.begun(b"Be brief.") for _ in range(3)}
        assert second != first
        del one.answers[first]
        await one.clock.advance(31)
        assert await one.begun(b"Be brief.") == first


async def test_calls_at_once_share_the_keys() -> None:
    """Many calls at the same time are spread evenly as well."""
    async with bench() as one:
        assert await asyncio.gather(*(one.status() for _ in range(30))) == [200] * 30
        assert Counter(one.shown()) == dict.fromkeys(SECRETS, 10)


async def test_a_limited_key_rests_and_the_call_goes_on() -> None:
    """The caller of a call that met a limit gets its answer by the next key, and the limited one rests its time."""
    limited = whole(openai_error("Slow down.", code="rate_limit_exceeded"), status=429, headers={"retry-after": "30"})
    async with bench({FIRST: limited}) as one:
        assert await one.status() == 200
        assert one.shown() == [FIRST, SECOND]
        del one.answers[FIRST]
        await one.clock.advance(29.9)
        assert [await one.status() for _ in range(4)] == [200] * 4
        assert FIRST not in one.shown()[1:]
        await one.clock.advance(0.2)
        assert [await one.status() for _ in range(3)] == [200] * 3
        assert one.shown().count(FIRST) == 2


@pytest.mark.parametrize(
    ("headers", "rest_s"), [({}, REST_S), ({"retry-after": "0"}, LEAST_REST_S), ({"retry-after": "1e30"}, 86_400.0)]
)
async def test_a_rest_has_its_limits(headers: dict[str, str], rest_s: float) -> None:
    """Without a word from the provider a key rests a while; it is neither back at once nor away for good."""
    limited = whole(openai_error("Slow down.", code="rate_limit_exceeded"), status=429, headers=headers)
    async with bench({FIRST: limited}) as one:
        assert await one.status() == 200
        assert one.provider.key_reports()[0].usable_in_s == pytest.approx(rest_s)


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (REVOKED, "authentication"),
        (UNPAID, "quota_exhausted"),
        (whole(openai_error("Revoked.", code="invalid_api_key"), status=403), "authentication"),
        (whole(openai_error("Pay first.", code="billing_not_active"), status=403), "quota_exhausted"),
        (whole(b"<html>no</html>", status=401), "authentication"),
    ],
)
async def test_a_refused_key_is_set_aside_and_the_call_goes_on(refusal: Answer, reason: str) -> None:
    """A key that is wrong or unpaid costs no caller an answer, and is not shown again."""
    async with bench({FIRST: refusal}) as one:
        assert [await one.status() for _ in range(5)] == [200] * 5
        assert one.shown() == [FIRST, SECOND, THIRD, SECOND, THIRD, SECOND]
        assert one.states() == ["retired", "usable", "usable"]
        assert one.provider.key_reports()[0].reason == reason
        assert one.provider.health().status == "ok"


async def test_the_anthropic_wire_is_read_as_well() -> None:
    """What refuses or limits a key is told from Anthropic's errors too."""
    refusals = {
        FIRST: whole(anthropic_error(kind="authentication_error"), status=401),
        SECOND: whole(anthropic_error(kind="rate_limit_error"), status=429),
    }
    async with bench(refusals, kind="anthropic") as one:
        assert await one.status() == 200
        assert one.states() == ["retired", "cooling", "usable"]


async def test_a_key_that_was_mended_comes_back() -> None:
    """After its pause a refused key is tried once; the success of that call brings it back."""
    async with bench({FIRST: REVOKED}) as one:
        await one.status()
        del one.answers[FIRST]
        await one.clock.advance(61)
        assert one.states()[0] == "probing"
        assert [await one.status() for _ in range(3)] == [200] * 3
        assert one.states() == ["usable"] * 3


async def test_all_refused_tells_the_last_refusal() -> None:
    """Only when every key has met a refusal the caller hears one: the provider's own, the last."""
    async with bench({FIRST: LIMITED, SECOND: REVOKED, THIRD: UNPAID}) as one:
        reply = await one.call()
        assert isinstance(reply, WholeReply)
        assert (reply.status, b"insufficient_quota" in reply.body) == (429, True)
        assert one.shown() == [*SECRETS]


@pytest.mark.parametrize("refusal", [LIMITED, REVOKED, UNPAID, hung_up()])
async def test_a_call_on_trial_keeps_no_key_from_callers(refusal: Answer) -> None:
    """It is made once, with the key whose turn it is, and whatever it meets, every key is as it was."""
    async with bench(dict.fromkeys(SECRETS, refusal)) as one:
        for number in range(1, 4):
            with contextlib.suppress(ProviderUnreachable):
                reply = await one.call(on_trial=True)
                assert isinstance(reply, WholeReply)
                assert reply.status in {401, 429}
            assert len(one.upstream.requests) == number
        assert one.states() == ["usable"] * 3
        one.answers.clear()
        assert await one.status() == 200


async def test_a_call_on_trial_is_refused_where_no_key_is_left() -> None:
    """It waits for none, and takes no probe away from callers."""
    async with bench(dict.fromkeys(SECRETS, LIMITED)) as one:
        await one.status()
        asked = len(one.upstream.requests)
        with pytest.raises(ProviderLimited):
            await one.call(on_trial=True)
        assert len(one.upstream.requests) == asked


async def test_a_call_on_trial_quotes_no_key() -> None:
    """What the provider says of the key is masked, as for callers."""
    quoting = whole(openai_error(f"Wrong key {FIRST}.", code="invalid_api_key"), status=401)
    async with bench({FIRST: quoting}) as one:
        reply = await one.call(on_trial=True)
        assert isinstance(reply, WholeReply)
        assert FIRST.encode() not in reply.body


async def test_nothing_is_sent_while_every_key_rests() -> None:
    """The caller hears at once that the limit is reached, and when the next key may be used."""
    async with bench(dict.fromkeys(SECRETS, LIMITED)) as one:
        await one.status()
        await one.clock.advance(4)
        with pytest.raises(ProviderLimited) as raised:
            await one.call()
        error = raised.value
        assert (error.failure, error.retryable, error.retry_after_s) == (Failure.RATE_LIMITED, True, REST_S - 4)
        assert len(one.shown()) == 3


@pytest.mark.parametrize(
    ("refusal", "kind", "failure"),
    [
        (REVOKED, ProviderAuthentication, Failure.AUTHENTICATION),
        (UNPAID, ProviderLimited, Failure.QUOTA_EXHAUSTED),
    ],
)
async def test_nothing_is_sent_while_every_key_is_set_aside(
    refusal: Answer, kind: type[Exception], failure: Failure
) -> None:
    """The caller hears why no key may be used, and when one will be tried again."""
    async with bench(dict.fromkeys(SECRETS, refusal)) as one:
        await one.status()
        with pytest.raises(kind) as raised:
            await one.call()
        error = raised.value
        assert isinstance(error, ProviderAuthentication | ProviderLimited)
        assert (error.failure, error.retry_after_s) == (failure, 60.0)


@pytest.mark.parametrize(
    "answer",
    [
        whole(openai_error("Not you.", code="permission_denied"), status=403),
        whole(openai_error("What?", code="invalid_request_error"), status=400),
        whole(openai_error("Busy.", code="overloaded"), status=503),
        whole(openai_error("Busy.", code="engine_overloaded"), status=429),
    ],
)
async def test_what_is_not_about_the_key_is_told_as_it_is(answer: Answer) -> None:
    """A failure that another key would meet too is tried with no other, and no key suffers for it."""
    async with bench({FIRST: answer}) as one:
        assert await one.status() >= 400
        assert one.shown() == [FIRST]
        assert one.states() == ["usable"] * 3


async def test_a_stream_goes_on_with_the_next_key() -> None:
    """Before a stream begins its status decides: the caller sees the stream of the key that was accepted."""
    async with bench({FIRST: LIMITED, SECOND: REVOKED}) as one:
        reply = await one.call(stream=True)
        assert isinstance(reply, StreamReply)
        pieces: list[bytes] = []
        await reply.pump(pieces.append)
        assert b"[DONE]" in b"".join(pieces)
        assert one.states() == ["cooling", "retired", "usable"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_that_is_cancelled_leaves_the_probe_to_the_next(*, stream: bool) -> None:
    """Whoever leaves while a key is on probe has said nothing of it: at its next turn it is tried again."""
    async with bench({FIRST: REVOKED}, secrets=(FIRST, SECOND)) as one:
        await one.status()
        await one.clock.advance(61)
        one.answers[FIRST] = silent()
        leaving = asyncio.ensure_future(one.call(stream=stream))
        await one.upstream.requested(3)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        del one.answers[FIRST]
        assert [await one.status() for _ in range(2)] == [200] * 2
        assert one.shown()[-2:] == [SECOND, FIRST]
        assert one.states() == ["usable", "usable"]


async def test_a_broken_connection_is_no_refusal() -> None:
    """A connection that breaks is told as such, and the key on probe is free for the next call."""
    async with bench({FIRST: REVOKED}, secrets=(FIRST, SECOND)) as one:
        await one.status()
        await one.clock.advance(61)
        one.answers[FIRST] = hung_up()
        with pytest.raises(ProviderUnreachable):
            await one.call()
        assert one.states() == ["probing", "usable"]


@pytest.mark.parametrize(("total_s", "attempts"), [(600.0, 3), (0.001, 1)])
async def test_all_attempts_share_the_time_of_the_call(
    monkeypatch: pytest.MonkeyPatch, total_s: float, attempts: int
) -> None:
    """Each attempt gets what the ones before it have left of the call's time, and none is made without any."""
    given: list[float] = []

    async def limited(_: RemoteProvider, call: Call) -> Reply:
        given.append(call.timeouts.total_s)
        await asyncio.sleep(0.01)
        return WholeReply(429, {}, openai_error(code="rate_limit_exceeded"))

    monkeypatch.setattr(RemoteProvider, "send", limited)
    async with bench() as one:
        assert await one.status(timeouts=Timeouts(total_s=total_s)) == 429
    assert len(given) == attempts
    assert given[0] == total_s
    assert given == sorted(set(given), reverse=True)


async def test_models_are_asked_for_with_any_key() -> None:
    """The list of models comes by the next key too where one is refused."""
    async with bench({FIRST: REVOKED}) as one:
        assert [facts.id for facts in await one.provider.list_models()] == ["gpt-test"]
        assert one.shown() == [FIRST, SECOND]


async def test_a_key_is_never_told(caplog: pytest.LogCaptureFixture) -> None:
    """Neither errors, logs, reports nor representations hold a key, even where the provider quotes it."""
    caplog.set_level(logging.DEBUG)
    quoting = {
        secret: whole(openai_error(f"{secret} is over its limit", code="rate_limit_exceeded"), status=429)
        for secret in (SECOND, THIRD)
    }
    async with bench({FIRST: REVOKED, **quoting}) as one:
        reply = await one.call(stream=True)
        assert isinstance(reply, WholeReply)
        assert b"[key] is over its limit" in reply.body
        with pytest.raises(ProviderLimited) as raised:
            await one.call()
        told = (reply, raised.value, one.provider.key_reports(), one.provider.health(), one.provider.books)
        text = " ".join([*map(repr, told), caplog.text])
        assert not [secret for secret in SECRETS if secret in text]
        assert "key-1 is refused" in caplog.text


async def test_it_shows_that_it_holds_keys() -> None:
    """Who shows the status finds the keys by the contract, under opaque names in order."""
    async with bench() as one:
        assert isinstance(one.provider, KeyHolding)
        assert [report.key for report in one.provider.key_reports()] == ["key-1", "key-2", "key-3"]


@pytest.mark.parametrize("follows", [True, False])
async def test_a_key_rests_before_it_must_be_refused(*, follows: bool) -> None:
    """Of which an answer tells that nothing is left; unless that is not gone by."""
    async with bench() as at:
        at.provider.books._keys = dataclasses.replace(at.provider.books._keys, follows=follows)
        told = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "60s"}
        told["x-ratelimit-limit-requests"] = "6"
        at.answers[FIRST] = whole(openai_answer("A"), headers=told)
        for _ in range(4):
            assert await at.status() == 200
        expected = [FIRST, SECOND, THIRD, SECOND] if follows else [FIRST, SECOND, THIRD, FIRST]
        assert at.shown() == expected
        if follows:
            await at.clock.advance(10.0)
            assert await at.status() == 200
            assert at.shown()[-1] == FIRST
