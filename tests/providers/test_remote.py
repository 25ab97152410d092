"""A provider behind an address, over real sockets: what is sent, what comes back, and what it means for its health."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from narthex.errors import Failure, MalformedAnswer, ProviderAuthentication, ProviderTimeout, ProviderUnreachable
from narthex.providers.contract import Call, KeyHolding, Reply, StreamReply, Timeouts, WholeReply
from narthex.providers.remote import ANTHROPIC_VERSION, RemoteProvider, RemoteSettings
from narthex.providers.transport.connection import Connection
from narthex.providers.transport.origin import Origin
from narthex.testing.acts import Answer, Close, Wait, cut_after, hung_up, silent, streamed, whole
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import openai_answer, openai_error, openai_frames
from narthex.types.dialects import Dialect, Operation
from narthex.types.keys import KeyId


@asynccontextmanager
async def remote(
    *,
    kind: str = "openai",
    models: tuple[str, ...] = (),
    api_key: str | None = "sk-one",
    pass_deadline: bool = False,
    max_connections: int = 8,
) -> AsyncIterator[tuple[RemoteProvider, ScriptedUpstream]]:
    """Give a provider and what it talks to."""
    async with ScriptedUpstream() as upstream:
        origin = Origin.parse(f"{upstream.url}/v1")
        settings = RemoteSettings(
            name="far",
            kind=kind,
            origin=origin,
            api_key=api_key,
            models=models,
            headers={"X-Team": "t"},
            pass_deadline=pass_deadline,
            max_connections=max_connections,
        )
        provider = RemoteProvider(settings)
        try:
            yield provider, upstream
        finally:
            await provider.aclose()


def call(dialect: Dialect = Dialect.OPENAI_CHAT, *, stream: bool = False, timeouts: Timeouts | None = None) -> Call:
    """Make a call."""
    body = b'{"model":"m","stream":%b,"messages":[]}' % (b"true" if stream else b"false")
    headers = {"traceparent": "00-1"}
    return Call(Operation.CHAT, "m", dialect, body, stream, timeouts or Timeouts(), None, headers)


def status_of(reply: Reply) -> int:
    """Return the status of a whole answer."""
    assert isinstance(reply, WholeReply)
    return reply.status


@pytest.mark.parametrize(
    ("kind", "dialect", "path", "key"),
    [
        ("openai", Dialect.OPENAI_CHAT, "/v1/chat/completions", ("authorization", "Bearer sk-one")),
        ("openai", Dialect.OPENAI_EMBEDDINGS, "/v1/embeddings", ("authorization", "Bearer sk-one")),
        ("anthropic", Dialect.ANTHROPIC_MESSAGES, "/v1/messages", ("x-api-key", "sk-one")),
        ("anthropic", Dialect.ANTHROPIC_COUNT_TOKENS, "/v1/messages/count_tokens", ("x-api-key", "sk-one")),
    ],
)
async def test_a_call_goes_out_as_its_wire_wants_it(
    kind: str, dialect: Dialect, path: str, key: tuple[str, str]
) -> None:
    """Path, key, headers of the configuration and of the call, and the body unchanged."""
    async with remote(kind=kind) as (provider, upstream):
        one = call(dialect)
        assert status_of(await provider.send(one)) == 200
        (request,) = upstream.requests
    assert (request.method, request.path, request.body) == ("POST", path, one.body)
    assert request.headers[key[0]] == key[1]
    assert (request.headers["x-team"], request.headers["traceparent"]) == ("t", "00-1")
    assert request.headers.get("anthropic-version") == (ANTHROPIC_VERSION if kind == "anthropic" else None)


async def test_without_a_key_none_is_shown() -> None:
    """A server that wants no key is shown none, and tells of none."""
    async with remote(api_key=None) as (provider, upstream):
        await provider.send(call())
        assert "authorization" not in upstream.requests[0].headers
        assert isinstance(provider, KeyHolding)
        assert provider.key_reports() == ()
        with pytest.raises(KeyError):
            provider.withdraw_key(KeyId("key-1"))


async def test_a_connection_is_kept() -> None:
    """One call after the other goes over the same connection."""
    async with remote() as (provider, upstream):
        for _ in range(3):
            assert status_of(await provider.send(call())) == 200
        assert upstream.opened == 1


async def test_a_kept_connection_that_was_closed_costs_nothing() -> None:
    """A request that met a closed connection is sent again over a new one."""
    async with remote() as (provider, upstream):
        upstream.play(whole(openai_answer("one")), hung_up())
        assert [status_of(await provider.send(call())) for _ in range(2)] == [200, 200]
        assert len(upstream.requests) == 3


async def test_a_stream_comes_in_pieces() -> None:
    """A stream is handed on as it comes, to its clean end."""
    async with remote() as (provider, upstream):
        upstream.always(streamed(openai_frames("one two")))
        reply = await provider.send(call(stream=True))
        assert isinstance(reply, StreamReply)
        pieces: list[bytes] = []
        await reply.pump(pieces.append)
        assert b"".join(pieces).endswith(b"data: [DONE]\n\n")


async def test_a_cut_stream_is_told() -> None:
    """A stream that ends before its end raises, and says that it is truncated."""
    async with remote() as (provider, upstream):
        upstream.always(cut_after(streamed(openai_frames("one two")), sends=2, by=Close()))
        reply = await provider.send(call(stream=True))
        assert isinstance(reply, StreamReply)
        with pytest.raises(ProviderUnreachable) as raised:
            await reply.pump(lambda _: None)
        assert raised.value.failure is Failure.TRUNCATED


async def test_an_error_in_place_of_a_stream_is_whole() -> None:
    """What is answered to a streamed call with an error status comes whole, for its body to be read."""
    async with remote() as (provider, upstream):
        upstream.always(whole(openai_error("busy"), status=503))
        assert status_of(await provider.send(call(stream=True))) == 503


@pytest.mark.parametrize(
    ("answer", "error", "failure"),
    [
        (hung_up(), ProviderUnreachable, Failure.CONNECT),
        (silent(), ProviderTimeout, Failure.FIRST_TOKEN_TIMEOUT),
    ],
)
async def test_a_failure_of_the_connection_has_its_class(
    answer: Answer, error: type[Exception], failure: Failure
) -> None:
    """Broken off and silent are two failures, both may be tried again, and the provider is down."""
    async with remote() as (provider, upstream):
        upstream.always(answer)
        with pytest.raises(error) as raised:
            await provider.send(call(timeouts=Timeouts(first_token_s=0.2)))
        assert isinstance(raised.value, ProviderUnreachable | ProviderTimeout)
        assert (raised.value.failure, raised.value.retryable) == (failure, True)
        assert provider.health().status == "down"


@pytest.mark.parametrize(
    ("kind", "dialect"), [("openai", Dialect.OPENAI_CHAT), ("anthropic", Dialect.ANTHROPIC_MESSAGES)]
)
async def test_only_who_asks_for_it_is_told_how_long_a_call_may_take(kind: str, dialect: Dialect) -> None:
    """With `pass_deadline` it is what the call has left; others are not told."""
    for pass_deadline, told in ((True, "12.500"), (False, None)):
        async with remote(kind=kind, pass_deadline=pass_deadline) as (provider, upstream):
            await provider.send(call(dialect, timeouts=Timeouts(total_s=12.5)))
            assert upstream.requests[0].headers.get("x-narthex-timeout") == told


@pytest.mark.parametrize(
    ("limits", "failure"),
    [
        (Timeouts(connect_s=0.05, total_s=5), Failure.CONNECT_TIMEOUT),
        (Timeouts(connect_s=5, total_s=0.05), Failure.DEADLINE),
    ],
)
async def test_waiting_for_a_connection_is_part_of_the_call(limits: Timeouts, failure: Failure) -> None:
    """Where none is to be had in time it is told which time was over, and nothing outlasts the call."""
    async with remote(max_connections=1) as (provider, upstream):
        upstream.always(silent())
        holding = asyncio.ensure_future(provider.send(call()))
        await upstream.requested(1)
        with pytest.raises(ProviderTimeout) as raised:
            await provider.send(call(timeouts=limits))
        assert raised.value.failure is failure
        holding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await holding


async def test_a_call_that_is_sent_again_has_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kept connection that turns out closed costs the call its time, and a new one does not give it back."""
    async with remote() as (provider, upstream):
        await provider.send(call())
        upstream.always((Wait(0.3), Close()))
        given: list[float] = []
        send = Connection.send

        def noted(
            self: Connection, request: bytes, limits: Timeouts, *, streaming: bool = False
        ) -> asyncio.Future[WholeReply]:
            given.append(limits.total_s)
            return send(self, request, limits, streaming=streaming)

        monkeypatch.setattr(Connection, "send", noted)
        with pytest.raises(ProviderUnreachable):
            await provider.send(call(timeouts=Timeouts(total_s=10)))
        first, second = given
        assert first == 10
        assert second <= 9.75


