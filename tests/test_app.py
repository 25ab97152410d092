"""The house put together: in this process, reloaded while it runs, and behind TLS."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import ssl
from contextlib import closing
from pathlib import Path

import pytest
import trustme

from narthex.app import Gateway, serve
from narthex.audit import Actor
from narthex.config.load import load
from narthex.config.settings import BreakerSettings, Settings
from narthex.errors import MasterKeyUnusable, ModelNotFound, ProviderError
from narthex.http.server import bind
from narthex.pipeline.answers import FailedCall, RegisteredAnswer
from narthex.providers.remote import RemoteProvider
from narthex.stores.database import Database
from narthex.stores.master_keys import MasterKeys
from narthex.stores.sealing import begin_sealing
from narthex.telemetry.lag import LagWatch
from narthex.testing.acts import streamed
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import openai_frames
from narthex.types.events import Ended, Started, TextDelta, UsageReported
from narthex.types.keys import KeyId
from tests.gateways import KEY, RawClient, RunningGateway, post, running, settings_for

NOTHING = {"environment": False, "ollama": False}
SCRIPTED = {"demo": {"kind": "scripted", "script": {"models": ["m"], "reply": "You said: {prompt}"}}}


async def test_streams_in_this_process(tmp_path: Path) -> None:
    """`Gateway.stream` yields typed events from the beginning to the end, usage included."""
    async with Gateway(settings_for(tmp_path, providers=SCRIPTED)) as gateway:
        events = [event async for event in gateway.stream("Hello", model="demo/m")]
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Ended)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "You said: Hello"
    assert any(isinstance(event, UsageReported) for event in events)


async def test_answers_whole_and_embeds_in_this_process(tmp_path: Path) -> None:
    """`Gateway.chat` gives a whole answer, `Gateway.embed` vectors, `Gateway.models` the models."""
    async with Gateway(settings_for(tmp_path, providers=SCRIPTED, default_model="demo/m")) as gateway:
        answer = await gateway.chat("Hi", temperature=0.5)
        part = answer.choices[0].message.parts[0]
        assert getattr(part, "text", None) == "You said: Hi"
        vectors = await gateway.embed(["a", "b"], model="demo/m")
        assert len(vectors) == 2
        assert [facts.name for facts in await gateway.models()] == ["demo/m"]
        with pytest.raises(ModelNotFound):
            await gateway.chat("Hi", model="nowhere/x")


async def test_leaving_a_stream_ends_the_call(tmp_path: Path) -> None:
    """A stream that is left in the middle ends at the provider, and is settled as cancelled."""
    async with ScriptedUpstream() as upstream:
        upstream.always(streamed(openai_frames("one two three four"), delay_s=0.05))
        providers = {"up": {"kind": "openai", "base_url": f"{upstream.url}/v1"}}
        async with Gateway(settings_for(tmp_path, providers=providers)) as gateway:
            stream = gateway.stream("Hi", model="up/x")
            async for event in stream:
                if isinstance(event, TextDelta):
                    break
            await stream.aclose()  # type: ignore[attr-defined]  # an async generator
            await upstream.disconnected()
            await asyncio.sleep(0.05)
            assert gateway.metrics.active == 0
            assert gateway.metrics.failed == 1


async def test_a_broken_stream_raises_after_its_events(tmp_path: Path) -> None:
    """A stream cut by the provider raises at its end: nobody takes it for whole."""
    async with ScriptedUpstream() as upstream:
        upstream.always(streamed(openai_frames("one two", finish=None, done=False)))
        providers = {"up": {"kind": "openai", "base_url": f"{upstream.url}/v1"}}
        async with Gateway(settings_for(tmp_path, providers=providers)) as gateway:
            texts: list[str] = []

            async def read() -> None:
                async for event in gateway.stream("Hi", model="up/x"):
                    if isinstance(event, TextDelta):
                        texts.append(event.text)  # noqa: PERF401 - what came before the error counts

            with pytest.raises(ProviderError):
                await read()
            assert "".join(texts) == "one two"


async def test_reloads_without_a_pause(tmp_path: Path) -> None:
    """New providers, aliases and keys hold at once; a provider that has not changed is kept as it is."""
    async with Gateway(settings_for(tmp_path, providers=SCRIPTED)) as gateway:
        kept = gateway.catalog.providers[0]
        more = {**SCRIPTED, "other": {"kind": "scripted", "script": {"models": ["n"], "reply": "other"}}}
        await gateway.reload(
            settings_for(tmp_path, providers=more, aliases={"fast": "other/n"}, keys=[{"name": "k", "key": KEY}])
        )
        assert gateway.catalog.providers[0] is kept
        assert gateway.keyring.required
        answer = await gateway.chat("Hi", model="fast")
        assert answer.model
        await gateway.reload(settings_for(tmp_path, providers={}))
        with pytest.raises(ModelNotFound):
            await gateway.chat("Hi", model="demo/m")


async def test_hedging_follows_a_reload(tmp_path: Path) -> None:
    """It can be switched on and off while calls are made."""

    def settings(**hedging: object) -> Settings:
        more = {**SCRIPTED, "other": {"kind": "scripted"}}
        return settings_for(tmp_path, providers=more, fallbacks={"demo/m": ["other/n"]}, hedging=hedging)

    seen: list[object] = []
    async with Gateway(settings()) as gateway:
        for hedging in ({}, {"enabled": True}, {"enabled": True, "percent": 7}, {}):
            await gateway.reload(settings(**hedging))
            seen.append(gateway.recovery.hedger)
        assert seen == [None, gateway.hedger, gateway.hedger, None]
        assert gateway.hedger.policy.ratio == 0.07


async def test_keys_stand_after_a_reload_as_they_did(tmp_path: Path) -> None:
    """Other settings of a provider bring no key back that was withdrawn, whatever its place; a restored one serves."""
    async with ScriptedUpstream() as upstream:

        def settings(*keys: str, **changes: object) -> Settings:
            provider = {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["x"], "api_keys": keys}
            return settings_for(tmp_path, providers={"up": {**provider, **changes}})

        first, second, third = (f"sk-{name}-0123456789abcdef" for name in ("first", "second", "third"))
        async with Gateway(settings(first, second)) as gateway:
            _keys(gateway).withdraw_key(KeyId("key-1"))
            await gateway.reload(settings(third, first, second, timeouts={"total_s": 50}))
            assert [report.by_hand for report in _keys(gateway).key_reports()] == [False, True, False]
            await gateway.reload(settings(first, max_connections=7))
            with pytest.raises(ProviderError, match="PUT /api/provider-keys/up"):
                await gateway.chat("Hi", model="up/x")
            assert upstream.requests == []
            _keys(gateway).restore_key(KeyId("key-1"))
            await gateway.chat("Hi", model="up/x")


async def test_keys_withdrawn_by_hand_are_held_against_nobody(tmp_path: Path) -> None:
    """However often that is told, it is told with its remedy, and the first key restored serves at once."""
    async with ScriptedUpstream() as upstream:
        provider = {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["x"]}
        for keys in (("sk-first-0123456789", "sk-second-0123456789"), ("sk-first-0123456789",)):
            up = {"up": {**provider, "api_keys": keys}}
            settings = settings_for(tmp_path, providers=up, breakers=BreakerSettings())
            async with Gateway(settings) as gateway:
                for report in _keys(gateway).key_reports():
                    _keys(gateway).withdraw_key(report.key)
                for _ in range(12):
                    with pytest.raises(ProviderError, match="PUT /api/provider-keys/up"):
                        await gateway.chat("Hi", model="up/x")
                _keys(gateway).restore_key(KeyId("key-1"))
                await gateway.chat("Hi", model="up/x")


def _keys(gateway: Gateway) -> RemoteProvider:
    (provider,) = gateway.catalog.providers
    assert isinstance(provider, RemoteProvider)
    return provider


async def test_a_reload_cuts_no_call(tmp_path: Path) -> None:
    """A stream goes on over the provider that it began with, past the longest time configured for others."""
    async with ScriptedUpstream() as upstream:
        upstream.always(streamed(openai_frames("one two"), delay_s=0.2))

        def settings(**changes: object) -> Settings:
            up = {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["x"], **changes}
            return settings_for(tmp_path, providers={"up": up}, timeouts={"total_s": 0.2})

        with RunningGateway(settings()) as running_gateway, RawClient(running_gateway.port) as client:
            gateway = running_gateway.gateway
            assert gateway is not None
            body = json.dumps({"model": "up/x", "stream": True, "messages": [{"role": "user", "content": "x"}]})
            client.send(post("/v1/chat/completions", body.encode(), key=None, more="x-narthex-timeout: 30\r\n"))
            upstream.wait_for(lambda: bool(upstream.requests))
            running_gateway.run(gateway.reload(settings(max_connections=7)))
            status, _, answer = client.response()
            assert status == 200
            assert b"[DONE]" in answer
            assert b"error" not in answer
            upstream.wait_for(lambda: upstream.closed == upstream.opened)


async def test_what_cannot_be_entered_leaves_nothing_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the gateway cannot be built, all that was built of it is closed."""
    stopped: list[LagWatch] = []
    stop = LagWatch.stop

    def noted(watch: LagWatch) -> None:
        stopped.append(watch)
        stop(watch)

    async def unwritable(_gateway: Gateway, _settings: Settings) -> None:
        raise PermissionError

    monkeypatch.setattr(LagWatch, "stop", noted)
    monkeypatch.setattr(Gateway, "_share", unwritable)
    gateway = Gateway(settings_for(tmp_path, providers=SCRIPTED))
    with pytest.raises(PermissionError):
        await gateway.__aenter__()
    assert stopped == [gateway.lag_watch]


