"""What is said of a key is kept with it, under the eyes of a hand, and never tells the key."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from narthex.errors import Failure, ProviderAuthentication, ProviderError
from narthex.providers.contract import Call, Timeouts, WholeReply
from narthex.providers.key_books import KeyBooks, ProviderKeys, key_lines, refused, reports_by_provider
from narthex.providers.remote import RemoteProvider, RemoteSettings
from narthex.providers.transport.origin import Origin
from narthex.resilience.cooling import KeyPolicy, KeyPool
from narthex.testing.acts import whole
from narthex.testing.clock import FakeClock
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import openai_error
from narthex.types.dialects import Dialect, Operation
from narthex.types.keys import KeyId, KeyReport, KeyState

SECRET = "sk-the-only-key-there-is"
ONLY = KeyId("key-1")
REVOKED = whole(openai_error(f"Wrong key {SECRET}.", code="invalid_api_key"), status=401)
LIMITED = whole(openai_error("Slow down.", code="rate_limit_exceeded"), status=429)


def books_of(*secrets: str) -> KeyBooks:
    """Keep books of keys."""
    by_id = {KeyId(f"key-{number}"): secret for number, secret in enumerate(secrets, start=1)}
    return KeyBooks("far", ProviderKeys(secrets=by_id, turns=KeyPool(by_id, clock=FakeClock())))


@asynccontextmanager
async def sole() -> AsyncIterator[tuple[RemoteProvider, ScriptedUpstream]]:
    """Give a provider with one key, and what it talks to."""
    async with ScriptedUpstream() as upstream:
        keys = ProviderKeys(secrets={ONLY: SECRET}, turns=KeyPool([ONLY], KeyPolicy(sets_aside=False)))
        settings = RemoteSettings(name="far", kind="openai", origin=Origin.parse(f"{upstream.url}/v1"), api_key=SECRET)
        provider = RemoteProvider(settings, keys)
        try:
            yield provider, upstream
        finally:
            await provider.aclose()


async def status(provider: RemoteProvider) -> int:
    """Make a call and return the status of its answer."""
    body = b'{"model":"gpt-test","messages":[{"role":"user","content":"Hi"}]}'
    reply = await provider.send(Call(Operation.CHAT, "gpt-test", Dialect.OPENAI_CHAT, body, False, Timeouts()))
    assert isinstance(reply, WholeReply)
    assert SECRET.encode() not in reply.body
    return reply.status


def state(provider: RemoteProvider) -> tuple[str, str | None]:
    """Return how the only key stands."""
    (report,) = provider.key_reports()
    return report.state.value, report.reason


async def test_what_is_said_of_an_only_key_is_noted(caplog: pytest.LogCaptureFixture) -> None:
    """Its refusals are shown until it is accepted again, and told once in the log; it goes on being used."""
    caplog.set_level(logging.WARNING)
    async with sole() as (provider, upstream):
        assert (await status(provider), state(provider)) == (200, ("usable", None))
        upstream.play(REVOKED, REVOKED, LIMITED)
        assert (await status(provider), state(provider)) == (401, ("usable", "authentication"))
        assert await status(provider) == 401
        assert caplog.text.count("key-1 is refused (authentication)") == 1
        assert (await status(provider), state(provider)) == (429, ("usable", "rate_limited"))
        assert (await status(provider), state(provider)) == (200, ("usable", None))
        assert len(upstream.requests) == 5


async def test_an_only_key_is_taken_out_by_hand() -> None:
    """Without it nothing is sent, and the error names who returns it; returned, it serves at once."""
    async with sole() as (provider, upstream):
        provider.withdraw_key(ONLY)
        for ask in (status(provider), provider.list_models()):
            with pytest.raises(ProviderAuthentication, match="PUT /api/provider-keys/far") as raised:
                await ask
            assert raised.value.retry_after_s is None
        assert upstream.requests == []
        provider.restore_key(ONLY)
        assert await status(provider) == 200


@pytest.mark.parametrize(("secret", "ends"), [("sk-0123456789abcdef", "cdef"), ("sk-0123456789ab", ""), ("short", "")])
def test_the_last_characters_of_a_long_key_are_shown(secret: str, ends: str) -> None:
    """Four characters tell keys apart; of a short key they would tell too much."""
    assert books_of(secret).reports() == (KeyReport(key=ONLY, state=KeyState.USABLE, ends=ends),)


def test_the_same_key_has_the_same_mark_everywhere() -> None:
    """Whoever holds a key knows it by its mark, in whatever place it stands; under another pepper it has another."""
    one, other = books_of("sk-first-secret", "sk-second-secret"), books_of("sk-second-secret", "sk-first-secret")
    first, second = one.marks("a").values()
    assert list(other.marks("a").values()) == [second, first]
    assert {first, second}.isdisjoint(one.marks("b").values())
    assert all(len(mark) == 32 and "secret" not in mark for mark in (first, second))


def test_only_errors_are_looked_into() -> None:
    """An answer without error says nothing against a key."""
    assert refused(WholeReply(200, {}, b"")) is None
    error = WholeReply(400, {}, b"")
    assert refused(error) is error


@pytest.mark.parametrize(
    ("status_code", "failure", "settled"), [(401, "permission", False), (500, "rate_limited", True)]
)
def test_the_status_speaks_before_the_words(status_code: int, failure: str, *, settled: bool) -> None:
    """A 401 is about the key whatever it says, and a failing server says nothing of keys."""
    books = books_of("sk-first-secret", "sk-second-secret")
    error = ProviderError(provider="far", failure=Failure(failure))
    assert books.heard(ONLY, status_code, error) is settled
    assert (books.reports()[0].state is KeyState.USABLE) is settled


async def test_states_are_metrics() -> None:
    """For each provider with keys their states are counted; one without is not mentioned."""
    bare = RemoteSettings(name="bare", kind="openai", origin=Origin.parse("http://127.0.0.1:1/v1"))
    async with sole() as (provider, _):
        provider.withdraw_key(ONLY)
        text = "\n".join(key_lines(reports_by_provider([provider, RemoteProvider(bare)])))
    assert 'narthex_provider_keys{provider="far",state="retired"} 1' in text
    assert 'narthex_provider_keys{provider="far",state="usable"} 0' in text
    assert "bare" not in text
