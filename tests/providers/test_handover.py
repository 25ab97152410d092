"""A provider whose settings change keeps what is known of its keys, and answers the calls that it has."""

from __future__ import annotations

import asyncio

import pytest

from narthex.errors import ProviderUnreachable
from narthex.providers.contract import Call, StreamReply, Timeouts
from narthex.providers.handover import close_unused, hand_keys_over
from narthex.providers.key_books import ProviderKeys
from narthex.providers.remote import RemoteSettings
from narthex.providers.remote_keys import KeyedProvider
from narthex.providers.scripted.provider import ScriptedProvider
from narthex.providers.transport.origin import Origin
from narthex.resilience.cooling import KeyPool
from narthex.testing.acts import streamed, whole
from narthex.testing.clock import FakeClock
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import openai_frames
from narthex.types.dialects import Dialect, Operation
from narthex.types.keys import KeyId, KeyState

FIRST, SECOND, THIRD = KeyId("key-1"), KeyId("key-2"), KeyId("key-3")
ADDRESS = "http://127.0.0.1:1/v1"


def provider(*secrets: str, name: str = "far", address: str = ADDRESS) -> KeyedProvider:
    """Make one with keys."""
    by_id = {KeyId(f"key-{number}"): secret for number, secret in enumerate(secrets, start=1)}
    keys = ProviderKeys(secrets=by_id, turns=KeyPool(by_id, clock=FakeClock()))
    return KeyedProvider(RemoteSettings(name=name, kind="openai", origin=Origin.parse(address)), keys)


def states(one: KeyedProvider) -> list[KeyState]:
    """Return how its keys stand."""
    return [report.state for report in one.key_reports()]


async def test_keys_stand_as_they_did() -> None:
    """Withdrawn, refused and resting ones are so wherever they stand now; a key that was not there is usable."""
    before, after = provider("a", "b", "c"), provider("new", "c", "b", "a")
    before.withdraw_key(FIRST)
    before.books.turns.retire(SECOND, "authentication")
    before.books.turns.cool(THIRD, 2_000_000.0)
    hand_keys_over([before], [after])
    assert states(after) == [KeyState.USABLE, KeyState.COOLING, KeyState.RETIRED, KeyState.RETIRED]
    assert [report.by_hand for report in after.key_reports()] == [False, False, False, True]
    assert after.key_reports()[2].reason == "authentication"


@pytest.mark.parametrize("other", [{"name": "near"}, {"address": "http://127.0.0.1:2/v1"}])
async def test_another_provider_has_keys_of_its_own(other: dict[str, str]) -> None:
    """What one said of a key is nothing to another name or address."""
    before, after = provider("a", "b"), provider("a", "b", **other)
    before.withdraw_key(FIRST)
    hand_keys_over([before], [after])
    assert states(after) == [KeyState.USABLE, KeyState.USABLE]


async def test_it_is_closed_when_its_last_call_has_ended() -> None:
    """A stream goes on to its end, and what is free is closed at once."""
    async with ScriptedUpstream() as upstream:
        old = provider("a", "b", address=f"{upstream.url}/v1")
        upstream.play(streamed(openai_frames("one two"), delay_s=0.05), whole(b"{}"))
        call = Call(Operation.CHAT, "x", Dialect.OPENAI_CHAT, b"{}", True, Timeouts())
        reply = await old.send(call)
        assert isinstance(reply, StreamReply)
        await old.send(Call(Operation.CHAT, "x", Dialect.OPENAI_CHAT, b"{}", False, Timeouts()))
        closing = asyncio.ensure_future(close_unused(old, longest_s=0.0))
        await upstream.disconnected(answers=0)
        assert not closing.done()
        pieces: list[bytes] = []
        await reply.pump(pieces.append)
        assert b"[DONE]" in b"".join(pieces)
        await closing
        await upstream.all_closed()


async def test_cancelled_it_is_closed_at_once() -> None:
    """A server that stops waits for no call of an old provider."""
    async with ScriptedUpstream() as upstream:
        old = provider("a", "b", address=f"{upstream.url}/v1")
        upstream.always(streamed(openai_frames("one two"), delay_s=5.0))
        reply = await old.send(Call(Operation.CHAT, "x", Dialect.OPENAI_CHAT, b"{}", True, Timeouts()))
        assert isinstance(reply, StreamReply)
        closing = asyncio.ensure_future(close_unused(old, longest_s=0.0))
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(ProviderUnreachable):
            await reply.pump(lambda _: None)


async def test_others_are_closed_after_the_longest_time() -> None:
    """One that cannot tell when its last call ends is given the time of any."""
    closed: list[str] = []

    class Noting(ScriptedProvider):
        async def aclose(self) -> None:
            closed.append(self.name)

    await close_unused(Noting("demo", {}), longest_s=0.0)
    assert closed == ["demo"]
