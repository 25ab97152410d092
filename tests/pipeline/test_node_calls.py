"""What one process asks of another is done, refused or not answered; and nothing that is said breaks it."""

from __future__ import annotations

import asyncio

import pytest

from narthex.errors import NodeSilent, StreamEnded, StreamNotFound, StreamUnreachable
from narthex.pipeline.node_calls import NodeCalls
from narthex.pipeline.owned import Owned
from narthex.pipeline.registry import KeepPolicy, Registry
from narthex.stores.stream_records import Names
from tests.pipeline.test_registry import opened

KEY = Names("test").key("tenant:one", "name-name")


class Two:
    """Two processes that speak with each other."""

    def __init__(self) -> None:
        self.registry = Registry(KeepPolicy(), {})
        self.touched: list[Owned] = []
        self.owned = opened(self.registry, "name-name", size=3)
        ours = {KEY: self.owned}
        self.other = NodeCalls("other", self.registry, ours=ours.get, touched=self.touched.append)
        self.one = NodeCalls("one", Registry(KeepPolicy(), {}), ours=lambda _key: None, touched=self.touched.append)

    async def send(self, node: str, message: bytes) -> None:
        """Bring a message to a process."""
        await {"one": self.one, "other": self.other}[node].heard(message, send=self.send)


async def test_what_is_asked_is_done() -> None:
    """And told, with how the stream stands then."""
    two = Two()
    report = await two.one.ask("other", KEY, "pause", send=two.send, timeout_s=5)
    assert report is not None
    assert report.status == two.owned.status == "paused"
    assert two.touched == [two.owned]
    await two.one.ask("other", KEY, "report", send=two.send, timeout_s=5)
    assert two.touched == [two.owned]


async def test_what_is_refused_is_refused_here() -> None:
    """With the same error."""
    two = Two()
    with pytest.raises(StreamNotFound):
        await two.one.ask("other", Names("test").key("tenant:two", "name-name"), "pause", send=two.send, timeout_s=5)
    assert two.owned.log is not None
    two.owned.log.close()
    with pytest.raises(StreamEnded):
        await two.one.ask("other", KEY, "cancel", send=two.send, timeout_s=5)
    assert await two.one.ask("other", KEY, "delete", send=two.send, timeout_s=5) is None
    assert two.registry.of("tenant:one") == []


async def test_silence_is_told() -> None:
    """Nobody waits for ever, nor when the connection is gone; an answer that comes too late is no matter."""
    two = Two()
    sent: list[bytes] = []

    async def lost(_node: str, message: bytes) -> None:
        sent.append(message)

    with pytest.raises(NodeSilent):
        await two.one.ask("other", KEY, "report", send=lost, timeout_s=0.01)
    await two.send("other", sent[0])
    waiting = asyncio.ensure_future(two.one.ask("other", KEY, "report", send=lost, timeout_s=60))
    await asyncio.sleep(0)
    two.one.break_off()
    with pytest.raises(StreamUnreachable):
        await waiting


@pytest.mark.parametrize("message", [b"", b"\xc1", b"\x93\xa3ask\x01\x02"])
async def test_what_cannot_be_read_is_passed_over(message: bytes) -> None:
    """Another version may say what is not known here."""
    two = Two()
    await two.other.heard(message, send=two.send)
    assert two.owned.status == "running"