async def test_health_follows_the_answers() -> None:
    """The last answer says how the provider is, and a refused key what to do."""
    async with remote() as (provider, upstream):
        upstream.play(whole(b"{}", status=500), whole(b"{}", status=401), whole(b"{}", status=400))
        assert provider.health().status == "unknown"
        seen = []
        for _ in range(3):
            await provider.send(call())
            seen.append((provider.health().status, "`api_key`" in (provider.health().detail or "")))
        assert seen == [("degraded", False), ("down", True), ("ok", False)]


async def test_a_call_that_is_cancelled_closes_its_connection() -> None:
    """Whoever leaves takes the connection along: an answer that still comes reaches nobody."""
    async with remote() as (provider, upstream):
        assert status_of(await provider.send(call())) == 200
        upstream.play(silent())
        leaving = asyncio.ensure_future(provider.send(call()))
        await upstream.requested(2)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        await upstream.disconnected()
        assert status_of(await provider.send(call())) == 200
        assert upstream.opened == 2


async def test_models_are_asked_for_or_known() -> None:
    """Models named in the configuration are believed; otherwise the provider is asked."""
    async with remote(models=("a", "text-embed")) as (provider, upstream):
        facts = await provider.list_models()
        assert [(one.id, "embeddings" in one.capabilities) for one in facts] == [("a", False), ("text-embed", True)]
        assert upstream.requests == []
    async with remote() as (provider, upstream):
        assert [one.id for one in await provider.list_models()] == ["gpt-test", "claude-test"]
        assert upstream.requests[0].path == "/v1/models"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (whole(openai_error("no", code="invalid_api_key"), status=401), ProviderAuthentication),
        (whole(b"<html>"), MalformedAnswer),
        (hung_up(), ProviderUnreachable),
    ],
)
async def test_a_list_that_cannot_be_had_is_told(answer: Answer, error: type[Exception]) -> None:
    """A refusal, nonsense and a broken connection are told apart."""
    async with remote() as (provider, upstream):
        upstream.always(answer)
        with pytest.raises(error):
            await provider.list_models()