def test_serves_tls(tmp_path: Path) -> None:
    """With a certificate and its key the same port speaks TLS, verified by name."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    key.write_bytes(certificate.private_key_pem.bytes())
    with running(
        tmp_path, providers=SCRIPTED, server={"tls_cert": chain, "tls_key": key}, default_model="demo/m"
    ) as gateway:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        raw = socket.create_connection(("127.0.0.1", gateway.port), timeout=30)
        with context.wrap_socket(raw, server_hostname="localhost") as connection:
            body = json.dumps({"model": "demo/m", "messages": [{"role": "user", "content": "x"}]}).encode()
            connection.sendall(post("/v1/chat/completions", body, key=None))
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 OK")


def test_a_taken_port_is_an_error_at_once(tmp_path: Path) -> None:
    """A port in use is refused when it is bound, not later."""
    with running(tmp_path, providers=SCRIPTED) as gateway:
        taken = settings_for(tmp_path, server={"port": gateway.port})
        with pytest.raises(OSError, match="in use"):
            bind(taken.server)


def test_a_full_disk_does_not_stop_the_house(tmp_path: Path) -> None:
    """Where the request log cannot be written, requests are served all the same and the loss is counted."""
    (tmp_path / "logs").write_text("a file where the folder should be")
    with running(tmp_path, providers=SCRIPTED) as gateway, RawClient(gateway.port) as client:
        body = json.dumps({"model": "demo/m", "messages": [{"role": "user", "content": "x"}]}).encode()
        client.send(post("/v1/chat/completions", body, key=None))
        assert client.response()[0] == 200
        house = gateway.gateway
    assert house is not None
    assert house.metrics.log_lines_dropped == 1


async def test_answers_may_be_registered_in_this_process(tmp_path: Path) -> None:
    """A function given to the gateway answers before those of the configuration, which change with a reload."""
    down = {"demo": {"kind": "scripted", "script": {"models": ["m"], "faults": [{"fault": "fail"}]}}}

    def settings(text: str) -> Settings:
        return settings_for(tmp_path, providers=down, default_model="demo/m", answers=[{"text": text}])

    def only_loud(failed: FailedCall) -> str | None:
        return f"{failed.operation} failed!" if "!" in str(failed.request) else None

    async def said(gateway: Gateway, prompt: str) -> str:
        answer = await gateway.chat(prompt)
        assert answer.model == "narthex/fallback"
        return str(getattr(answer.choices[0].message.parts[0], "text", None))

    async with Gateway(settings("Later."), answers=[RegisteredAnswer(compute=only_loud)]) as gateway:
        assert await said(gateway, "Now!") == "chat failed!"
        assert await said(gateway, "Please.") == "Later."
        await gateway.reload(settings("Much later."))
        assert await said(gateway, "Now!") == "chat failed!"
        assert await said(gateway, "Please.") == "Much later."


def test_a_server_does_not_start_on_the_database_of_another_master_key(tmp_path: Path) -> None:
    """It ends by itself, and says what to do."""
    database = Database.open_now(None, data_dir=tmp_path)
    other = MasterKeys(lambda: [b"o" * 32], where="a test")
    database.write_now(lambda connection: begin_sealing(connection, other))
    database.close_now()
    file = tmp_path / "narthex.yaml"
    given = {"data_dir": str(tmp_path), "server": {"port": 0}, "embedded": {"enabled": False}, "discovery": NOTHING}
    file.write_text(json.dumps(given))
    with pytest.raises(MasterKeyUnusable, match="NARTHEX_MASTER_KEY"):
        serve(load(file=file, environ={}))


async def test_what_is_noted_is_written_however_short_the_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that stops while its database is being opened opens it to the end, and writes what the audit log has."""
    settings = settings_for(tmp_path, providers=SCRIPTED)
    async with Gateway(settings) as gateway:
        gateway.audit.note("key.revoke", actor=Actor("system", "short"), target="key_short")
    with closing(sqlite3.connect(settings.data_dir / "main.db")) as database:
        rows = database.execute("SELECT count(*) FROM audit_entries WHERE target = 'key_short'").fetchone()
    assert rows == (1,)
    assert "could not be written" not in caplog.text