async def to_its_end(provider: RemoteProvider, one: Call) -> None:
    """Make a call, and read its stream if it has one."""
    reply = await provider.send(one)
    if isinstance(reply, StreamReply):
        await reply.pump(lambda _data: None)


@pytest.mark.parametrize("way", ["kept", "new", "streamed"])
async def test_a_caller_who_leaves_late_harms_nobody(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Who is cancelled after the response has come does not close the connection that another call is on by now."""
    async with remote() as (provider, upstream):
        if way == "kept":
            await provider.send(call())
        upstream.always(streamed(openai_frames("Hello")) if way == "streamed" else whole(openai_answer("Hello")))
        pool = provider._pool
        give_back = pool.give_back
        others: list[asyncio.Future[WholeReply]] = []

        def taken_at_once(connection: Connection) -> None:
            monkeypatch.setattr(pool, "give_back", give_back)
            give_back(connection)
            other = pool.kept()
            assert other is not None
            assert other is connection
            upstream.always(whole(openai_answer("Hello")))
            others.append(other.send(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}", Timeouts()))
            first.cancel()

        monkeypatch.setattr(pool, "give_back", taken_at_once)
        first = asyncio.ensure_future(to_its_end(provider, call(stream=way == "streamed")))
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (await others[0]).status == 200


@pytest.mark.parametrize("way", ["kept", "new", "streamed"])
async def test_a_response_that_comes_to_nobody_ends_its_connection(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Who is cancelled just before the end comes still closes the connection: no other call may be on it by then."""
    async with remote() as (provider, upstream):
        if way == "kept":
            await provider.send(call())
        frames = streamed(openai_frames("Hello"), delay_s=0.01)
        upstream.always(frames if way == "streamed" else whole(openai_answer("Hello")))
        given_back: list[Connection] = []
        monkeypatch.setattr(provider._pool, "give_back", given_back.append)
        take = Connection.data_received

        async def ask() -> None:
            reply = await provider.send(call(stream=way == "streamed"))
            if isinstance(reply, StreamReply):
                await reply.pump(lambda _data: None)

        def cancelled_first(connection: Connection, data: bytes) -> None:
            if way != "streamed" or b"\r\n0\r\n\r\n" in data or data.startswith(b"0\r\n"):
                asked.cancel()
            take(connection, data)

        monkeypatch.setattr(Connection, "data_received", cancelled_first)
        asked = asyncio.ensure_future(ask())
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert given_back == []
        await upstream.all_closed()
